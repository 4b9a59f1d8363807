"""Draws a `ChartData` as rows of cells, with plotext for the axes. It knows no widget, no theme and no clock.

It draws no more points than the screen has dots, whatever a curve has.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from cockpit.series.reduction import reduce_minmax
from cockpit.tui import axes
from cockpit.tui.cells import Row, fit, text_cells
from cockpit.tui.chartdata import ChartData, Line
from cockpit.tui.dots import SAMPLE_WIDTH, Canvas, sample

_Number = TypeVar("_Number", float, np.ndarray)

PLAIN, TITLE, AXIS, LABEL, MARK, ALARM, FIRST_LINE = range(7)
"""Styles of cells; plotext takes them for its 256 colours. The lines have theirs from `FIRST_LINE` on."""
_LABEL_WIDTH = 4
"""Cells for the labels of y (100%, 0.25), so that the canvas does not move and charts above each other align."""
_AXIS_HEIGHT = 8
"""A chart of fewer rows does without the line of the x axis."""

_SHORT_SAMPLE = 3
"""Cells of a line's form in a legend that has no room for the whole of it."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A chart as cells, without its cursor."""

    rows: list[Row]
    """All rows of the widget."""
    columns: range = range(0)
    """Where the canvas is; empty where only a message is shown."""
    num_canvas_rows: int = 0
    """Rows of the canvas, below the title."""
    y_limits: axes.Limits | None = None
    """For the next plot."""
    y_key: object = None
    """What these limits are of."""
    dashed: bool = False
    """Whether lines are told apart by their form, for want of colours."""


