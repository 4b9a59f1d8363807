"""The queue of this box: what trains, what waits and why, and the devices; its order can be changed here.

Below stands what Slurm has of these runs, which decides the order of those itself.
"""

from collections.abc import Callable
from typing import Literal

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.dispatch import order
from cockpit.dispatch.look import Look
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.messages import QueueRead
from cockpit.tui.queue_rows import (
    COLUMNS,
    SLURM_COLUMNS,
    QueueRow,
    SlurmRow,
    describe_row,
    device_line,
    queue_rows,
    slurm_title,
)
from cockpit.tui.screen import CockpitScreen, follow, tell, write
from cockpit.tui.table import RowTable
from cockpit.tui.text import plain, words
from cockpit.tui.watch import QueueReader

_NOTHING = """\
[b]Nothing waits.[/b]

In the form of a new run ([b $accent]n[/] in Runs), [b $accent]ctrl+n[/] puts it into the queue. A whole sweep:

[dim]cockpit train --model resnet18,vgg16_bn --seed 1,2,3 --enqueue[/]"""


class QueueScreen(CockpitScreen[None]):
    """What trains, what waits, and the devices."""

    PLACE = "queue"
    BINDINGS = bindings("queue")

    def __init__(self) -> None:
        """Begin without knowing anything."""
        super().__init__()
        self._look: Look | None = None

    def compose(self) -> ComposeResult:
        """Lay out the title, the tables, the detail of the chosen run, the devices and the keys."""
        yield Static(words(("queue", "bold $text-accent"), "reading…", between="  "), id="title")
        with Vertical(id="list"):
            yield RowTable[QueueRow](COLUMNS)
            yield Static(Content.from_markup(_NOTHING), id="empty")
        with Vertical(id="slurm"):
            yield Static(id="slurm-title")
            yield RowTable[SlurmRow](SLURM_COLUMNS)
        yield Static(id="detail")
        yield Static(id="devices")
        yield KeyBar("queue", "other_pane")

    def on_mount(self) -> None:
        """Begin in the table."""
        self._table().focus()

    def on_screen_resume(self) -> None:
        """Watch the queue while it is seen."""
        self._watch_queue()

    def on_screen_suspend(self) -> None:
        """Leave the queue alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_queue(self) -> None:
        reader = QueueReader(self.cockpit.store, self.cockpit.reader)
        follow(self, reader.look, QueueRead)

    def on_queue_read(self, event: QueueRead) -> None:
        """Show the queue as it is now."""
        self._look = look = event.look
        rows = queue_rows(look)
        table = self._table()
        table.show(rows)
        table.display = bool(rows)
        self.query_one("#empty").display = not rows
        self._show_slurm(look)
        counts = f"{len(look.waiting):,} waiting  {len(look.training)} training"
        state = look.trouble or ("paused: p goes on" if look.paused else "")
        self._write(
            "title", words(("queue", "bold $text-accent"), counts, (plain(state), "$text-warning"), between="  ")
        )
        self._write("devices", Content("\n").join(map(device_line, look.devices)))
        self._draw_detail()

    def _show_slurm(self, look: Look) -> None:
        """Show what Slurm has, where it has anything."""
        jobs = [SlurmRow(info) for info in look.slurm]
        self.query_one("#slurm").display = bool(jobs)
        self.query_one(KeyBar).leave_out(*([] if jobs else ["other_pane"]))
        self.set_class(bool(jobs) and not self._table().rows, "-only-slurm")
        self._slurm_table().show(jobs)
        self._write("slurm-title", slurm_title(look))
        if not (isinstance(self.focused, RowTable) and self.focused.rows):
            filled = [table for table in (self._table(), self._slurm_table()) if table.rows]
            self.set_focus(filled[0] if filled else None)

    @on(RowTable.Moved)
    def _draw_detail(self) -> None:
        row = self._chosen()
        self._write("detail", describe_row(row) if row else Content())

    def on_descendant_focus(self) -> None:
        """Describe the run under the cursor of the table that has the focus."""
        self._draw_detail()

    def _chosen(self) -> QueueRow | SlurmRow | None:
        return self._slurm_table().chosen if self._slurm_table().has_focus else self._table().chosen

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content, layout=name == "devices")

    def _table(self) -> RowTable[QueueRow]:
        return self.query_one("#list", Vertical).query_one(RowTable)

    def _slurm_table(self) -> RowTable[SlurmRow]:
        return self.query_one("#slurm", Vertical).query_one(RowTable)

    def action_other_pane(self) -> None:
        """Go to Slurm's jobs, or back."""
        table, jobs = self._table(), self._slurm_table()
        if not jobs.rows:
            tell(self.app, "No run has a job in Slurm", "warning")
        elif jobs.has_focus and table.rows:
            table.focus()
        else:
            jobs.focus()

    @on(RowTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if row := self._chosen():
            self.cockpit.open_run(self.cockpit.run_of(row.run))

    def action_move_up(self) -> None:
        """Let the run under the cursor start one place earlier."""
        self._move("up")

    def action_move_down(self) -> None:
        """Let the run under the cursor start one place later."""
        self._move("down")

    def action_move_top(self) -> None:
        """Let the run under the cursor start first of all."""
        self._move("top")

    def _move(self, to: Literal["up", "down", "top"]) -> None:
        self._change(lambda row: order.move(self.cockpit.store, self.cockpit.run_of(row.run), to))

    def action_raise(self, by: int = 1) -> None:
        """Raise the priority of the run under the cursor."""
        self._change(
            lambda row: order.set_priority(self.cockpit.store, self.cockpit.run_of(row.run), row.priority + by)
        )

    def action_lower(self) -> None:
        """Lower the priority of the run under the cursor."""
        self.action_raise(-1)

    def action_withdraw(self) -> None:
        """Take the run under the cursor from the queue."""
        self._change(lambda row: order.withdraw(self.cockpit.store, self.cockpit.run_of(row.run)))

    def action_stop(self) -> None:
        """Stop the run under the cursor with a checkpoint, cancel its job, or take it from the queue."""
        if row := self._chosen():
            self.cockpit.stop(row.run)
        else:
            tell(self.app, "Nothing waits here", "warning")

    def action_pause(self) -> None:
        """Pause the queue, or let it go on."""
        if self._look is not None:
            self._do(lambda: order.pause(self.cockpit.store, not self._paused()))

    def _paused(self) -> bool:
        return self._look is not None and self._look.paused

    def action_back(self) -> None:
        """Return to the runs."""
        self.app.pop_screen()

    def _change(self, change: Callable[[QueueRow], object]) -> None:
        """Change the ticket of the run under the cursor."""
        row = self._chosen()
        if row is None:
            tell(self.app, "Nothing waits here", "warning")
        elif isinstance(row, SlurmRow):
            tell(
                self.app,
                f"{row.id} is job {row.job.id or '?'} of Slurm, which decides its order; s stops it",
                "warning",
            )
        elif not row.ticket:
            tell(self.app, f"{row.id} trains already; s stops it", "warning")
        else:
            self._do(lambda: change(row))

    @work(thread=True, exit_on_error=False, group="change")
    def _do(self, change: Callable[[], object]) -> None:
        change()
        self.cockpit.tick()
        for look in QueueReader(self.cockpit.store, self.cockpit.reader).look():
            self.post_message(QueueRead(look))
