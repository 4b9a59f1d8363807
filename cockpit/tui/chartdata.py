"""What a chart shows: lines, marks and limits. Frozen values without a widget."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cockpit.tui import axes


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """One curve."""

    name: str
    """In the legend; a line without a name is not in it."""
    x: np.ndarray
    """(N,), never falling, no NaN."""
    y: np.ndarray
    """(N,); NaN and infinity are gaps."""
    color: str
    """A variable of the theme, for example "primary", or a colour that Textual knows."""
    dash: int = 0
    """Its form where there is no colour, of `cockpit.tui.dots.DASHES`."""
    style: Literal["line", "envelope"] = "line"
    """An envelope is dimmed and beneath all lines."""
    read: np.ndarray | None = None
    """(N,), what the legend reads where `y` is smoothed: the records themselves. None: `y`."""
    until: float | None = None
    """Behind this x nothing is read, as the run had ended; None where the last value holds on."""

    def value(self, cursor: float | None, slack: float = 0.0) -> float | None:
        """Return the newest value, or the last one not behind the cursor by more than the slack; None before any."""
        if cursor is not None and self.until is not None and cursor > self.until + slack:
            return None
        size = self.x.size if cursor is None else int(np.searchsorted(self.x, cursor + slack, side="right"))
        return float((self.y if self.read is None else self.read)[size - 1]) if size else None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A dotted vertical line."""

    x: float
    """Where."""
    letter: str = ""
    """One character on the axis beneath it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChartData:
    """All that a chart shows."""

    title: str
    """What is measured; the limits of y are kept still as long as it stays the same."""
    lines: tuple[Line, ...]
    """Any order; where two meet in a cell, their colours alternate along the row."""
    x_label: str
    """What x counts, at the left of its labels, for example "epoch"; at most 8 characters are shown."""
    x_limits: axes.Limits
    """Both ends of x, for example 0 and the planned epochs."""
    x_seconds: bool = False
    """The ticks of x read 10m, 1h30m."""
    percent: bool = False
    """y is 0-1 and reads 0-100 %."""
    log_y: bool = False
    """Powers of ten are equally far apart; what is not positive is a gap."""
    marks: tuple[Mark, ...] = ()
    """Resumes, the best epoch."""
    cursor: float | None = None
    """Where the legend's values are read, with a line drawn there; None reads the newest."""
    placeholder: str = "no data yet"
    """Shown instead of axes while no line has a number, or both ends of x are the same."""

    @property
    def slack(self) -> float:
        """How far a record may be behind the cursor by rounding alone."""
        return 1e-9 * abs(self.x_limits[1] - self.x_limits[0])
