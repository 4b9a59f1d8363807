"""A table of runs: as many columns as fit, and only the cells that changed are painted again.

Only the rows on the screen are ever rendered, so thousands of runs cost no more than a screenful.
"""

from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cockpit.status import RunInfo
from cockpit.tui.columns import GAP, RUN_COLUMNS, Column, fitting
from cockpit.tui.text import COLORS, NO_VALUE, status_word

_BOLD = Style(bold=True)

MARK = "▌"
"""Before a marked row."""


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
    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--header", "run-table--sorted", "run-table--cursor"}

    class Moved(Message):
        """The cursor is on another run, or that run is not what it was."""

    class Opened(Message):
        """The run under the cursor was clicked."""

    class HeaderClicked(Message):
        """The header of a column that the rows can be sorted by was clicked."""

        def __init__(self, field: str) -> None:
            """Carry what the rows are to be sorted by."""
            super().__init__()
            self.field = field

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
        self._empty = tuple(column for column in columns if column.optional)
        self._sorted: tuple[str, bool] = ("", False)
        self._marks: set[str] = set()

    @property
    def chosen(self) -> AnyRow | None:
        """The run under the cursor."""
        return self.rows[self._cursor] if self.rows else None

    @property
    def marked(self) -> list[AnyRow]:
        """The runs that are marked and shown."""
        return [row for row in self.rows if row.id in self._marks] if self._marks else []

    @property
    def num_marks(self) -> int:
        """How many runs are marked, shown or not."""
        return len(self._marks)

    def show(self, rows: Sequence[AnyRow], testing: frozenset[str] = frozenset()) -> None:
        """Show these rows; the cursor stays on its run, and that where it is on the screen if the list is scrolled."""
        old, before, chosen = self.rows, self._testing, self.chosen
        self.rows, self._testing = list(rows), testing
        if chosen is not None:
            there = (place for place, row in enumerate(rows) if row.id == chosen.id)
            place = min(next(there, self._cursor), max(0, len(rows) - 1))
            moved, self._cursor = place - self._cursor, place
            if moved and self.scroll_offset.y:
                self._scroll_after(len(rows), self.scroll_offset.y + moved)
        self._leave_out_empty()
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

    def show_sorted(self, field: str, *, descending: bool) -> None:
        """Say in the header what the rows are sorted by; when the cursor is on the first row it stays there."""
        self._sorted = field, descending
        if not self._cursor:
            self.rows = []
        self.refresh()

    def mark(self, row: AnyRow) -> None:
        """Mark a run, or take its mark away."""
        self._marks ^= {row.id}
        self._refresh_marks({row.id})

    def mark_all(self) -> None:
        """Mark all runs shown; when they are marked already, none."""
        shown = {row.id for row in self.rows}
        self.set_marks(set() if shown <= self._marks else self._marks | shown)

    def set_marks(self, run_ids: set[str]) -> None:
        """Mark these runs and no others."""
        changed, self._marks = self._marks ^ run_ids, run_ids
        self._refresh_marks(changed)

    def keep_marks(self, rows: Sequence[AnyRow]) -> None:
        """Forget the marks of runs that are not there any more."""
        if self._marks:
            self._marks &= {row.id for row in rows}

    def _refresh_marks(self, run_ids: set[str]) -> None:
        seen = self._seen()
        for place, row in enumerate(self.rows[seen], seen.start):
            if row.id in run_ids:
                self.refresh(Region(0, place - self.scroll_offset.y + 1, self.size.width, 1))

    def texts(self, run_id: str) -> list[str]:
        """Return what stands in the row of a run, without the padding."""
        row = next(row for row in self.rows if row.id == run_id)
        return [text.strip() for text in self._texts(row, self._testing)]

    def render_line(self, y: int) -> Strip:
        """Return the header or a row."""
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("run-table--header")
            field, descending = self._sorted
            arrow = "▼" if descending else "▲"
            heads = [
                Segment(column.head(arrow), self.get_component_rich_style("run-table--sorted"))
                if field and column.field == field
                else Segment(column.head(""), style)
                for column in self.columns
            ]
            return Strip(heads).adjust_cell_length(width, style)
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
        if row.id in self._marks and segments:
            segments = [Segment(segment.text, Style.combine((segment.style or style, _BOLD))) for segment in segments]
            sign = Color.parse(self.app.theme_variables["text-accent"]).rich_color
            segments[:1] = [Segment(MARK, style + Style(color=sign)), Segment(segments[0].text[1:], segments[0].style)]
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
        """Open the run that was clicked, with ctrl mark it; on the header, sort."""
        if event.y == 0:
            if column := self._column_at(event.x):
                self.post_message(self.HeaderClicked(column.field))
            return
        place = event.y - 1 + self.scroll_offset.y
        if place < len(self.rows):
            self.action_move(place - self._cursor)
            if event.ctrl:
                self.mark(self.rows[place])
                self.post_message(self.Moved())
            else:
                self.post_message(self.Opened())

    def _column_at(self, x: int) -> Column | None:
        for column in self.columns:
            x -= column.width + GAP
            if x < 0:
                return column if column.field else None
        return None

    def on_resize(self) -> None:
        """Take the columns that fit."""
        self._fit_columns()
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self._show_cursor()

    def _leave_out_empty(self) -> None:
        """Show no column that may be left out and is empty in every row."""
        empty = tuple(column for column in self._all if column.optional and not any(map(column.text, self.rows)))
        if empty != self._empty:
            self._empty = empty
            self._fit_columns()
            self.refresh()

    def _fit_columns(self) -> None:
        self.columns = fitting([column for column in self._all if column not in self._empty], self.size.width)

    def _scroll_after(self, num_rows: int, wanted: int) -> None:
        """Scroll in a list that has so many rows from now on."""
        self.virtual_size = Size(self.size.width, num_rows + 1)
        top = min(max(0, wanted), max(0, num_rows + 1 - self.size.height))
        self.scroll_to(y=top, animate=False, immediate=True)

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
                self.refresh(Region(x, place - self.scroll_offset.y + 1, column.width + GAP, 1))
            x += column.width + GAP

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
        super().__init__(RUN_COLUMNS)
