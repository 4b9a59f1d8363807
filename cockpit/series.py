"""A run's records folded into curves and figures: resumes, smoothing, reduction to a screen's width, best epoch, ETA.

Pure arithmetic on numpy: it reads no file and no clock. `None` and NaN become NaN. A curve that was handed out never
changes, so it may cross threads; a `Series` itself belongs to the thread that extends it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

import numpy as np

from cockpit.records import Device, Epoch, Phase, Record, Step

Metric = Literal["loss", "acc", "lr", "train_loss", "train_acc", "val_loss", "val_acc"]
XAxis = Literal["epoch", "step", "time"]

_AXES = ("epoch", "step", "elapsed_s")
_COMMON_FIELDS = (*_AXES, "lr", "img_per_s")
_STEP_FIELDS = (*_COMMON_FIELDS, "loss", "acc")
_EPOCH_FIELDS = (*_COMMON_FIELDS, "train_loss", "train_acc", "val_loss", "val_acc")
_PACE_EPOCHS = 2
"""The pace is the mean over so many epochs: it spans their validations and forgets the first steps' compilation."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric over the run, in the order of steps."""

    name: str
    """The metric."""
    x: np.ndarray
    """(N,) float64, read-only, never falling: epochs done with their fraction, steps, or training seconds."""
    y: np.ndarray
    """(N,) float64, read-only; NaN where the trainer had no number."""


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


class _Rows:
    """Growing float64 columns; a column that was handed out is never written again."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.index = {name: row for row, name in enumerate(fields)}
        self.size = 0
        self._values = np.empty((len(fields), 256))

    def append(self, values: np.ndarray) -> None:
        """Add rows, shape (fields, N)."""
        size = self.size + values.shape[1]
        if size > self._values.shape[1]:
            self._reallocate(2 * size)
        self._values[:, self.size : size] = values
        self.size = size

    def truncate(self, size: int) -> None:
        """Forget all rows behind the first `size`."""
        if size < self.size:
            self.size = size
            self._reallocate(self._values.shape[1])  # curves handed out keep the superseded rows

    def column(self, name: str) -> np.ndarray:
        """Return a column as a read-only view."""
        view = self._values[self.index[name], : self.size]
        view.flags.writeable = False
        return view

    def last(self, name: str) -> float:
        """Return the newest value of a column; there must be one."""
        return float(self._values[self.index[name], self.size - 1])

    def _reallocate(self, capacity: int) -> None:
        values = np.empty((len(self.index), capacity))
        values[:, : self.size] = self._values[:, : self.size]
        self._values = values


class _Samples(_Rows):
    """Rows whose first columns are the axes; one in which an axis falls, as in a damaged file, is left out."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(fields)
        self._highest = np.zeros((len(_AXES), 1))

    def append(self, values: np.ndarray) -> None:
        """Add rows, shape (fields, N), those that do not go back."""
        axes = values[: len(_AXES)]
        highest = np.maximum.accumulate(np.hstack((self._highest, axes)), axis=1)
        self._highest = highest[:, -1:]
        super().append(values[:, (axes >= highest[:, :-1]).all(axis=0)])

    def truncate(self, size: int) -> None:
        """Forget all rows behind the first `size`, and whatever was left out."""
        super().truncate(size)
        self._highest = np.array([[self.last(name) if self.size else 0.0] for name in _AXES])


@dataclass
class _Smoothed:
    """The smoothed curve of one metric, kept so that only new samples are computed."""

    half_life: float
    average: "Ema"
    rows: _Rows = field(default_factory=lambda: _Rows(("y",)))


