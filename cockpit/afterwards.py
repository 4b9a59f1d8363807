"""The user's own command at the end of a run, started by the run's trainer: detached, with a limit of time and output.

Whatever it does or fails to do, nothing of the run changes. What it printed stands in the run's notify-log.txt.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from cockpit import durable, interpreter, status
from cockpit.errors import CockpitError
from cockpit.notify import Notify, read_notify
from cockpit.records import FINAL_STATES
from cockpit.results import NOT_FINITE
from cockpit.status import LIVE, RunInfo
from cockpit.store import Run

OUTPUT_BYTES = 65_536
"""So much of what a command prints is kept, the first of it."""
_MAX_TEXT = 2_000
_LOOK_S = 0.1
_START_S = 10.0
"""What the process in between may take to begin and to write, on a slow disk."""


class Outcome(NamedTuple):
    """What became of a command."""

    code: int | None
    """Its exit code, minus the signal that ended it; None when it was killed for taking too long."""
    output: bytes
    """What it printed, cut at `OUTPUT_BYTES`."""
    seconds: float
    """How long it took."""

    def __str__(self) -> str:
        """Return a sentence."""
        if self.code is None:
            return f"was killed after {self.seconds:.1f} s, its limit (limit_s)"
        return f"ended with exit code {self.code} after {self.seconds:.1f} s"


def sentence(info: RunInfo) -> str:
    """Return how a run ended, for a notification."""
    if info.status == "finished" and info.test and not info.test.is_outdated(info.best_epoch):
        what = f"finished, test top-1 {info.test.top1:.2%}" + (f", {NOT_FINITE}" if info.test.loss is None else "")
    elif info.status in ("finished", "stopped"):
        val = "" if info.best_val_acc is None else f", best val {info.best_val_acc:.2%}"
        what = f"{info.status} at epoch {info.epoch} of {info.epochs}{val}"
    else:
        what = f"{info.status}: {info.detail}"
    return f"{info.model} on {info.dataset} {what} ({info.id})"


def facts(info: RunInfo) -> dict[str, str]:
    """Return what a command finds in its environment about a run; what is not known is empty."""
    report = info.test
    values: dict[str, object] = {
        "RUN": info.id,
        "STATUS": info.status,
        "DETAIL": info.detail,
        "MODEL": info.model,
        "DATASET": info.dataset,
        "EPOCH": info.epoch,
        "EPOCHS": info.epochs,
        "BEST_EPOCH": info.best_epoch,
        "VAL_ACC": info.best_val_acc,
        "TEST_TOP1": report and report.top1,
        "TEST_TOP5": report and report.top5,
        "TEST_LOSS": report and report.loss,
        "SECONDS": round(info.elapsed_s, 1),
        "MESSAGE": sentence(info),
    }
    told = {f"COCKPIT_{name}": "" if value is None else _one_line(str(value)) for name, value in values.items()}
    folder = os.path.abspath(info.path)
    return told | {"COCKPIT_RUN_DIR": folder, "COCKPIT_RUNS": os.path.dirname(folder)}


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:_MAX_TEXT])


def prepare(run: Run) -> dict[str, str]:
    """Return what the command of a run that has just ended is to know; empty when there is no command.

    Raises:
        CockpitError: For a mistake in the user's file.
    """
    if not read_notify().command:
        return {}
    info = status.describe(run)
    if info.status in LIVE:  # by Slurm, whose job this is, or because the last words could not be written
        phase = run.tail().phase
        if phase is not None and phase.state in FINAL_STATES:
            info = msgspec.structs.replace(info, status=phase.state, detail=phase.detail)
        else:
            info = msgspec.structs.replace(info, status="failed")
    return facts(info)


def start(run: Run, told: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Leave a process behind that runs the user's command.

    In a Slurm job this waits for it, because what one leaves behind there ends with the job.

    Args:
        run: The run that has ended.
        told: See `prepare`; nothing happens when it is empty.
        environment: What the command finds besides.
    """
    if not told:
        return
    words = [sys.executable, *interpreter.module("cockpit.afterwards"), str(run.path.absolute())]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**environment, **told},
    )
    if "SLURM_JOB_ID" in environment:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(read_notify().limit_s + _START_S)


def run_command(notify: Notify, environment: Mapping[str, str]) -> Outcome:
    """Run the user's command in a shell, in the user's home folder, and return what became of it.

    Not in the run folder: what lies there may come from anybody, and many commands load what lies beside them.

    Args:
        notify: The command and its limit.
        environment: All that it finds.
    """
    home = Path.home()
    began = time.monotonic()
    process = subprocess.Popen(
        notify.command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=dict(environment),
        cwd=home if home.is_dir() else "/",
    )
    assert process.stdout is not None
    output, open_ended, code = b"", True, None
    with process.stdout:
        while time.monotonic() - began < notify.limit_s:
            code = process.poll()
            ready = select.select([process.stdout] if open_ended else [], [], [], 0.0 if code is not None else _LOOK_S)
            if ready[0]:
                chunk = os.read(process.stdout.fileno(), 65_536)
                open_ended = bool(chunk)
                output += chunk[: OUTPUT_BYTES - len(output)]
            elif code is not None:
                break
    if code is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Outcome(code, output, time.monotonic() - began)


def main() -> None:
    """Run the command and write notify-log.txt into the run folder."""
    run = Run(Path(sys.argv[1]))
    try:
        notify = read_notify()
        outcome = run_command(notify, os.environ)
        text = f"{time.strftime('%Y-%m-%d %H:%M:%S')} the command of [notify] {outcome}\n".encode() + outcome.output
    except (CockpitError, OSError) as error:
        text = f"{time.strftime('%Y-%m-%d %H:%M:%S')} the command of [notify] could not be run: {error}\n".encode()
    with contextlib.suppress(OSError):  # deleted meanwhile, or no room
        durable.write_atomically(run.notify_log_path, text)


if __name__ == "__main__":
    main()
