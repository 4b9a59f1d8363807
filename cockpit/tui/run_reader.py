"""Read one run's folder for the screens, from a thread: only what was appended since the last look."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit import records, results
from cockpit.errors import CockpitError
from cockpit.kept import KeptRun, Stamp, stamp
from cockpit.lines import LineTail
from cockpit.status import RunInfo, describe
from cockpit.store import Run
from cockpit.tui.text import plain
from cockpit.tui.watch import paths_of

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm
    from cockpit.series import Resume, Series
    from cockpit.series.curves import Metric, Snapshot

_PORTION_BYTES = 1 << 20
"""Records are decoded in portions of so much, which take ten times the room."""
_LOG_LINES = 200
_DATE = re.compile(r"^\d{4}-\d\d-\d\d (?=\d\d:)")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunView:
    """All that the Run screen shows of a run."""

    info: RunInfo
    """Status and figures."""
    curves: "Snapshot"
    """All curves on all axes, and those smoothed that were asked for."""
    resumes: "tuple[Resume, ...]"
    """Where attempts were joined."""
    epoch: float
    """Epochs done, with the fraction of the present one."""
    eta_s: float | None
    """Seconds to the end at the recent pace; None unless it is running."""
    img_per_s: float | None
    """Training images a second."""
    lr: float | None
    """Learning rate."""
    device: records.Device | None
    """What the hardware did at the last sample."""
    history: tuple[records.Device, ...]
    """What it did in the last two minutes, the oldest first."""
    planned_steps: int | None
    """Steps of the whole run; None while that is not known."""
    alarms: "tuple[Alarm, ...]"
    """What is wrong with it, the gravest first."""
    report: results.TestReport | None
    """The test of the best checkpoint."""
    log: tuple[str, ...]
    """The last lines that the trainer printed, made harmless, and without the date before the time."""


class RunReader:
    """Follows one run, reading only what was appended."""

    def __init__(self, run: Run) -> None:
        """Begin without having read anything."""
        self._run = KeptRun(run.path)
        self._paths = (*paths_of(run), str(run.log_path))
        self._tail = LineTail(run.metrics_path, _PORTION_BYTES)
        self._series: Series | None = None
        self._stamps: tuple[Stamp, ...] = ()
        self._info: RunInfo | None = None
        self._log: tuple[str, ...] = ()
        self._half_lives: Mapping[Metric, float] = {}
        self._smoothed: Mapping[Metric, float] | None = None
        self._reading = threading.Lock()

    def smooth(self, half_lives: "Mapping[Metric, float]") -> None:
        """Ask for other metrics to be smoothed, from the next look on; any thread may ask."""
        self._half_lives = half_lives

    def look(self, *, afresh: bool = False) -> Iterator[RunView]:
        """Yield the run if it changed, or other curves are to be smoothed.

        Args:
            afresh: Yield it even when nothing changed, for a screen that has forgotten it.
        """
        with self._reading:  # a worker that was cancelled may still be at it
            half_lives = self._half_lives
            stamps = tuple(map(stamp, self._paths))
            info = describe(self._run)
            known = stamps == self._stamps and info == self._info and half_lives == self._smoothed
            if known and not afresh:
                return
            if not self._stamps or stamps[-1] != self._stamps[-1]:
                self._log = tuple(_DATE.sub("", plain(line, 300)) for line in self._run.log_tail(_LOG_LINES))
            self._stamps, self._info, self._smoothed = stamps, info, half_lives
            view = self._view(info, self._read_series(), half_lives)
        yield view

    def _read_series(self) -> "Series":
        from cockpit.series import Series  # numpy: a tenth of a second that the first screen does not need

        for restarted, lines in self._tail.read():
            if restarted:
                self._series = None
            self._series = self._series or Series()
            self._series.extend(records.decode_lines(lines))
        self._series = self._series or Series()
        return self._series

    def _view(self, info: RunInfo, series: "Series", half_lives: "Mapping[Metric, float]") -> RunView:
        from cockpit.diagnose import ALARMING, diagnose, gather
        from cockpit.series import eta_s

        planned_steps = series.planned_steps(info.epochs)
        device = max(reversed(series.devices.values()), key=lambda sample: sample.time, default=None)
        return RunView(
            info=info,
            curves=series.snapshot(half_lives),
            resumes=series.resumes,
            epoch=series.epoch,
            eta_s=eta_s(series, planned_steps) if info.status == "running" and planned_steps else None,
            img_per_s=series.img_per_s,
            lr=series.lr,
            device=device,
            history=tuple(series.history[device.name]) if device else (),
            planned_steps=planned_steps,
            alarms=diagnose(series, info, gather(self._run)) if info.status in ALARMING else (),
            report=read_report(self._run),
            log=self._log,
        )


def read_report(run: Run) -> results.TestReport | None:
    """Return the test of a run, also None when it cannot be read: `RunInfo.damage` tells of that."""
    try:
        return run.test_report()
    except CockpitError:
        return None
