"""Curves and the moment's view of a whole series: frozen numbers that may cross threads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Metric = Literal["loss", "acc", "lr", "train_loss", "train_acc", "val_loss", "val_acc", "epoch_lr"]
"""`loss`, `acc` and `lr` are the live samples of the training loop; the others have one point an epoch."""
XAxis = Literal["epoch", "step", "time"]

LIVE_METRICS: frozenset[str] = frozenset({"loss", "acc", "lr"})
"""The metrics of live samples."""


def axis_column(x: XAxis) -> str:
    """Return the column that an axis stands for."""
    return "elapsed_s" if x == "time" else x


def metric_column(metric: Metric) -> str:
    """Return the column that holds a metric, in the table of samples or of epochs."""
    return "lr" if metric == "epoch_lr" else metric


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric over the run, in the order of steps."""

    name: str
    """The metric."""
    x: np.ndarray
    """(N,) float64, read-only, never falling: epochs done with their fraction, steps, or training seconds."""
    y: np.ndarray
    """(N,) float64, read-only; NaN where the trainer had no number."""


class Place(NamedTuple):
    """A moment of a run on every axis."""

    epoch: float
    """Epochs done, with the fraction."""
    step: float
    """Optimizer steps done."""
    time: float
    """Training seconds."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All curves of a series as they stood at one moment; nothing is copied."""

    samples: Mapping[str, np.ndarray]
    """The columns of the live samples, (N,) each."""
    epochs: Mapping[str, np.ndarray]
    """The columns of the whole epochs, (M,) each."""
    smoothed: Mapping[Metric, np.ndarray]
    """The metrics that were asked for smoothed, as long as their columns."""

    def curve(self, metric: Metric, x: XAxis = "epoch") -> Curve:
        """Return a metric over epochs done, steps or training seconds."""
        table = self.samples if metric in LIVE_METRICS else self.epochs
        return Curve(metric, table[axis_column(x)], table[metric_column(metric)])

    def smooth(self, metric: Metric, x: XAxis = "epoch") -> Curve | None:
        """Return a metric smoothed, or None where that was not asked for."""
        if metric not in self.smoothed:
            return None
        return Curve(metric, self.curve(metric, x).x, self.smoothed[metric])

    def place(self, value: float, x: XAxis) -> Place:
        """Return where a value of one axis is on all of them, between the records by straight lines."""
        table = max((self.samples, self.epochs), key=lambda table: table["step"].size)
        along = table[axis_column(x)]
        right = int(np.searchsorted(along, value, side="left"))
        if not along.size:
            before, after = Place(0.0, 0.0, 0.0), Place(0.0, 0.0, 0.0)
        else:
            before = _place(table, right - 1) if right else Place(0.0, 0.0, 0.0)
            after = _place(table, min(right, along.size - 1))
        start, stop = getattr(before, x), getattr(after, x)
        share = min(1.0, (value - start) / (stop - start)) if stop > start else 1.0
        return Place(*(low + share * (high - low) for low, high in zip(before, after, strict=True)))


def _place(table: Mapping[str, np.ndarray], row: int) -> Place:
    return Place(*(float(table[name][row]) for name in ("epoch", "step", "elapsed_s")))
