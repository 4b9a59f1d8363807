"""A line chart for slow links: plotext draws it once per change, and only cells that differ are painted again.

It draws no more points than the screen has dots, whatever a curve has, and starts no timer.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from cockpit.series import reduce_minmax
from cockpit.tui import axes
from cockpit.tui.cells import Row, changed_region, fit, text_cells, to_strip
from cockpit.tui.dots import Canvas

_Number = TypeVar("_Number", float, np.ndarray)

_PLAIN, _TITLE, _AXIS, _LABEL, _MARK, _ALARM, _FIRST_LINE = range(7)
"""Slots of `Chart._slot_styles`; plotext takes them for its 256 colours."""
_COMPONENTS = ("chart--title", "chart--axis", "chart--label", "chart--mark", "chart--alarm")
_LABEL_WIDTH = 4
"""Cells for the labels of y (100%, 0.25), so that the canvas does not move and charts above each other align."""
_AXIS_HEIGHT = 8
"""A chart of fewer rows does without the line of the x axis."""
_ENVELOPE_STRENGTH = 0.45
"""How much of its colour an envelope keeps against the background, so that lines stand out."""


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
    style: Literal["line", "envelope"] = "line"
    """An envelope is dimmed and beneath all lines."""


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


class Chart(Widget):
    """Shows a `ChartData`; give it the next one with `show`."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = set(_COMPONENTS)
    DEFAULT_CSS = """
    Chart {
        & > .chart--title { text-style: bold; }
        & > .chart--axis { color: $foreground 30%; }
        & > .chart--label { color: $foreground 60%; }
        & > .chart--mark { color: $foreground 45%; }
        & > .chart--alarm { color: $text-error; text-style: bold; }
        &:ansi > .chart--axis, &:ansi > .chart--label, &:ansi > .chart--mark { text-style: dim; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._data: ChartData | None = None
        self._rows: list[Row] = []
        self._strips: list[Strip] = []
        self._styles: list[Style] = []
        self._y_limits: axes.Limits | None = None
        self._y_key: object = None
        self._canvas_columns = range(0)

    def show(self, data: ChartData) -> None:
        """Draw the data and repaint the cells that differ from those on the screen; a hidden chart waits."""
        self._data = data
        self._update()

    def x_at(self, column: int) -> float | None:
        """Return the x under a column of the content, for a cursor or the mouse; None beside the canvas."""
        columns = self._canvas_columns
        if self._data is None or column not in columns:
            return None
        low, high = self._data.x_limits
        return low + (high - low) * (column - columns.start) / (len(columns) - 1)

    def render_line(self, y: int) -> Strip:
        """Return a row that `show` has drawn."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows in the colours that the theme and the background have now."""
        if self._data is not None and self._strips:
            styles = self._slot_styles(self._data)
            if styles != self._styles:
                self._styles, self._strips = styles, [to_strip(row, styles) for row in self._rows]
        return super().render_lines(crop)

    def _on_mount(self, event: events.Mount) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def _on_resize(self, event: events.Resize) -> None:
        self._update()

    def _update(self) -> None:
        if self._data is None or not self.size:  # Textual gives a hidden widget no size, and a resize when it is shown
            return
        styles, rows = self._slot_styles(self._data), self._draw(self._data)
        if styles == self._styles and list(map(len, rows)) == list(map(len, self._rows)):
            for y, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
                if old != new:
                    self._strips[y] = to_strip(new, styles)
                    self.refresh(changed_region(old, new, y))
        else:
            self._strips = [to_strip(row, styles) for row in rows]
            self.refresh()
        self._styles, self._rows = styles, rows

    def _slot_styles(self, data: ChartData) -> list[Style]:
        background = self.background_colors[1]
        styles = [self.rich_style, *map(self.get_component_rich_style, _COMPONENTS)]
        for line in data.lines:
            color = Color.parse(self.app.theme_variables.get(line.color, line.color))
            is_ansi = color.ansi is not None or background.ansi is not None
            if line.style == "envelope" and not is_ansi:
                color = background.blend(color, _ENVELOPE_STRENGTH, alpha=1)
            dim = True if line.style == "envelope" and is_ansi else None  # the terminal alone knows what it mixes
            styles.append(self.rich_style + Style(color=color.rich_color, dim=dim))
        return styles

    def _draw(self, data: ChartData) -> list[Row]:
        """Return the cells of all rows of the widget."""
        width, height = self.size
        has_axis = height >= _AXIS_HEIGHT
        canvas_height = height - 2 - has_axis
        self._canvas_columns = range(0)
        title = _title_row(data, width)
        if canvas_height < 2 or width < 5 * _LABEL_WIDTH:
            return [title, *_message_rows("", width, height - 1)]
        curves = [_reduce(line, data, 2 * width) for line in data.lines]
        y_limits = self._limit_y(data, curves, canvas_height)
        if y_limits is None:
            return [title, *_message_rows(data.placeholder, width, height - 1)]

        y_ticks = axes.y_ticks(y_limits, _intervals(canvas_height), percent=data.percent, log=data.log_y)
        left = 1 + max(_LABEL_WIDTH, *(len(label) for _, label in y_ticks))
        self._canvas_columns = range(left, width)
        canvas = Canvas(width - left, canvas_height)
        is_faint = [line.style == "envelope" for line in data.lines]
        for index in sorted(range(len(curves)), key=is_faint.__getitem__, reverse=True):
            x, y = _share(curves[index][0], data.x_limits), _share(curves[index][1], y_limits)
            canvas.draw(x, y, _FIRST_LINE + index, faint=is_faint[index])
        marks = [mark for mark in data.marks if data.x_limits[0] <= mark.x <= data.x_limits[1]]
        for mark in marks:
            canvas.rule(_share(mark.x, data.x_limits), "┊", _MARK)
        if data.cursor is not None and data.x_limits[0] <= data.cursor <= data.x_limits[1]:
            canvas.rule(_share(data.cursor, data.x_limits), "│", _LABEL)

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
                rows[-2][column] = fit(text_cells(mark.letter, _LABEL), 1)[0]
        x_label = text_cells(f"{data.x_label} ", _LABEL)
        rows[-1] = [*fit(x_label, min(len(x_label), left + 4)), *rows[-1][min(len(x_label), left + 4) :]]
        return [title, *rows]

    def _limit_y(
        self, data: ChartData, curves: list[tuple[np.ndarray, np.ndarray]], canvas_height: int
    ) -> axes.Limits | None:
        """Return the limits of y, moved only if they have to be; None if there is no number to show."""
        numbers = np.concatenate([y for _, y in curves] or [np.empty(0)])
        if not np.isfinite(numbers).any():
            return None
        key = (data.title, data.percent, data.log_y, canvas_height)
        self._y_limits = axes.steady_limits(
            self._y_limits if key == self._y_key else None,
            float(np.nanmin(numbers)),
            float(np.nanmax(numbers)),
            _intervals(canvas_height),
            percent=data.percent,
            log=data.log_y,
        )
        self._y_key = key
        return self._y_limits