class Series:
    """All that a run has recorded, ready to be drawn."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.phase: Phase | None = None
        """The last phase."""
        self.devices: dict[str, Device] = {}
        """The last sample of each device, by name."""
        self._steps = _Samples(_STEP_FIELDS)
        self._epochs = _Samples(_EPOCH_FIELDS)
        self._resumes: list[tuple[int, float]] = []
        self._smoothed: dict[str, _Smoothed] = {}
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
                self.devices[record.name] = record
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
        """Return a metric over epochs done, steps or training seconds.

        `loss`, `acc` and `lr` are the live samples of the training loop; the others have one point an epoch.
        """
        rows = self._rows(metric)
        return Curve(metric, rows.column("elapsed_s" if x == "time" else x), rows.column(metric))

    def smooth(self, metric: Metric, half_life: float, x: XAxis = "epoch") -> Curve:
        """Return `curve` smoothed by `ema`; the samples that came since the last call are all that it computes."""
        smoothed = self._smoothed.get(metric)
        if smoothed is None or smoothed.half_life != half_life:
            smoothed = self._smoothed[metric] = _Smoothed(half_life, Ema(half_life))
        raw = self.curve(metric, x)
        if smoothed.rows.size < raw.y.size:
            smoothed.rows.append(smoothed.average.extend(raw.y[smoothed.rows.size :])[None])
        return Curve(metric, raw.x, smoothed.rows.column("y"))

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

    def _rows(self, metric: Metric) -> _Rows:
        return self._steps if metric in ("loss", "acc", "lr") else self._epochs

    def _newest(self) -> _Rows | None:
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


class Ema:
    """An exponential moving average that continues where it stopped."""

    def __init__(self, half_life: float) -> None:
        """Begin with no samples.

        Args:
            half_life: Samples after which a weight has halved, at least 1.
        """
        if half_life < 1:
            raise ValueError(f"half_life must be at least 1 sample, not {half_life}")
        self._half_life = half_life
        self._carry = np.zeros(2)  # decayed sum of the samples and of their weights

    def extend(self, y: np.ndarray) -> np.ndarray:
        """Return the averages at the new samples, shape (N,); NaN stays a gap and weighs nothing.

        Dividing by the sum of weights corrects the start's bias (Kingma & Ba 2015, section 3).
        """
        # s_i = s_{i-1} / g + y_i is a cumulative sum of y_i g^i over g^i; blocks keep g^i below 2^400.
        block = max(1, int(400 * self._half_life))
        present = np.isfinite(y)
        smoothed = np.empty(y.size)
        for start in range(0, y.size, block):
            stop = min(start + block, y.size)
            growth = np.exp2(np.arange(1, stop - start + 1) / self._half_life)
            mask = present[start:stop]
            terms = np.stack((np.where(mask, y[start:stop], 0.0), mask)) * growth
            sums = (np.cumsum(terms, axis=1) + self._carry[:, None]) / growth
            self._carry = sums[:, -1]
            with np.errstate(invalid="ignore", divide="ignore"):
                smoothed[start:stop] = np.where(mask, sums[0] / sums[1], np.nan)
        return smoothed


def ema(y: np.ndarray, half_life: float) -> np.ndarray:
    """Return the bias-corrected exponential moving average of `y`, shape (N,); see `Ema`."""
    return Ema(half_life).extend(np.asarray(y, dtype=np.float64))


def reduce_minmax(
    x: np.ndarray, y: np.ndarray, columns: int, x_min: float, x_max: float
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a curve to the lowest and highest point of each of `columns` equal parts of [x_min, x_max].

    No spike is lost. NaN is passed over where a column has numbers and stays NaN, a gap, where it has none; a column
    without samples gives no point.

    Args:
        x: (N,), never falling, no NaN.
        y: (N,).
        columns: Number of parts, usually the dots that the screen has.
        x_min: Left end.
        x_max: Right end, greater than `x_min`; points outside are left out.

    Returns:
        x and y, (M,) each, M <= 2 * columns, in the order of x; whether low or high comes first follows the column's
        first and last sample.
    """
    bounds = np.searchsorted(x, np.linspace(x_min, x_max, columns + 1))
    bounds[-1] = np.searchsorted(x, x_max, side="right")
    starts, stops = bounds[:-1], bounds[1:]
    filled = stops > starts
    starts, ends = starts[filled], stops[filled] - 1
    if not starts.size:
        return np.empty(0), np.empty(0)
    inside = y[: ends[-1] + 1]
    low, high = np.fmin.reduceat(inside, starts), np.fmax.reduceat(inside, starts)
    falling = y[starts] > y[ends]
    pairs_x = np.stack((x[starts], x[ends]), axis=1)
    pairs_y = np.stack((np.where(falling, high, low), np.where(falling, low, high)), axis=1)
    keep = np.stack((np.ones(starts.size, dtype=bool), starts < ends), axis=1)
    return pairs_x[keep], pairs_y[keep]


def eta_s(series: Series, planned_steps: int) -> float | None:
    """Return the seconds to the last planned step at the recent pace; None while there is no pace, 0 at the end."""
    remaining = planned_steps - series.step
    if remaining <= 0:
        return 0.0
    pace = series.seconds_per_step()
    return None if pace is None else remaining * pace
