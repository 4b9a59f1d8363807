"""A run's records folded into curves and figures: resumes, smoothing, best epoch, pace, what the hardware does.

Pure arithmetic on numpy: it reads no file and no clock. `None` and NaN become NaN. A curve that was handed out never
changes, so it may cross threads; a `Series` itself belongs to the thread that extends it.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from cockpit.records import Device, Epoch, Phase, Record, Step
from cockpit.series.columns import AXES, Columns, Samples
from cockpit.series.curves import LIVE_METRICS, Curve, Metric, Snapshot, XAxis, axis_column, metric_column
from cockpit.series.smoothing import Ema

_COMMON_FIELDS = (*AXES, "lr", "img_per_s")
_STEP_FIELDS = (*_COMMON_FIELDS, "loss", "acc")
_EPOCH_FIELDS = (*_COMMON_FIELDS, "train_loss", "train_acc", "val_loss", "val_acc")
_PACE_EPOCHS = 2
"""The pace is the mean over so many epochs: it spans their validations and forgets the first steps' compilation."""
_HISTORY = 60
"""Samples of a device that are kept: two minutes of them."""
_MAX_DEVICES = 16
"""Devices that are kept; a damaged file may name any number."""


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Where a later attempt continued from a checkpoint."""

    epoch: float
    """Epochs done at the checkpoint, with the fraction; NaN until a record tells how many steps an epoch has."""
    step: int
    """Optimizer steps done at the checkpoint."""
    elapsed_s: float
    """Training seconds at that moment."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best epoch so far."""

    epoch: int
    """From 1."""
    val_acc: float
    """Validation top-1, 0-1."""


@dataclass
class _Smoothed:
    """A smoothed curve, kept so that only new samples are computed."""

    average: Ema
    rows: Columns = field(default_factory=lambda: Columns(("y",)))


