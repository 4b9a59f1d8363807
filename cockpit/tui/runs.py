"""The browser of runs, where the cockpit opens: every run, its best checkpoint, and what can be done with it."""

from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.fields import fields, sort_rows
from cockpit.status import LIVE
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.deeds import Deeds
from cockpit.tui.filter_line import FilterLine
from cockpit.tui.messages import RunsRead
from cockpit.tui.remarks import ask_note
from cockpit.tui.row_detail import describe_row
from cockpit.tui.screen import follow, write
from cockpit.tui.table import RunTable
from cockpit.tui.text import plain, words
from cockpit.tui.watch import RunsLook

_NO_RUNS = """\
[b]No runs yet.[/b]

Press [b $accent]n[/] to choose a network and a dataset, then [b $accent]enter[/] to train it.

The handwritten digits are built in: no download, and a laptop
learns them in a few minutes. Runs go on when you close this.

[dim]Press[/] [b $accent]?[/] [dim]for every key.[/]"""


class RunsScreen(Deeds):
    """All runs, the newest first unless they are sorted."""

    PLACE = "runs"
    BINDINGS = bindings("runs")

    def __init__(self) -> None:
        """Begin without knowing any run."""
        super().__init__()
        self._look = RunsLook((), complete=False)
        self._sort = ""
        self._reverse = False

    def compose(self) -> ComposeResult:
        """Lay out the title, the table, the detail of the chosen run, the filter and the keys."""
        yield Static(words(("cockpit", "bold $text-accent"), "reading runs…", between="  "), id="title")
        with Vertical(id="list"):
            yield RunTable()
            yield Static(id="empty")
        yield Static(id="detail")
        yield FilterLine()
        yield KeyBar("runs")

    def on_mount(self) -> None:
        """Begin in the table, in the order that is remembered."""
        name = self.cockpit.remembered.get("runs.sort", "")
        self._sort = name if name and name in fields() else ""  # they are read from source code, which takes a while
        self._reverse = self.cockpit.remembered.get("runs.reverse", False)
        self._show_order()
        self.query_one(RunTable).focus()
        self.watch(self.app, "testing", self._draw, init=False)

    def on_screen_resume(self) -> None:
        """Watch the folders while this screen is seen."""
        self._watch_runs()

    def on_screen_suspend(self) -> None:
        """Leave the folders alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_runs(self) -> None:
        reader = self.cockpit.reader
        follow(self, reader.look, RunsRead)

    def on_runs_read(self, event: RunsRead) -> None:
        """Show the runs as they are now."""
        self._look = event.look
        self.cockpit.notice(event.look.rows)
        if event.look.complete:
            self.query_one(RunTable).keep_marks(event.look.rows)
        self._draw()

    def _draw(self) -> None:
        line = self.query_one(FilterLine)
        rows = line.select(self._look.rows)
        if self._sort or self._reverse:
            rows = sort_rows(rows, self._sort, reverse=self._reverse)
        table = self.query_one(RunTable)
        table.show(rows, self.cockpit.testing)
        table.display = bool(rows)
        empty = self.query_one("#empty", Static)
        empty.display = not rows and self._look.complete
        if empty.display:
            sought = plain(line.text.strip())
            verb = "is found by" if ":" in sought or "<" in sought or ">" in sought else "contains"
            again = "  esc shows all runs again."
            no_match = words(f"No run {verb} ", (sought, "bold"), f".{again}")
            if line.mistake:
                no_match = words((plain(line.mistake), "$text-error"), f".{again}")
            empty.update(no_match if self._look.rows else Content.from_markup(_NO_RUNS))
        self._draw_title(len(rows))
        self._draw_detail()

    def _draw_title(self, num_shown: int) -> None:
        total = len(self._look.rows)
        pending = sum(row.status == "pending" for row in self._look.rows)
        live = sum(row.status in LIVE for row in self._look.rows) - pending
        queued = sum(row.ticket is not None for row in self._look.rows)
        count = (
            f"{num_shown:,} of {total:,} runs" if num_shown != total else f"{total:,} run{'s' if total != 1 else ''}"
        )
        parts: list[str | tuple[str, str]] = ["" if total == 0 and self._look.complete else count]
        if live:
            parts.append((f"{live:,} going on", "$text-primary"))
        if pending:
            parts.append(f"{pending:,} pending")
        if queued:
            parts.append(f"{queued:,} queued")
        if not self._look.complete:
            parts.append("reading more…")
        if self.cockpit.low_bandwidth:
            parts.append(("low bandwidth", "$text-warning"))
        table = self.query_one(RunTable)
        if table.num_marks:
            hidden = table.num_marks - len(table.marked)
            which = f"{hidden} of them not shown" if hidden else "t s d # x c act on them"
            parts.append((f"{table.num_marks} marked, {which}", "$text-accent"))
        if order := self._hidden_order():
            parts.append((order, "dim"))
        parts.append((_short(self.cockpit.store.root), "dim"))
        title = words(("cockpit", "bold $text-accent"), *parts, between="  ")
        self._write("title", title)

    def _hidden_order(self) -> str:
        """Return what the rows are sorted by, where no header says so."""
        if not self._sort:
            return "the oldest first" if self._reverse else ""
        shown = any(column.field == self._sort for column in self.query_one(RunTable).columns)
        return "" if shown else f"by {self._sort}{', reversed' if self._reverse else ''}"

    @on(RunTable.Moved)
    def _draw_detail(self) -> None:
        row = self.query_one(RunTable).chosen
        self._write("detail", describe_row(row, testing=row.id in self.cockpit.testing) if row else Content())

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content)

    @on(RunTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        row = self.chosen()
        if row is not None:
            self.cockpit.open_run(self.cockpit.run_of(row))

    def action_new(self) -> None:
        """Open the form of a new run."""
        self.cockpit.open_new()

    def action_clone(self) -> None:
        """Open the form of a new run, filled like the run under the cursor."""
        if row := self.chosen():
            self.cockpit.open_like(row)

    def action_queue(self) -> None:
        """Open the queue."""
        self.cockpit.open_queue()

    def action_resume(self) -> None:
        """Resume the run under the cursor."""
        if row := self.chosen():
            self.cockpit.resume(row)

    def action_report(self) -> None:
        """Open the test report of the run under the cursor."""
        if row := self.chosen():
            self.cockpit.open_report(self.cockpit.run_of(row))

    def action_classify(self) -> None:
        """Let the network of the run under the cursor classify image files."""
        if row := self.chosen():
            self.cockpit.open_classify(self.cockpit.run_of(row))

    def action_note(self) -> None:
        """Write a note on the run under the cursor."""
        if row := self.chosen():
            ask_note(self.app, row, self.cockpit.run_of, self.look_now)

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go to the next."""
        table = self.query_one(RunTable)
        if table.chosen:
            table.mark(table.chosen)
            table.action_move(1)
            self._draw_title(len(table.rows))

    def action_mark_all(self) -> None:
        """Mark all runs shown, or none."""
        table = self.query_one(RunTable)
        table.mark_all()
        self._draw_title(len(table.rows))

    def action_sort(self) -> None:
        """Sort by the next column; behind the last one comes the newest first."""
        known = [column.field for column in self.query_one(RunTable).columns if column.field]
        place = known.index(self._sort) + 1 if self._sort in known else 0
        self._set_order(known[place] if place < len(known) else "", reverse=False)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._set_order(self._sort, reverse=not self._reverse)

    @on(RunTable.HeaderClicked)
    def _sort_by(self, event: RunTable.HeaderClicked) -> None:
        self._set_order(event.field, reverse=event.field == self._sort and not self._reverse)

    def _set_order(self, field: str, *, reverse: bool) -> None:
        self._sort, self._reverse = field, reverse
        self._show_order()
        self._draw()
        self._remember_order(field, reverse)

    def _show_order(self) -> None:
        descends = bool(self._sort) and fields()[self._sort].descends
        self.query_one(RunTable).show_sorted(self._sort, descending=descends != self._reverse)

    @work(thread=True, exit_on_error=False, group="remember")
    def _remember_order(self, field: str, reverse: bool) -> None:
        self.cockpit.remembered.set("runs.sort", field)
        self.cockpit.remembered.set("runs.reverse", reverse)

    def action_filter(self) -> None:
        """Ask for what to look for."""
        self.query_one(FilterLine).open()

    def action_clear_filter(self) -> None:
        """Show all runs again; when they are shown, take all marks away."""
        table = self.query_one(RunTable)
        if not self.query_one(FilterLine).close():
            table.set_marks(set())
            self._draw_title(len(table.rows))
        table.focus()

    @on(FilterLine.Typed)
    def _filter(self) -> None:
        self._draw()

    @on(FilterLine.Left)
    def _leave_filter(self) -> None:
        self._draw()
        self.query_one(RunTable).focus()


def _short(path: Path) -> str:
    """Return a path with ~ for the home folder."""
    text = str(path.absolute())
    home = str(Path.home())
    return plain("~" + text[len(home) :] if text.startswith(home + "/") else text)
