"""A table of runs: as many columns as fit, and only the cells that changed are painted again.

Only the rows on the screen are ever rendered, so thousands of runs cost no more than a screenful.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cockpit.status import LIVE, RunInfo
from cockpit.tui.text import COLORS, NO_VALUE, cells, day_and_time, duration, percent, status_word
from nets.catalog import MODELS

_GAP = 2
"""Columns of the screen between two columns of the table, half of it on either side."""


class Column(NamedTuple):
    """One column."""

    title: str
    """In the header."""
    width: int
    """Characters."""
    rank: int
    """The columns of the lowest ranks are shown, as many as fit."""
    text: Callable[[Any], str]
    """What stands in a row."""
    right: bool = True
    """Whether it is aligned at its right end."""
    most: int = 0
    """Characters it grows to where there is room."""

    def fit(self, text: str) -> str:
        """Cut or pad a text to the column's width, the gap on both sides included."""
        text = cells(text, self.width)
        padding = " " * (self.width - cell_len(text))
        return " " + (padding + text if self.right else text + padding) + " "


def _test(row: RunInfo, name: str) -> str:
    return _marked(row, getattr(row.test, name) if row.test else None)


def _marked(row: RunInfo, accuracy: float | None) -> str:
    """Return per cent, marked when not by the seed's recipe, so that nobody sets it beside the published ones."""
    return percent(accuracy) + ("*" if row.changes and accuracy is not None else " ")


def _took(row: RunInfo) -> str:
    """Return the training time; of a live run in minutes, because seconds would be painted again all the time."""
    return f"{row.elapsed_s // 60:.0f} min" if row.status in LIVE else duration(row.elapsed_s)


COLUMNS = (
    Column("status", 10, 0, lambda row: status_word(row.status), right=False),
    Column("model", 11, 1, lambda row: row.model, right=False, most=max(map(len, MODELS))),
    Column("dataset", 8, 2, lambda row: row.dataset, right=False),
    Column("epoch", 7, 3, lambda row: f"{row.epoch}/{row.epochs}"),
    Column("val %", 6, 4, lambda row: _marked(row, row.best_val_acc)),
    Column("at", 4, 6, lambda row: str(row.best_epoch or NO_VALUE)),
    Column("test %", 6, 5, lambda row: _test(row, "top1")),
    Column("top-5 %", 7, 9, lambda row: _test(row, "top5")),
    Column("started", 11, 7, lambda row: day_and_time(row.launched)),
    Column("took", 7, 8, _took),
    Column("recipe", 36, 10, lambda row: row.changes or "the seed's", right=False),
    Column("run", 40, 11, lambda row: row.id, right=False),
)
"""All columns, in their order."""


class Row(Protocol):
    """What every row tells of its run."""

    @property
    def id(self) -> str:
        """The run."""
        ...

    @property
    def status(self) -> str:
        """Colours the first column."""
        ...


AnyRow = TypeVar("AnyRow", bound=Row)


