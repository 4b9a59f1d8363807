"""The records of a run as its readers need them: the newest ones, one kind, or what came since the last look."""

import contextlib
import dataclasses
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit import files, records
from cockpit.errors import CockpitError
from cockpit.lines import LineTail, lines_backwards, whole_lines

if TYPE_CHECKING:
    from cockpit.store.run import Run


@dataclasses.dataclass(frozen=True)
class Tail:
    """The newest records of a run, read from the end of its metrics."""

    phase: records.Phase | None
    """The last phase."""
    epoch: records.Epoch | None
    """The last epoch, also when a phase stands behind it."""
    step: records.Step | None
    """The last live sample."""


_MOST_LINES = 4_000_000
"""So many lines are looked through, three months of live samples: a file full of anything else costs a second."""


def read_tail(path: Path) -> Tail:
    """Read the newest records, from the end of a metrics.jsonl backwards and no further than needed.

    Raises:
        CockpitError: When it cannot be read, or no line of it is a record.
    """
    try:
        return _read_tail(path)
    except FileNotFoundError:
        return Tail(None, None, None)
    except OSError as error:
        raise files.unreadable(path, error) from error


def _read_tail(path: Path) -> Tail:
    record: records.Record | None = None
    phase: records.Phase | None = None
    epoch: records.Epoch | None = None
    step: records.Step | None = None
    resumed_at = math.inf
    lines = itertools.islice(lines_backwards(path), _MOST_LINES)
    last_line = next(lines, None)
    if last_line is None:
        return Tail(None, None, None)
    # The phase of a run that goes on may stand a million lines before its end: of those only phases count.
    wanted = (line for line in itertools.chain([last_line], lines) if not (epoch and step) or b'"phase"' in line)
    for record in records.decode_lines(wanted):
        match record:
            case records.Phase():
                phase = phase or record
                if record.state == "running":
                    resumed_at = min(resumed_at, record.step)
            case records.Epoch() if epoch is None and record.step <= resumed_at:
                epoch = record
            case records.Step() if step is None and record.step <= resumed_at:
                step = record
        if phase and epoch:
            break
    if record is None:
        raise CockpitError(f"{path} is damaged: no line of it is a record; move it away, then resume the run")
    return Tail(phase, epoch, step)


def find_checkpoint_step(path: Path) -> int:
    """Return the step of the newest checkpoint that the records tell of, or 0 when they tell of none.

    One is kept at the end of every epoch and at a stop, and a run that goes on begins at its step.
    """
    with contextlib.suppress(OSError):
        for record in records.decode_lines(itertools.islice(lines_backwards(path), _MOST_LINES)):
            match record:
                case records.Epoch(step=step) | records.Phase(state="running" | "stopped", step=step) if step:
                    return step
    return 0


def find_choice(path: Path, device: str) -> records.Choice | None:
    """Return the newest record of how a run's steps are computed on a device, or None when there is none yet."""
    newest = None
    for line in whole_lines(path):
        if b'"kind":"choice"' in line:
            for record in records.decode_lines([line]):
                if isinstance(record, records.Choice) and record.device == device:
                    newest = record
    return newest


class RecordTail:
    """Reads the records that a run gained since the last call."""

    def __init__(self, run: "Run") -> None:
        self._lines = LineTail(run.metrics_path)

    def read(self) -> list[records.Record]:
        """Return the new records, oldest first; none while the file does not exist."""
        return [record for _, lines in self._lines.read() for record in records.decode_lines(lines)]
