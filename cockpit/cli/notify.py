"""Show and try how the end of a run is told."""

import dataclasses
import os
import sys
from pathlib import Path

from cockpit import afterwards, status
from cockpit.cli.common import open_store, print_facts, print_json, printable, say
from cockpit.config import config_path
from cockpit.errors import CockpitError
from cockpit.notify import Notify, read_notify, terminal_sequence


@dataclasses.dataclass(frozen=True)
class NotifyUser:
    """Show how the end of a run is told, as [notify] in config.toml says: bell, osc, command, limit_s."""

    test: bool = False
    """Try it now: ring and notify this terminal, and run the command."""
    run: str = ""
    """With --test: the run whose end is told. Default: one that never was."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print as JSON."""

    def execute(self) -> int:
        """Show the settings, or try them."""
        notify = read_notify()
        if self.test:
            return self._try(notify)
        if self.json:
            print_json(notify)
        else:
            print_facts(
                [
                    ("bell", "yes" if notify.bell else "no"),
                    ("osc", str(notify.osc) if notify.osc else "no"),
                    ("command", notify.command or "none"),
                    ("limit", f"{notify.limit_s:g} s"),
                    ("file", str(config_path())),
                ]
            )
        return 0

    def _try(self, notify: Notify) -> int:
        if not notify.rings and not notify.command:
            example = 'bell = true, osc = true or command = "…"'
            raise CockpitError(f"nothing is asked for: write [notify] and below it {example} into {config_path()}")
        info = status.describe(open_store(self.runs).get(self.run)) if self.run else _example()
        if notify.rings and not tell_terminal(notify, info):
            say("stderr is no terminal: nothing rings")
        code: int | None = 0
        if notify.command:
            outcome = afterwards.run_command(notify, {**os.environ, **afterwards.facts(info)})
            code, output = outcome.code, outcome.output.decode("utf-8", "replace")
            say(f"the command {outcome}")
            if self.json:
                print_json({"code": code, "seconds": outcome.seconds, "output": output})
            else:
                for line in output.splitlines():
                    print(printable(line))
        return 0 if code == 0 else 1


def tell_terminal(notify: Notify, info: status.RunInfo) -> bool:
    """Ring and notify the terminal that stderr is; return whether it is one."""
    if not sys.stderr.isatty():
        return False
    sys.stderr.write(terminal_sequence(notify, afterwards.sentence(info)))
    sys.stderr.flush()
    return True


def _example() -> status.RunInfo:
    name = "20260101-120000-resnet20-digits-0000"
    return status.RunInfo(
        id=name,
        path=os.path.abspath(f"runs/{name}"),
        status="finished",
        detail="test top-1 97.77%",
        model="resnet20",
        dataset="digits",
        epoch=30,
        epochs=30,
        best_val_acc=0.9861,
        best_epoch=27,
        test=status.TestScores(top1=0.9777, top5=1.0, loss=0.0812, epoch=27, run=name, dataset="digits", images=359),
        elapsed_s=95.0,
        launched=None,
        changes="",
    )
