"""A run's log on the whole screen: its end, however long it is, following while it grows."""

import re
from collections.abc import Iterator

from rich.cells import chop_cells
from rich.segment import Segment
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from cockpit.kept import Stamp, stamp
from cockpit.status import describe
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.messages import LogRead
from cockpit.tui.screen import CockpitScreen, follow
from cockpit.tui.text import plain, words

_MAX_LINES = 5_000
_MAX_CHARACTERS = 1_000
_TROUBLE = re.compile(r"error|exception|traceback|failed|killed|out of memory|\bnan\b", re.IGNORECASE)


class LogReader:
    """Follows a log, reading again only when it changed, and never more than its end."""

    def __init__(self, run: Run) -> None:
        """Begin without having read anything."""
        self._run = run
        self._stamp: Stamp | bool = False
        self.without_lines = "it printed nothing yet"
        """What to say of an empty log."""

    def look(self) -> Iterator[tuple[str, ...]]:
        """Yield the last lines, made harmless, if the log changed."""
        now = stamp(self._run.log_path)
        if now != self._stamp:
            self._stamp = now
            if now is None and describe(self._run).status == "imported":
                self.without_lines = "imported, so there is none"
            yield tuple(plain(line, _MAX_CHARACTERS) for line in self._run.log_tail(_MAX_LINES))


class LogView(ScrollView, can_focus=True):
    """Lines of text; only those on the screen are ever rendered."""

    BINDINGS = [  # noqa: RUF012 - Textual's convention
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]
    ALLOW_SELECT = False
    COMPONENT_CLASSES = {"log--trouble"}  # noqa: RUF012 - Textual's convention

    def __init__(self) -> None:
        """Begin without lines."""
        super().__init__()
        self._lines: tuple[str, ...] = ()
        self._rows: list[tuple[str, bool]] = []

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines; who was at the end stays there."""
        self._lines = lines
        self._wrap()

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self._wrap()

    def render_line(self, y: int) -> Strip:
        """Return a row, in another colour where its line tells of trouble."""
        place = self.scroll_offset.y + y
        text, is_trouble = self._rows[place] if place < len(self._rows) else ("", False)
        style = self.rich_style
        if is_trouble:
            style += self.get_component_rich_style("log--trouble", partial=True)
        return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, self.rich_style)

    def _wrap(self) -> None:
        """Break the lines at the width, and paint only rows that differ."""
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        follows, top, old = self.scroll_offset.y >= self.max_scroll_y, self.scroll_offset.y, self._rows
        self._rows = [
            (piece, bool(_TROUBLE.search(line))) for line in self._lines for piece in (chop_cells(line, width) or [""])
        ]
        self.virtual_size = Size(width, len(self._rows))
        for y in range(self.size.height):
            if old[top + y : top + y + 1] != self._rows[top + y : top + y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))
        if follows:
            self.call_after_refresh(self.scroll_end, animate=False)


class LogScreen(CockpitScreen[None]):
    """The log of one run."""

    PLACE = "log"
    BINDINGS = bindings("log")

    def __init__(self, run: Run) -> None:
        """Show the log of this run."""
        super().__init__()
        self._run = run
        self._reader = LogReader(run)

    def compose(self) -> ComposeResult:
        """Lay out the title, the lines and the keys."""
        yield Static(words(("log", "bold $text-accent"), plain(self._run.id), between="  "), id="title")
        yield LogView()
        yield KeyBar("log")

    def on_mount(self) -> None:
        """Begin in the lines, at their end."""
        self.query_one(LogView).focus()

    def on_screen_resume(self) -> None:
        """Follow the log while it is seen."""
        self._watch_log()

    def on_screen_suspend(self) -> None:
        """Leave it alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_log(self) -> None:
        follow(self, self._reader.look, LogRead)

    def on_log_read(self, event: LogRead) -> None:
        """Show the log as it is now."""
        self.query_one(LogView).show(event.lines)
        count = f"{len(event.lines):,} lines" if event.lines else self._reader.without_lines
        title = words(("log", "bold $text-accent"), plain(self._run.id), (count, "dim"), between="  ")
        self.query_one("#title", Static).update(title)

    def action_back(self) -> None:
        """Return to the run."""
        self.app.pop_screen()
