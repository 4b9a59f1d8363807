"""The browser of runs, where the cockpit opens: every run, its best checkpoint, and what can be done with it."""

from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from cockpit.status import LIVE, TROUBLED, RunInfo
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.messages import RunsRead
from cockpit.tui.screen import CockpitScreen, tell
from cockpit.tui.table import RunTable
from cockpit.tui.text import percent, plain, remedy, words
from cockpit.tui.watch import RunsLook, poll

_NO_RUNS = """\
[b]No runs yet.[/b]

Press [b $accent]n[/] to choose a network and a dataset, then [b $accent]enter[/] to train it.

The handwritten digits are built in: no download, and a laptop
learns them in a few minutes. Runs go on when you close this.

[dim]Press[/] [b $accent]?[/] [dim]for every key.[/]"""


class RunsScreen(CockpitScreen[None]):
    """All runs, the newest first."""

    PLACE = "runs"
    BINDINGS = bindings("runs")

    def __init__(self) -> None:
        """Begin without knowing any run."""
        super().__init__()
        self._look = RunsLook((), complete=False)
        self._written: dict[str, Content] = {}

    def compose(self) -> ComposeResult:
        """Lay out the title, the table, the detail of the chosen run, the filter and the keys."""
        yield Static(words(("cockpit", "bold $text-accent"), "reading runs…", between="  "), id="title")
        with Vertical(id="list"):
            yield RunTable()
            yield Static(id="empty")
        yield Static(id="detail")
        yield Input(placeholder="words of id, status, model, dataset or recipe", id="filter", compact=True)
        yield KeyBar("runs")

    def on_mount(self) -> None:
        """Begin in the table."""
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
        worker = get_current_worker()
        poll(reader.look, lambda look: self.post_message(RunsRead(look)), worker.cancelled_event, self.cockpit.look_s)

    def on_runs_read(self, event: RunsRead) -> None:
        """Show the runs as they are now."""
        self._look = event.look
        self.cockpit.notice(event.look.rows)
        self._draw()

    def _draw(self) -> None:
        sought = self.query_one("#filter", Input).value.lower().split()
        rows = [row for row in self._look.rows if _matches(row, sought)] if sought else self._look.rows
        table = self.query_one(RunTable)
        table.show(rows, self.cockpit.testing)
        table.display = bool(rows)
        empty = self.query_one("#empty", Static)
        empty.display = not rows and self._look.complete
        if empty.display:
            no_match = words("No run contains ", (" ".join(sought), "bold"), ".  esc shows all runs again.")
            empty.update(no_match if sought else Content.from_markup(_NO_RUNS))
        self._draw_title(len(rows))
        self._draw_detail()

    def _draw_title(self, num_shown: int) -> None:
        total = len(self._look.rows)
        live = sum(row.status in LIVE for row in self._look.rows)
        queued = sum(row.ticket is not None for row in self._look.rows)
        count = (
            f"{num_shown:,} of {total:,} runs" if num_shown != total else f"{total:,} run{'s' if total != 1 else ''}"
        )
        parts: list[str | tuple[str, str]] = ["" if total == 0 and self._look.complete else count]
        if live:
            parts.append((f"{live} going on", "$text-primary"))
        if queued:
            parts.append(f"{queued:,} queued")
        if not self._look.complete:
            parts.append("reading more…")
        if self.cockpit.low_bandwidth:
            parts.append(("low bandwidth", "$text-warning"))
        parts.append((_short(self.cockpit.store.root), "dim"))
        title = words(("cockpit", "bold $text-accent"), *parts, between="  ")
        self._write("title", title)

    @on(RunTable.Moved)
    def _draw_detail(self) -> None:
        row = self.query_one(RunTable).chosen
        self._write("detail", describe_row(row) if row else Content())

    def _write(self, name: str, content: Content) -> None:
        """Write a text unless it stands there already."""
        if self._written.get(name) != content:
            self._written[name] = content
            self.query_one(f"#{name}", Static).update(content, layout=False)

    @on(RunTable.Opened)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        row = self._chosen()
        if row is not None:
            self.cockpit.open_run(self.cockpit.run_of(row))

    def action_new(self) -> None:
        """Open the form of a new run."""
        self.cockpit.open_new()

    def action_clone(self) -> None:
        """Open the form of a new run, filled like the run under the cursor."""
        if row := self._chosen():
            self.cockpit.open_like(row)

    def action_queue(self) -> None:
        """Open the queue."""
        self.cockpit.open_queue()

    def action_test(self) -> None:
        """Test the best checkpoint of the run under the cursor."""
        if row := self._chosen():
            self.cockpit.test(row)

    def action_stop(self) -> None:
        """Stop the run under the cursor."""
        if row := self._chosen():
            self.cockpit.stop(row)

    def action_resume(self) -> None:
        """Resume the run under the cursor."""
        if row := self._chosen():
            self.cockpit.resume(row)

    def action_delete(self) -> None:
        """Delete the run under the cursor, after a question."""
        from cockpit.tui.confirm import ConfirmScreen

        row = self._chosen()
        if row is None:
            return
        if row.status in LIVE:
            tell(self.app, f"{row.id} is {row.status}; stop it first (s)", "warning")
            return
        question = words("Delete ", (row.id, "bold"), f" with {_losses(row)}?\nThis cannot be undone.")

        def delete_if(agreed: bool | None) -> None:
            if agreed:
                self.cockpit.delete(row)

        self.app.push_screen(ConfirmScreen(question), delete_if)

    def action_filter(self) -> None:
        """Ask for words to look for."""
        filter_input = self.query_one("#filter", Input)
        filter_input.display = True
        filter_input.focus()

    def action_clear_filter(self) -> None:
        """Show all runs again."""
        filter_input = self.query_one("#filter", Input)
        filter_input.value = ""
        filter_input.display = False
        self.query_one(RunTable).focus()

    @on(Input.Changed, "#filter")
    def _filter(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.query_one("#filter").display = bool(self.query_one("#filter", Input).value)
        self.query_one(RunTable).focus()

    def _chosen(self) -> RunInfo | None:
        row = self.query_one(RunTable).chosen
        if row is None:
            tell(self.app, "There is no run here; n makes one", "warning")
        return row


def describe_row(row: RunInfo) -> Content:
    """Return the three lines about the chosen run: where it stands, its best checkpoint, its recipe or damage.

    Why a run does not go on has a line of its own, with the remedy; so has what it waits for.
    """
    told = row.status == "finished" and row.test  # the trainer's last words are the result of its test
    state = words("" if told else plain(row.detail), remedy(row.status, queued=row.ticket is not None), between=" · ")
    if row.best_epoch is None:
        best = "" if row.ticket else "no checkpoint yet: the best one is kept from the first epoch on"
    else:
        best = f"best checkpoint: epoch {row.best_epoch} · val {percent(row.best_val_acc)} % · "
        if row.test:
            scores = row.test
            best += f"test {percent(scores.top1)} % (top-5 {percent(scores.top5)} %, loss {scores.loss:.3f})"
        else:
            best += "t tests it"
    recipe = f"recipe: {plain(row.changes)}" if row.changes else "recipe: the seed's"
    damage = "" if row.status == "damaged" else plain(row.damage)  # else it is the state
    name, last = (plain(row.id), "bold"), (damage, "$text-error") if damage else (recipe, "dim")
    if row.status in TROUBLED or row.ticket:
        return words(words(name, best, between="  "), state, last, between="\n")
    return words(words(name, state, between="  "), best, last, between="\n")


def _losses(row: RunInfo) -> str:
    if row.best_epoch is None:
        return "its log"
    return f"its checkpoints of {row.epoch} epochs (best validation {percent(row.best_val_acc)} %)"


def _short(path: Path) -> str:
    """Return a path with ~ for the home folder."""
    text = str(path.absolute())
    home = str(Path.home())
    return plain("~" + text[len(home) :] if text.startswith(home + "/") else text)


def _matches(row: RunInfo, sought: list[str]) -> bool:
    text = f"{row.id} {row.status} {row.model} {row.dataset} {row.changes}".lower()
    return all(word in text for word in sought)
