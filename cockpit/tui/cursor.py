"""Where a cursor over curves may stop: on records only, so that what it reads is what was written. Pure arithmetic."""

from collections.abc import Iterable

import numpy as np

from cockpit.tui.chartdata import ChartData


def nearest(charts: Iterable[ChartData], x: float) -> float | None:
    """Return the x of the record nearest to x; None without records."""
    found = [around for axis in _axes(charts) for around in _around(axis, x)]
    return min(found, key=lambda one: abs(one - x), default=None)


def moved(charts: Iterable[ChartData], x: float | None, columns: int, x_step: float) -> float | None:
    """Return where the cursor stands after so many columns to the right, or left if negative.

    It moves at least to the next record, and onto one. From nowhere it enters at the end that it moves away from.

    Args:
        charts: What is drawn.
        x: Where it stands; None for nowhere.
        columns: How far, not 0.
        x_step: How far apart two columns are.
    """
    charts = list(charts)
    if x is None:
        return end(charts, last=columns < 0)
    target = nearest(charts, x + columns * x_step)
    if target is not None and (target - x) * columns > 0:
        return target
    beyond = [one for axis in _axes(charts) if (one := _beyond(axis, x, columns > 0)) is not None]
    return min(beyond, key=lambda one: abs(one - x), default=x)


def end(charts: Iterable[ChartData], *, last: bool) -> float | None:
    """Return the x of the last record, or the first; None without records."""
    ends = [float(axis[-1 if last else 0]) for axis in _axes(charts)]
    return (max if last else min)(ends, default=None)


def _axes(charts: Iterable[ChartData]) -> list[np.ndarray]:
    return [line.x for data in charts for line in data.lines if line.x.size]


def _around(axis: np.ndarray, x: float) -> list[float]:
    place = int(np.searchsorted(axis, x))
    return [float(one) for one in axis[max(0, place - 1) : place + 1]]


def _beyond(axis: np.ndarray, x: float, right: bool) -> float | None:
    if right:
        place = int(np.searchsorted(axis, x, side="right"))
        return float(axis[place]) if place < axis.size else None
    place = int(np.searchsorted(axis, x, side="left"))
    return float(axis[place - 1]) if place else None