class RowTable(ScrollView, Generic[AnyRow], can_focus=True):
    """Runs, one a row, under a header that stays, with a cursor."""

    BINDINGS = [  # noqa: RUF012 - Textual's convention
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("home,g", "move(-1_000_000)", show=False),
        Binding("end,G", "move(1_000_000)", show=False),
    ]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--header", "run-table--cursor"}

    class Moved(Message):
        """The cursor is on another run, or that run is not what it was."""

    class Opened(Message):
        """The run under the cursor was clicked."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Begin without rows; the first column is coloured by status."""
        super().__init__()
        self._all = columns
        self.rows: list[AnyRow] = []
        """The runs shown."""
        self.columns: tuple[Column, ...] = ()
        """The columns that fit."""
        self._cursor = 0
        self._testing: frozenset[str] = frozenset()

    @property
    def chosen(self) -> AnyRow | None:
        """The run under the cursor."""
        return self.rows[self._cursor] if self.rows else None

    def show(self, rows: Sequence[AnyRow], testing: frozenset[str] = frozenset()) -> None:
        """Show these rows; the cursor stays on its run."""
        old, before, chosen = self.rows, self._testing, self.chosen
        self.rows, self._testing = list(rows), testing
        if chosen is not None:
            there = (place for place, row in enumerate(rows) if row.id == chosen.id)
            self._cursor = min(next(there, self._cursor), max(0, len(rows) - 1))
        seen = self._seen()
        if [row.id for row in old[seen]] == [row.id for row in rows[seen]]:
            for place, (was, row) in enumerate(zip(old[seen], rows[seen], strict=True), seen.start):
                if was is not row or before != testing:
                    self._refresh_cells(place, self._texts(was, before), self._texts(row, testing))
        else:
            self.refresh()
        if len(old) != len(rows):
            self.virtual_size = Size(self.size.width, len(rows) + 1)
        self.call_after_refresh(self._show_cursor)
        if self.chosen != chosen:
            self.post_message(self.Moved())

    def texts(self, run_id: str) -> list[str]:
        """Return what stands in the row of a run, without the padding."""
        row = next(row for row in self.rows if row.id == run_id)
        return [text.strip() for text in self._texts(row, self._testing)]

    def render_line(self, y: int) -> Strip:
        """Return the header or a row."""
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("run-table--header")
            text = "".join(column.fit(column.title) for column in self.columns)
            return Strip([Segment(text, style)]).adjust_cell_length(width, style)
        place = self.scroll_offset.y + y - 1
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        row = self.rows[place]
        name = "run-table--cursor" if place == self._cursor else None
        style = self.get_component_rich_style(name) if name else self.rich_style
        segments = [
            Segment(text, style + self._cell_style(column, text, row))
            for column, text in zip(self.columns, self._texts(row, self._testing), strict=True)
        ]
        return Strip(segments).adjust_cell_length(width, style)

    def action_move(self, places: int) -> None:
        """Move the cursor so many rows down."""
        cursor = min(max(self._cursor + places, 0), max(0, len(self.rows) - 1))
        if cursor != self._cursor:
            for place in (self._cursor, cursor):
                self.refresh(Region(0, place - self.scroll_offset.y + 1, self.size.width, 1))
            self._cursor = cursor
            self._show_cursor()
            self.post_message(self.Moved())

    def action_move_page(self, pages: int) -> None:
        """Move the cursor so many screenfuls down."""
        self.action_move(pages * max(1, self.size.height - 2))

    def on_click(self, event: events.Click) -> None:
        """Open the run that was clicked."""
        place = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and place < len(self.rows):
            self.action_move(place - self._cursor)
            self.post_message(self.Opened())

    def on_resize(self) -> None:
        """Take the columns that fit."""
        self.columns = _fitting(self._all, self.size.width)
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self._show_cursor()

    def _show_cursor(self) -> None:
        """Scroll no further than the cursor asks for."""
        room = self.size.height - 1
        top = self.scroll_offset.y
        wanted = min(max(top, self._cursor - room + 1), self._cursor)
        if wanted != top and room > 0:
            self.scroll_to(y=wanted, animate=False, immediate=True)

    def _seen(self) -> slice:
        top = self.scroll_offset.y
        return slice(top, top + max(0, self.size.height - 1))

    def _refresh_cells(self, place: int, old: list[str], new: list[str]) -> None:
        x = 0
        for column, before, after in zip(self.columns, old, new, strict=True):
            if before != after:
                self.refresh(Region(x, place - self.scroll_offset.y + 1, column.width + _GAP, 1))
            x += column.width + _GAP

    def _texts(self, row: AnyRow, testing: frozenset[str]) -> list[str]:
        texts = [column.fit(column.text(row)) for column in self.columns]
        if row.id in testing and texts:
            texts[0] = self.columns[0].fit(status_word("testing"))
        return texts

    def _cell_style(self, column: Column, text: str, row: AnyRow) -> Style:
        if column is self._all[0]:
            status = "testing" if row.id in self._testing else row.status
            return Style(color=Color.parse(self.app.theme_variables[COLORS[status]]).rich_color)
        return Style(dim=True) if text.strip() == NO_VALUE else Style()


class RunTable(RowTable[RunInfo]):
    """The table of all runs."""

    def __init__(self) -> None:
        """Begin without rows."""
        super().__init__(COLUMNS)


def _fitting(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    shown = set()
    for column in sorted(columns, key=lambda column: column.rank):
        width -= column.width + _GAP
        if width < 0:
            width += column.width + _GAP
            break
        shown.add(column.title)
    fitting: list[Column] = []
    for column in columns:
        if column.title in shown:
            more = max(0, min(column.most - column.width, width))
            width -= more
            fitting.append(column._replace(width=column.width + more))
    return tuple(fitting)
