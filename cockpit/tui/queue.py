"""The queue of this box: what trains, what waits and why, and the devices; its order can be changed here."""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.dispatch import order
from cockpit.dispatch.look import Look, Training, Waiting
from cockpit.dispatch.slots import Slot
from cockpit.status import RunInfo
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.columns import Column
from cockpit.tui.messages import QueueRead
from cockpit.tui.screen import CockpitScreen, follow, tell, write
from cockpit.tui.table import RowTable
from cockpit.tui.text import SYMBOLS, plain, words
from cockpit.tui.watch import QueueReader

_NOTHING = """\
[b]Nothing waits.[/b]

In the form of a new run ([b $accent]n[/] in Runs), [b $accent]ctrl+n[/] puts it into the queue. A whole sweep:

[dim]cockpit train --model resnet18,vgg16_bn --seed 1,2,3 --enqueue[/]"""


class QueueRow(NamedTuple):
    """A run that trains or waits."""

    run: RunInfo
    """The run."""
    place: str
    """Its place, or a sign."""
    device: str
    """Where it trains, or what it asks for."""
    priority: int
    """Runs of a higher one come first."""
    state: str
    """Why it waits, or how far it is."""
    ticket: bool
    """Whether it waits."""

    @property
    def id(self) -> str:
        """The run."""
        return self.run.id

    @property
    def status(self) -> str:
        """Colours the place."""
        return self.run.status


_DATE = re.compile(r"\b\d{8}-\d{6}-(?=\S)")
"""Of a run's id; without it the rest says in a column which run is meant, and any command takes it for the id."""

COLUMNS = (
    Column("place", 5, 0, lambda row: row.place),
    Column("model", 11, 1, lambda row: row.run.model, right=False),
    Column("dataset", 8, 2, lambda row: row.run.dataset, right=False),
    Column("device", 7, 3, lambda row: row.device, right=False),
    Column("prio", 4, 4, lambda row: str(row.priority or "")),
    Column("recipe", 30, 5, lambda row: row.run.changes or "the seed's", right=False),
    Column("why it waits", 38, 6, lambda row: _DATE.sub("", row.state), right=False),
    Column("run", 40, 7, lambda row: row.run.id, right=False),
)
"""All columns, in their order."""


class QueueScreen(CockpitScreen[None]):
    """What trains, what waits, and the devices."""

    PLACE = "queue"
    BINDINGS = bindings("queue")

    def __init__(self) -> None:
        """Begin without knowing anything."""
        super().__init__()
        self._look: Look | None = None

    def compose(self) -> ComposeResult:
        """Lay out the title, the table, the detail of the chosen run, the devices and the keys."""
        yield Static(words(("queue", "bold $text-accent"), "reading…", between="  "), id="title")
        with Vertical(id="list"):
            yield RowTable[QueueRow](COLUMNS)
            yield Static(Content.from_markup(_NOTHING), id="empty")
        yield Static(id="detail")
        yield Static(id="devices")
        yield KeyBar("queue")

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
        rows = [*map(_training_row, look.training), *map(_waiting_row, look.waiting)]
        table = self._table()
        table.show(rows)
        table.display = bool(rows)
        self.query_one("#empty").display = not rows
        counts = f"{len(look.waiting):,} waiting  {len(look.training)} training"
        state = look.trouble or ("paused: p goes on" if look.paused else "")
        self._write(
            "title", words(("queue", "bold $text-accent"), counts, (plain(state), "$text-warning"), between="  ")
        )
        self._write("devices", Content("\n").join(map(_device_line, look.devices)))
        self._draw_detail()

    @on(RowTable.Moved)
    def _draw_detail(self) -> None:
        row = self._table().chosen
        self._write("detail", _describe(row) if row else Content())

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content, layout=name == "devices")

    def _table(self) -> RowTable[QueueRow]:
        return self.query_one(RowTable)

    @on(RowTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if row := self._table().chosen:
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
        row = self._table().chosen
        if row is None:
            tell(self.app, "Nothing waits here", "warning")
        elif not row.ticket:
            tell(self.app, f"{row.id} trains already; s stops it where it is opened", "warning")
        else:
            self._do(lambda: change(row))

    @work(thread=True, exit_on_error=False, group="change")
    def _do(self, change: Callable[[], object]) -> None:
        change()
        self.cockpit.tick()
        for look in QueueReader(self.cockpit.store, self.cockpit.reader).look():
            self.post_message(QueueRead(look))


def _training_row(training: Training) -> QueueRow:
    run = training.run
    return QueueRow(
        run, SYMBOLS[run.status], training.device, 0, f"{run.status}, epoch {run.epoch}/{run.epochs}", False
    )


def _waiting_row(waiting: Waiting) -> QueueRow:
    place = str(waiting.place or SYMBOLS["starting" if waiting.run.status == "waiting" else "failed"])
    return QueueRow(waiting.run, place, waiting.device, waiting.priority, waiting.why, True)


def _describe(row: QueueRow) -> Content:
    """Return the lines about the chosen run: what it waits for, and what its recipe changes."""
    recipe = f"recipe: {plain(row.run.changes)}" if row.run.changes else "recipe: the seed's"
    return words((plain(row.id), "bold"), plain(row.state), (recipe, "dim"), between="\n")


def _device_line(slot: Slot) -> Content:
    taken = f"{len(slot.runs)} of {slot.slots} slots taken" if slot.slots != 1 else "taken" if slot.runs else "free"
    state, style = (f"busy with {slot.stranger}", "$text-warning") if slot.stranger else (taken, "$text-success")
    return words(f"{slot.device:<8}", (plain(state), style), (plain(slot.title), "dim"), between="  ")
