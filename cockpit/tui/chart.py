"""The chart as a widget for slow links: drawn once per change, and only cells that differ are painted again.

It starts no timer. Its cursor moves over what is drawn already.
"""

from dataclasses import replace
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from cockpit.tui import plot
from cockpit.tui.cells import Row, changed_region, to_strip
from cockpit.tui.chartdata import ChartData

_COMPONENTS = ("chart--title", "chart--axis", "chart--label", "chart--mark", "chart--alarm")
"""In the order of `plot`'s styles, behind the plain one."""
_ENVELOPE_STRENGTH = 0.45
"""How much of its colour an envelope keeps against the background, so that lines stand out."""


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

    class Pointed(Message):
        """The mouse was clicked at an x."""

        def __init__(self, x: float) -> None:
            """Carry the x."""
            super().__init__()
            self.x = x

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.data: ChartData | None = None
        """What is shown."""
        self._plot: plot.Plot | None = None
        self._rows: list[Row] = []
        self._strips: list[Strip] = []
        self._styles: list[Style] = []

    def show(self, data: ChartData) -> None:
        """Draw the data and repaint the cells that differ from those on the screen; a hidden chart waits."""
        self.data = data
        self._update()

    def point(self, cursor: float | None) -> None:
        """Move the cursor, drawing nothing else again."""
        if self.data is not None and self.data.cursor != cursor:
            self.data = replace(self.data, cursor=cursor)
            if self._plot is not None and self.size:
                self._paint(self.data, self._plot)

    def x_at(self, column: int) -> float | None:
        """Return the x under a column of the content, for a cursor or the mouse; None beside the canvas."""
        return plot.x_at(self._plot, self.data, column) if self._plot and self.data else None

    @property
    def x_step(self) -> float:
        """How far apart the x of two columns are; 0 while nothing is drawn."""
        if self.data is None or self._plot is None or len(self._plot.columns) < 2:
            return 0.0
        return (self.data.x_limits[1] - self.data.x_limits[0]) / (len(self._plot.columns) - 1)

    def on_click(self, event: events.Click) -> None:
        """Tell where it was clicked."""
        x = self.x_at(event.x)
        if x is not None:
            self.post_message(self.Pointed(x))

    def render_line(self, y: int) -> Strip:
        """Return a row that `show` has drawn."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows in the colours that the theme and the background have now."""
        if self.data is not None and self._strips:
            styles = self._slot_styles(self.data)
            if styles != self._styles:
                self._styles, self._strips = styles, [to_strip(row, styles) for row in self._rows]
        return super().render_lines(crop)

    def _on_mount(self, event: events.Mount) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._take_theme())

    def _take_theme(self) -> None:
        """Paint in the theme's colours, or draw again where there are none any more."""
        if self._plot is not None and self._plot.dashed != self.app.no_color:
            self._update()
        self.refresh()

    def _on_resize(self, event: events.Resize) -> None:
        self._update()

    def _update(self) -> None:
        if self.data is None or not self.size:  # Textual gives a hidden widget no size, and a resize when it is shown
            self._rows, self._strips = [], []  # they may have more lines than the data now
            return
        self._plot = plot.plot(self.data, *self.size, before=self._plot, dashed=self.app.no_color)
        self._paint(self.data, self._plot)

    def _paint(self, data: ChartData, drawn: plot.Plot) -> None:
        styles, rows = self._slot_styles(data), plot.point(drawn, data)
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