class Series:
    """All that a run has recorded, ready to be drawn."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.phase: Phase | None = None
        """The last phase."""
        self.devices: dict[str, Device] = {}
        """The last sample of each device, by name."""
        self.history: dict[str, deque[Device]] = {}
        """The newest samples of each device, by name, the oldest first."""
        self._steps = Samples(_STEP_FIELDS)
        self._epochs = Samples(_EPOCH_FIELDS)
        self._resumes: list[tuple[int, float]] = []
        self._smoothed: dict[tuple[Metric, float], _Smoothed] = {}
        self.extend(records)

    def extend(self, records: Iterable[Record]) -> None:
        """Fold further records, in the order of the file; amortised constant time a record."""
        steps: list[Step] = []
        epochs: list[Epoch] = []
        for record in records:
            kind = type(record)
            if kind is Step:
                steps.append(record)  # pyright: ignore[reportArgumentType]
            elif kind is Epoch:
                epochs.append(record)  # pyright: ignore[reportArgumentType]
            elif isinstance(record, Device):
                self._keep_device(record)
            elif isinstance(record, Phase):
                if record.state == "running":
                    self._flush(steps, epochs)
                    steps, epochs = [], []
                    self._begin_attempt(record)
                self.phase = record
        self._flush(steps, epochs)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        newest = self._newest()
        return int(newest.last("step")) if newest else 0

    @property
    def epoch(self) -> float:
        """Epochs done, with the fraction of the present one."""
        newest = self._newest()
        return newest.last("epoch") if newest else 0.0

    @property
    def num_epochs(self) -> int:
        """Whole epochs done, validation included."""
        return int(self._epochs.last("epoch")) if self._epochs.size else 0

    @property
    def lr(self) -> float | None:
        """The newest learning rate."""
        newest = self._newest()
        return newest.last("lr") if newest else None

    @property
    def img_per_s(self) -> float | None:
        """The newest throughput, training images a second."""
        newest = self._newest()
        return newest.last("img_per_s") if newest else None

    @property
    def elapsed_s(self) -> float:
        """Training seconds so far, over all attempts; the trainer's monotonic clock, never the wall's."""
        ends = [rows.last("elapsed_s") for rows in (self._steps, self._epochs) if rows.size]
        return max([*ends, self.phase.elapsed_s if self.phase else 0.0])

    @property
    def best(self) -> Best | None:
        """The epoch of the highest validation accuracy, the earlier of equals; None before the first."""
        val_acc = self._epochs.column("val_acc")
        if not np.isfinite(val_acc).any():
            return None
        row = int(np.nanargmax(val_acc))
        return Best(epoch=int(self._epochs.column("epoch")[row]), val_acc=float(val_acc[row]))

    @property
    def resumes(self) -> tuple[Resume, ...]:
        """Where attempts were joined, in the order of steps."""
        return tuple(
            Resume(epoch=step / self._steps_per_epoch if step else 0.0, step=step, elapsed_s=elapsed_s)
            for step, elapsed_s in self._resumes
        )

    def curve(self, metric: Metric, x: XAxis = "epoch") -> Curve:
        """Return a metric over epochs done, steps or training seconds."""
        rows = self._rows(metric)
        return Curve(metric, rows.column(axis_column(x)), rows.column(metric_column(metric)))

    def smooth(self, metric: Metric, half_life: float, x: XAxis = "epoch") -> Curve:
        """Return `curve` smoothed by `Ema`; the samples that came since the last call are all that it computes."""
        smoothed = self._smoothed.get((metric, half_life))
        if smoothed is None:
            smoothed = self._smoothed[metric, half_life] = _Smoothed(Ema(half_life))
        raw = self.curve(metric, x)
        if smoothed.rows.size < raw.y.size:
            smoothed.rows.append(smoothed.average.extend(raw.y[smoothed.rows.size :])[None])
        return Curve(metric, raw.x, smoothed.rows.column("y"))

    def snapshot(self, half_lives: Mapping[Metric, float] | None = None) -> Snapshot:
        """Return all curves as they are now, the named metrics also smoothed with these half-lives."""
        return Snapshot(
            samples={name: self._steps.column(name) for name in _STEP_FIELDS},
            epochs={name: self._epochs.column(name) for name in _EPOCH_FIELDS},
            smoothed={metric: self.smooth(metric, half_life).y for metric, half_life in (half_lives or {}).items()},
        )

    def seconds_per_step(self) -> float | None:
        """Return the recent pace, validation included; None before there is any."""
        newest = self._newest()
        if newest is None:
            return None
        first_step, first_s = self._resumes[-1] if self._resumes else (0, 0.0)
        window = np.fmax(first_step + 1, self.step - _PACE_EPOCHS * self._steps_per_epoch)
        row = int(np.searchsorted(newest.column("step"), window))
        if row < newest.size - 1:
            first_step, first_s = newest.column("step")[row], newest.column("elapsed_s")[row]
        steps, seconds = self.step - first_step, newest.last("elapsed_s") - first_s
        return float(seconds / steps) if steps > 0 and seconds > 0 else None

    def planned_steps(self, epochs: int) -> int | None:
        """Return the steps that so many epochs take; None until a record tells how many one has."""
        steps = self._steps_per_epoch * epochs
        return round(steps) if steps < 2**53 else None

    @property
    def _steps_per_epoch(self) -> float:
        """Steps of an epoch, from whole ones if there are any: the last batch may be smaller; NaN while unknown."""
        rows = self._epochs if self._epochs.size else self._steps
        if not rows.size or not rows.last("epoch") or not rows.last("step"):
            return float("nan")
        return rows.last("step") / rows.last("epoch")

    def _rows(self, metric: Metric) -> Columns:
        return self._steps if metric in LIVE_METRICS else self._epochs

    def _keep_device(self, device: Device) -> None:
        if device.name not in self.devices and len(self.devices) == _MAX_DEVICES:
            oldest = next(iter(self.devices))
            del self.devices[oldest], self.history[oldest]
        self.devices[device.name] = device
        self.history.setdefault(device.name, deque(maxlen=_HISTORY)).append(device)

    def _newest(self) -> Columns | None:
        """Return the table with the newest row; a live sample beats the epoch that ends at the same step."""
        filled = [rows for rows in (self._steps, self._epochs) if rows.size]
        return max(filled, key=lambda rows: rows.last("step"), default=None)

    def _flush(self, steps: list[Step], epochs: list[Epoch]) -> None:
        for rows, batch in ((self._steps, steps), (self._epochs, epochs)):
            if batch:
                rows.append(np.array([list(map(attrgetter(name), batch)) for name in rows.index], dtype=np.float64))

    def _begin_attempt(self, phase: Phase) -> None:
        for rows in (self._steps, self._epochs):
            rows.truncate(int(np.searchsorted(rows.column("step"), phase.step, side="right")))
        self._smoothed.clear()
        self._resumes = [joint for joint in self._resumes if joint[0] < phase.step]
        if phase.attempt > 1:
            self._resumes.append((phase.step, phase.elapsed_s))


def eta_s(series: Series, planned_steps: int) -> float | None:
    """Return the seconds to the last planned step at the recent pace; None while there is no pace, 0 at the end."""
    remaining = planned_steps - series.step
    if remaining <= 0:
        return 0.0
    pace = series.seconds_per_step()
    return None if pace is None else remaining * pace
