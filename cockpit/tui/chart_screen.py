"""What the screens with charts share: their settings, the cursor, the zoom, and the line that tells of them."""

from typing import ClassVar

from textual import on
from textual.content import Content
from textual.widgets import Static

from cockpit.tui import cursor
from cockpit.tui.axes import compact, compact_time
from cockpit.tui.chart import Chart
from cockpit.tui.chart_settings import ChartSettings, recall, remember
from cockpit.tui.chartdata import ChartData
from cockpit.tui.screen import CockpitScreen, write
from cockpit.tui.text import words


class ChartScreen(CockpitScreen[None]):
    """A screen whose charts answer to the same keys; it says what they show in `charts` and draws in `draw`."""

    CHARTS: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "lr")
    """Ids of the charts, in the order of the keys 1, 2, 3."""

    def __init__(self) -> None:
        """Begin without a cursor and with all charts."""
        super().__init__()
        self.settings = ChartSettings()
        self.cursor: float | None = None
        """Where values are read, on the present axis; None for the newest."""
        self.zoomed = ""
        """The chart that has all the room; empty for none."""

    def draw(self) -> None:
        """Draw everything that differs."""
        raise NotImplementedError

    def reread(self) -> None:
        """Have other curves smoothed, and draw then."""
        raise NotImplementedError

    def where(self, x: float) -> str:
        """Return what the reading line says of a place on the axis."""
        raise NotImplementedError

    def translated(self, x: float, old: ChartSettings) -> float | None:
        """Return a place on the axis of these settings on the present one; None where that means nothing."""
        raise NotImplementedError

    @property
    def draws_live(self) -> bool:
        """Whether live samples are drawn, or whole epochs only."""
        return self.settings.grain == "step"

    @property
    def shown(self) -> list[Chart]:
        """The charts that are to be seen."""
        return [chart for chart in self.query(Chart) if chart.display]

    @property
    def _data(self) -> list[ChartData]:
        return [chart.data for chart in self.shown if chart.data is not None]

    def on_screen_resume(self) -> None:
        """Take up what was chosen on another screen, too."""
        chosen = recall(self.cockpit.remembered)
        if chosen.x != self.settings.x:
            self.cursor = None
        self.settings = chosen
        self.reread()
        self.call_after_refresh(self.draw)

    def show_charts(self, charts: dict[str, ChartData]) -> None:
        """Draw the charts that are to be seen, and the line of settings."""
        for name, data in charts.items():
            self.query_one(f"#{name}", Chart).show(data)
        self.show_reading()

    def show_reading(self) -> None:
        """Write how the charts are drawn, with the keys that change it, and where the cursor stands."""
        width = self.size.width - 2
        full, short = (words(*self.choices(wide=wide), between="  ") for wide in (True, False))
        if self.cursor is None:
            self.write("reading", full if full.cell_length <= width else short)
            return
        at = words((self.where(self.cursor), "bold"))
        hinted = words(at, ("esc", "bold $accent"), between="  ")
        forms = ((full, hinted), (full, at), (short, hinted), (short, at))
        reading, place = next((form for form in forms if _gap(form, width) >= 2), forms[-1])
        reading = words(reading, " " * max(2, _gap((reading, place), width)), place)
        self.write("reading", reading)

    def choices(self, *, wide: bool) -> list[Content]:
        """Return the settings, each behind its key, in fewer words where it is not wide."""
        smoothing = self.settings.smoothing_of(live=self.draws_live)
        return [
            choice("x", self.settings.x, "turn_x"),
            choice("g", "samples" if self.settings.grain == "step" else "epochs", "turn_grain"),
            choice("e", f"smooth {smoothing}" if wide or smoothing == "off" else smoothing, "turn_smoothing"),
            choice("y", "log" if self.settings.log_y else "linear", "turn_log"),
        ]

    def write(self, name: str, content: Content) -> None:
        """Write a line unless it stands there already."""
        write(self.query_one(f"#{name}", Static), content, layout=name == "note")

    def choose(self, settings: ChartSettings) -> None:
        """Draw otherwise, here and wherever else there are charts."""
        before, self.settings = self.settings, settings
        remember(self.cockpit.remembered, settings)
        if self.cursor is not None and before.x != settings.x:
            self.cursor = self.translated(self.cursor, before)
        if before.smoothing != settings.smoothing:
            self.reread()
        self.draw()

    def action_turn_x(self) -> None:
        """Let x count epochs, steps or time."""
        self.choose(self.settings.turn_x())

    def action_turn_grain(self) -> None:
        """Draw live samples or whole epochs."""
        self.choose(self.settings.turn_grain())

    def action_turn_smoothing(self) -> None:
        """Smooth more, or not at all again."""
        self.choose(self.settings.turn_smoothing(live=self.draws_live))

    def action_turn_log(self) -> None:
        """Draw losses on a logarithmic axis or not."""
        self.choose(self.settings.turn_log())

    def action_zoom(self, number: int) -> None:
        """Give one chart all the room, or all charts theirs again."""
        name = self.CHARTS[number - 1]
        self._zoom("" if self.zoomed == name else name)

    def _zoom(self, name: str) -> None:
        self.zoomed = name
        self.set_class(bool(name), "-zoomed")
        for chart in self.query(Chart):
            chart.set_class(chart.id == name, "-zoom")
        self.call_after_refresh(self.draw)

    def action_cursor_left(self) -> None:
        """Read the values to the left."""
        self._move(-1)

    def action_cursor_right(self) -> None:
        """Read the values to the right."""
        self._move(1)

    def action_cursor_far_left(self) -> None:
        """Read the values ten columns to the left."""
        self._move(-10)

    def action_cursor_far_right(self) -> None:
        """Read the values ten columns to the right."""
        self._move(10)

    def action_cursor_first(self) -> None:
        """Read the first values."""
        self.point(cursor.end(self._data, last=False))

    def action_cursor_last(self) -> None:
        """Read the newest values."""
        self.point(cursor.end(self._data, last=True))

    def _move(self, columns: int) -> None:
        step = max((chart.x_step for chart in self.shown), default=0.0)
        self.point(cursor.moved(self._data, self.cursor, columns, step))

    @on(Chart.Pointed)
    def _point_at(self, event: Chart.Pointed) -> None:
        self.point(cursor.nearest(self._data, event.x))

    def point(self, x: float | None) -> None:
        """Put the cursor somewhere, or away: nothing else is drawn again."""
        self.cursor = x
        for chart in self.query(Chart):
            chart.point(x)
        self.show_reading()

    def action_back(self) -> None:
        """Take away the cursor, then the zoom, then the screen."""
        if self.cursor is not None:
            self.point(None)
        elif self.zoomed:
            self._zoom("")
        else:
            self.app.pop_screen()


def _gap(form: tuple[Content, Content], width: int) -> int:
    return width - sum(part.cell_length for part in form)


def choice(key: str, text: str, action: str) -> Content:
    """Return a setting behind its key, to be clicked too."""
    markup = f"[@click=screen.{action}()][bold $accent]$key[/] $text[/]"
    return Content.from_markup(markup, key=key, text=text)


def place_text(epoch: float | None = None, step: float | None = None, seconds: float | None = None) -> str:
    """Return a moment of a run in words."""
    parts = []
    if epoch is not None:
        parts.append(f"epoch {epoch:.2f}".removesuffix(".00"))
    if step is not None:
        parts.append(f"step {compact(step, 7)}")
    if seconds is not None:
        parts.append(compact_time(seconds))
    return " · ".join(parts)
