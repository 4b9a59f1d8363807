"""The command that prints the end of a run's log."""

import dataclasses
from pathlib import Path

from cockpit.cli.common import open_store, print_json, say, show
from cockpit.cli.fields import RunRef, Whole
from cockpit.errors import CockpitError


@dataclasses.dataclass(frozen=True)
class Log:
    """Print the last lines that the trainer of a run printed."""

    run: RunRef = "last"
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    lines: Whole = 200
    """How many at most; of a long log only the end is read."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the lines."""
        if self.lines < 1:
            raise CockpitError(f"--lines {self.lines} prints nothing; take 1 or more")
        run = open_store(self.runs).get(self.run)
        lines = run.log_tail(self.lines)
        if self.json:
            print_json({"run": run.id, "lines": lines})
        elif not lines:
            say(f"the trainer of {run.id} printed nothing yet")
        for line in () if self.json else lines:
            show(line)
        return 0