def plot(data: ChartData, width: int, height: int, before: Plot | None = None, *, dashed: bool = False) -> Plot:
    """Return a chart of this size.

    Args:
        data: What to draw; its cursor is left out, see `point`.
        width: Columns.
        height: Rows.
        before: The plot so far; its limits of y are moved only if they have to be.
        dashed: Tell lines apart by their form, for want of colours.
    """
    has_axis = height >= _AXIS_HEIGHT
    canvas_height = height - 2 - has_axis
    title = _title_row(data, width, dashed)
    if canvas_height < 2 or width < 5 * _LABEL_WIDTH:
        return Plot(rows=[title, *_message_rows("", width, height - 1)], dashed=dashed)
    curves = [_reduce(line, data, 2 * width) for line in data.lines]
    key = (data.title, data.percent, data.log_y, canvas_height)
    kept = before.y_limits if before and before.y_key == key else None
    y_limits = _limit_y(data, curves, canvas_height, kept)
    if y_limits is None:
        return Plot(rows=[title, *_message_rows(data.placeholder, width, height - 1)], dashed=dashed)

    y_ticks = axes.y_ticks(y_limits, _intervals(canvas_height), percent=data.percent, log=data.log_y)
    left = 1 + max(_LABEL_WIDTH, *(len(label) for _, label in y_ticks))
    canvas = Canvas(width - left, canvas_height)
    is_faint = [line.style == "envelope" for line in data.lines]
    for index in sorted(range(len(curves)), key=is_faint.__getitem__, reverse=True):
        x, y = _share(curves[index][0], data.x_limits), _share(curves[index][1], y_limits)
        dash = data.lines[index].dash if dashed else 0
        canvas.draw(x, y, FIRST_LINE + index, faint=is_faint[index], dash=dash)
    marks = [mark for mark in data.marks if data.x_limits[0] <= mark.x <= data.x_limits[1]]
    for mark in marks:
        canvas.rule(_share(mark.x, data.x_limits), "┊", MARK)

    x_ticks = axes.x_ticks(data.x_limits, max(1, canvas.width // 10), seconds=data.x_seconds)
    rows = _plot(
        canvas,
        [(_share(x, data.x_limits), label) for x, label in x_ticks],
        [(_share(y, y_limits), label.rjust(left - 1)) for y, label in y_ticks],
        has_axis,
    )
    for mark in marks:
        if mark.letter:
            column = left + round(_share(mark.x, data.x_limits) * (canvas.width - 1))
            rows[-2][column] = fit(text_cells(mark.letter, LABEL), 1)[0]
    x_label = text_cells(f"{data.x_label} ", LABEL)
    rows[-1] = [*fit(x_label, min(len(x_label), left + 4)), *rows[-1][min(len(x_label), left + 4) :]]
    return Plot(
        rows=[title, *rows],
        columns=range(left, width),
        num_canvas_rows=canvas_height,
        y_limits=y_limits,
        y_key=key,
        dashed=dashed,
    )


def point(drawn: Plot, data: ChartData) -> list[Row]:
    """Return the rows with the cursor of `data` and the values there; a thousandth of the work of a plot."""
    if data.cursor is None or not drawn.rows:
        return drawn.rows
    rows = [_title_row(data, len(drawn.rows[0]), drawn.dashed), *drawn.rows[1:]]
    column = column_at(drawn, data, data.cursor)
    if column is not None:
        for y in range(1, 1 + drawn.num_canvas_rows):
            if rows[y][column][0] in (" ", "┊"):
                rows[y] = [*rows[y][:column], ("│", LABEL), *rows[y][column + 1 :]]
    return rows


def column_at(drawn: Plot, data: ChartData, x: float) -> int | None:
    """Return the column that shows x; None where none does."""
    low, high = data.x_limits
    if not drawn.columns or not low <= x <= high:
        return None
    return drawn.columns.start + round(_share(x, data.x_limits) * (len(drawn.columns) - 1))


def x_at(drawn: Plot, data: ChartData, column: int) -> float | None:
    """Return the x under a column; None beside the canvas."""
    if column not in drawn.columns:
        return None
    low, high = data.x_limits
    return low + (high - low) * (column - drawn.columns.start) / (len(drawn.columns) - 1)


def _limit_y(
    data: ChartData, curves: list[tuple[np.ndarray, np.ndarray]], canvas_height: int, kept: axes.Limits | None
) -> axes.Limits | None:
    """Return the limits of y, moved only if they have to be; None if there is no number to show."""
    numbers = np.concatenate([y for _, y in curves] or [np.empty(0)])
    if not np.isfinite(numbers).any():
        return None
    return axes.steady_limits(
        kept,
        float(np.nanmin(numbers)),
        float(np.nanmax(numbers)),
        _intervals(canvas_height),
        percent=data.percent,
        log=data.log_y,
    )


def _plot(canvas: Canvas, x_ticks: list[axes.Tick], y_ticks: list[axes.Tick], has_axis: bool) -> list[Row]:
    """Return rows: the canvas in the axes that plotext has drawn.

    Its unit is the cell, so that its rounding cannot move a curve against a tick.

    Args:
        canvas: What is between the axes.
        x_ticks: Positions as shares of the canvas; where labels touch, the earlier in the list stays.
        y_ticks: The same, with labels of one width.
        has_axis: Whether the x axis has a line above its labels.
    """
    drawn = [[*row] for row in _axes(canvas.width, canvas.height, tuple(x_ticks), tuple(y_ticks), has_axis)]
    left, top = len(y_ticks[0][1]) + 1, canvas.height - 1
    for column, row, character, slot in zip(*canvas.cells(), strict=True):
        drawn[top - row][left + column] = (character, slot)
    return drawn


@lru_cache(maxsize=64)
def _axes(
    width: int, height: int, x_ticks: tuple[axes.Tick, ...], y_ticks: tuple[axes.Tick, ...], has_axis: bool
) -> tuple[Row, ...]:
    """Return the axes around an empty canvas; kept, because plotext takes 5 ms and they seldom move."""
    from plotext._figure import _figure_class  # 0.1 s, which the first paint of the app must not pay

    right, top, label_width = width - 1, height - 1, len(y_ticks[0][1])
    figure = _figure_class()  # plotext's public functions would draw all charts on one figure
    figure._limit_size(False, False)
    figure.plot_size(label_width + 1 + width, height + 1 + has_axis)
    figure.canvas_color("default")
    figure.axes_color("default")
    figure.ticks_color(AXIS)
    figure.xaxes(has_axis, False)
    figure.yaxes(True, False)
    figure.xlim(0, right)
    figure.ylim(0, top)
    figure.xticks([round(x * right) for x, _ in x_ticks], [label for _, label in x_ticks])
    figure.yticks([round(y * top) for y, _ in y_ticks], [label for _, label in y_ticks])
    figure.scatter([0], [0], marker=" ")  # without data it draws no axes
    figure._set_sizes()
    figure._build_matrix()  # figure.build() goes on to print it as ANSI codes, which doubles the time
    matrix = figure.monitor.matrix
    drawn: list[Row] = [
        [(character, slot if isinstance(slot, int) else PLAIN) for character, slot in zip(*row, strict=True)]
        for row in zip(reversed(matrix.marker), reversed(matrix.fullground), strict=True)
    ]
    for row in drawn[:-1]:
        row[:label_width] = [(character, LABEL) for character, _ in row[:label_width]]
    drawn[-1] = [(character, LABEL) for character, _ in drawn[-1]]
    return tuple(drawn)


def _reduce(line: Line, data: ChartData, num_dots: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a line that can be told apart on the screen; y in log10 if it is drawn so."""
    low, high = data.x_limits
    if low >= high:
        return np.empty(0), np.empty(0)
    half = (high - low) / (num_dots - 1) / 2  # the end dots stand for the ends, so half of them is outside
    x, y = reduce_minmax(line.x, line.y, num_dots, low - half, high + half)
    if np.isinf(y).any():
        x, y = reduce_minmax(line.x, np.where(np.isfinite(line.y), line.y, np.nan), num_dots, low - half, high + half)
    if data.log_y:
        y = np.log10(y, out=np.full(y.shape, np.nan), where=y > 0)
    return x, y


def _share(value: _Number, limits: axes.Limits) -> _Number:
    """Return where in the limits a value is, 0-1."""
    return (value - limits[0]) / (limits[1] - limits[0])


def _intervals(canvas_height: int) -> int:
    """Return how many steps between ticks of y there is room for."""
    return min(5, max(2, (canvas_height - 1) // 3))


def _title_row(data: ChartData, width: int, dashed: bool) -> Row:
    """Return the title and, at the right, the fullest legend that fits."""
    title = text_cells(data.title, TITLE)
    forms = [
        _legend(data, values=values, marks=[sample(line.dash, size) if dashed else "━" for line in data.lines])
        for values in (True, False)
        for size in ((SAMPLE_WIDTH, _SHORT_SAMPLE) if dashed else (1,))
    ]
    legend = next((cells for cells in forms if len(title) + len(cells) <= width), [])
    return fit([*title, *[(" ", PLAIN)] * (width - len(title) - len(legend)), *legend], width)


def _legend(data: ChartData, *, values: bool, marks: list[str]) -> Row:
    """Return the lines' names behind what they look like, with what they read now."""
    cells: Row = []
    for index, line in enumerate(data.lines):
        if line.name:
            cells += [*text_cells(f"  {marks[index]} ", FIRST_LINE + index), *text_cells(line.name, LABEL)]
            if values:
                cells += [(" ", LABEL), *text_cells(*_value(line, data))]
    return cells


def _value(line: Line, data: ChartData) -> tuple[str, int]:
    """Return the newest value, or that at the cursor, and its slot."""
    value = line.value(data.cursor, data.slack)
    if value is None:
        return "–", LABEL
    return (figure(value, percent=data.percent), TITLE) if math.isfinite(value) else (f"{value:g}", ALARM)


def figure(value: float, *, percent: bool = False) -> str:
    """Return a finite value in few characters, three significant digits or a decimal of a per cent."""
    if percent:
        return f"{100 * value:.1f}%"
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else axes.compact(float(f"{value:.3g}"))


def _message_rows(text: str, width: int, num_rows: int) -> list[Row]:
    """Return rows with a text in their middle."""
    cells = text_cells(text, LABEL)
    rows = [fit([], width) for _ in range(num_rows)]
    if num_rows:
        rows[num_rows // 2] = fit([*[(" ", PLAIN)] * ((width - len(cells)) // 2), *cells], width)
    return rows