def _plot(canvas: Canvas, x_ticks: list[axes.Tick], y_ticks: list[axes.Tick], has_axis: bool) -> list[Row]:
    """Return rows that plotext has drawn: the canvas with its axes.

    Its unit is the cell, so that its rounding cannot move a curve against a tick.

    Args:
        canvas: What is between the axes.
        x_ticks: Positions as shares of the canvas; where labels touch, the earlier in the list stays.
        y_ticks: The same, with labels of one width.
        has_axis: Whether the x axis has a line above its labels.
    """
    from plotext._figure import _figure_class  # 0.1 s, which the first paint of the app must not pay

    right, top, label_width = canvas.width - 1, canvas.height - 1, len(y_ticks[0][1])
    columns, rows, characters, slots = canvas.cells()
    figure = _figure_class()  # plotext's public functions would draw all charts on one figure
    figure._limit_size(False, False)
    figure.plot_size(label_width + 1 + canvas.width, canvas.height + 1 + has_axis)
    figure.canvas_color("default")
    figure.axes_color("default")
    figure.ticks_color(_AXIS)
    figure.xaxes(has_axis, False)
    figure.yaxes(True, False)
    figure.xlim(0, right)
    figure.ylim(0, top)
    figure.xticks([round(x * right) for x, _ in x_ticks], [label for _, label in x_ticks])
    figure.yticks([round(y * top) for y, _ in y_ticks], [label for _, label in y_ticks])
    figure.scatter(columns, rows, marker=characters, color=slots)
    figure._set_sizes()
    figure._build_matrix()  # figure.build() goes on to print it as ANSI codes, which doubles the time
    matrix = figure.monitor.matrix
    drawn: list[Row] = [
        [(character, slot if isinstance(slot, int) else _PLAIN) for character, slot in zip(*row, strict=True)]
        for row in zip(reversed(matrix.marker), reversed(matrix.fullground), strict=True)
    ]
    for row in drawn[:-1]:
        row[:label_width] = [(character, _LABEL) for character, _ in row[:label_width]]
    drawn[-1] = [(character, _LABEL) for character, _ in drawn[-1]]
    return drawn


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


def _title_row(data: ChartData, width: int) -> Row:
    """Return the title and, at the right, the fullest legend that fits."""
    title = text_cells(data.title, _TITLE)
    full, names = [], []
    for index, line in enumerate(data.lines):
        if line.name:
            mark = text_cells("  ━ ", _FIRST_LINE + index)
            names += [*mark, *text_cells(line.name, _LABEL)]
            full += [*mark, *text_cells(line.name + " ", _LABEL), *text_cells(*_value(line, data))]
    legend = next((cells for cells in (full, names) if len(title) + len(cells) <= width), [])
    return fit([*title, *[(" ", _PLAIN)] * (width - len(title) - len(legend)), *legend], width)


def _value(line: Line, data: ChartData) -> tuple[str, int]:
    """Return the newest value, or that at the cursor, and its slot."""
    size = line.x.size if data.cursor is None else int(np.searchsorted(line.x, data.cursor, side="right"))
    if not size:
        return "–", _LABEL
    value = float(line.y[size - 1])
    if not np.isfinite(value):
        return f"{value:g}", _ALARM
    if data.percent:
        return f"{100 * value:.1f}%", _TITLE
    return (f"{value:.3f}" if 0.1 <= abs(value) < 10 else axes.compact(float(f"{value:.3g}"))), _TITLE


def _message_rows(text: str, width: int, num_rows: int) -> list[Row]:
    """Return rows with a text in their middle."""
    cells = text_cells(text, _LABEL)
    rows = [fit([], width) for _ in range(num_rows)]
    if num_rows:
        rows[num_rows // 2] = fit([*[(" ", _PLAIN)] * ((width - len(cells)) // 2), *cells], width)
    return rows
