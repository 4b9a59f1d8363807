"""A curve of any length as the few points that a screen can show."""

import numpy as np


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
