"""The exponential moving average, continued as samples come, and how strong it may be."""

from typing import Literal

import numpy as np

from cockpit.series.curves import LIVE_METRICS, Metric

Smoothing = Literal["off", "light", "medium", "strong"]

_HALF_LIVES: dict[Smoothing, tuple[float | None, float | None]] = {
    "off": (None, None),
    "light": (2, None),
    "medium": (8, 1),
    "strong": (32, 4),
}
"""After so many live samples (two seconds each), and epochs, a point weighs half; None leaves it as it is."""


def half_life(smoothing: Smoothing, metric: Metric) -> float | None:
    """Return after how many points of a metric one weighs half; None for no smoothing, as of every learning rate."""
    if metric in ("lr", "epoch_lr"):
        return None
    return _HALF_LIVES[smoothing][0 if metric in LIVE_METRICS else 1]


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
