"""What the commands read of whole runs: their curves, and what is wrong with them."""

from typing import TYPE_CHECKING

from cockpit import records
from cockpit.errors import CockpitError
from cockpit.lines import LineTail
from cockpit.status import RunInfo, describe
from cockpit.store import Run

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm
    from cockpit.series import Series

_PORTION_BYTES = 1 << 20
"""Records are decoded in portions of so much, which take ten times the room."""


def read_series(run: Run) -> "Series":
    """Return all that a run has recorded; what cannot be read is nothing."""
    from cockpit.series import Series  # numpy, which a listing does not need

    series = Series()
    for _, lines in LineTail(run.metrics_path, _PORTION_BYTES).read():
        series.extend(records.decode_lines(lines))
    return series


def check_trained_here(run: Run, lacks: str) -> None:
    """Raise CockpitError for a run whose weights were imported: what only a training leaves, it lacks."""
    if describe(run).status == "imported":
        raise CockpitError(f"run {run.id} was imported, not trained here: {lacks}")


def alarms_of(run: Run, info: RunInfo) -> "tuple[Alarm, ...]":
    """Return what is wrong with a run now; of one that does not train nothing is read."""
    from cockpit.diagnose import ALARMING, diagnose, gather

    return diagnose(read_series(run), info, gather(run)) if info.status in ALARMING else ()


def one_of(flag: str, value: str, choices: tuple[str, ...]) -> str:
    """Return a value if it is one of the choices.

    Raises:
        CockpitError: When it is not; both are named.
    """
    if value not in choices:
        raise CockpitError(f"{flag} {value[:40]!r} is none of {', '.join(choices)}")
    return value
