"""Gets a dataset without leaving the cockpit: the official archive over the network, or images that are here."""

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from cockpit import errands
from cockpit.datasets import DATASETS, EMBEDDED, cache_dir
from cockpit.errands import Errand
from cockpit.errors import CockpitError
from cockpit.progress import Cancelled
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.choice import Choice
from cockpit.tui.fields import Fields
from cockpit.tui.menus import DOWNLOAD
from cockpit.tui.messages import ErrandChecked, ErrandEnded, ErrandTold
from cockpit.tui.path_input import PathInput
from cockpit.tui.screen import Dialog, tell, write
from cockpit.tui.text import bar, cells, plain, words

_BAR = 30
_LAYOUTS = "Takes <class>/*.png, <split>/<class>/*.png, CIFAR's archive or folder."
_PACKED_BYTES = 60_000 * 32 * 32 * 3
"""What the images of CIFAR-10 or CIFAR-100 take once they are packed."""


class GetDataScreen(Dialog[str]):
    """Downloads or imports a dataset; returns its name, or nothing."""

    BINDINGS = bindings("get")

    def __init__(self, name: str = "") -> None:
        """Begin with this name."""
        super().__init__()
        self._begin_with = name
        self._errand: Errand | None = None
        self._mistake = "…"
        self._busy = False

    def compose(self) -> ComposeResult:
        """Lay out what is wanted, what that means, and how far it is."""
        known = ", ".join(name for name in DATASETS if name != EMBEDDED)
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Get a dataset"
            with Fields(id="errand"):
                yield Label("name")
                yield Input(self._begin_with, placeholder=f"{known}, or a new one", id="data-name", compact=True)
                yield Label("folder or archive")
                yield PathInput(placeholder=f"empty: download {known}", id="data-path", compact=True)
                yield Label("unreadable files")
                yield Choice(("refuse", "leave out"), "refuse", id="unreadable")
                yield Label("mirror images")
                yield Choice(("yes", "no"), "yes", id="mirror")
                yield Label("replace")
                yield Choice(("no", "yes"), "no", id="replace")
            yield Static(words((_LAYOUTS, "dim")), id="layouts")
            yield Static(id="cost")
            yield Static(id="data-command")
            yield Static(id="data-verdict")
            yield KeyBar("get")

    def on_mount(self) -> None:
        """Begin with the name if it is not given."""
        self.query_one("#data-path" if self._begin_with else "#data-name").focus()
        self._check()

    @on(Input.Changed)
    @on(Choice.Changed)
    def _check(self) -> None:
        """Read what is wanted, and have it looked at."""
        errand = Errand(
            name=self.query_one("#data-name", Input).value.strip(),
            path=self.query_one("#data-path", Input).value.strip(),
            skip_unreadable=self.query_one("#unreadable", Choice).turned,
            hflip_ok=not self.query_one("#mirror", Choice).turned,
            replace=self.query_one("#replace", Choice).turned,
        )
        if errand != self._errand:
            self._errand, self._mistake = errand, "…"
            self._look(errand)

    @work(thread=True, exclusive=True, exit_on_error=False, group="check")
    def _look(self, errand: Errand) -> None:
        mistake = ""
        try:
            if not errand.name:
                raise CockpitError("give it a name")
            errands.check(errand)
        except CockpitError as error:
            mistake = str(error)
        self.post_message(ErrandChecked(errand, mistake))

    def on_errand_checked(self, event: ErrandChecked) -> None:
        """Say what would be done, or what is wrong."""
        if event.errand == self._errand and not self._busy:
            self._mistake = event.mistake
            self._write("cost", Content(plain(_cost(event.errand)) if not event.mistake else ""))
            command = f"$ {plain(event.errand.command())}" if event.errand.name else ""
            self._write("data-command", words((command, "$text-accent")))
            style = "bold $text-error" if event.mistake else "$text-success"
            verb = "imports it" if event.errand.path else "downloads it"
            self._write("data-verdict", words((plain(event.mistake) or f"enter {verb}", style)))

    @on(Input.Submitted)
    def action_begin(self) -> None:
        """Get it."""
        if self._errand is not None and not self._busy and not self._mistake:
            self._busy = True
            self._tell_progress(0, 0, "beginning")
            self._run(self._errand)

    @work(thread=True, exclusive=True, exit_on_error=False, group="errand")
    def _run(self, errand: Errand) -> None:
        worker = get_current_worker()

        def progress(done: int, total: int, what: str) -> None:
            self.post_message(ErrandTold(done, total, what))

        try:
            notes = errands.run(errand, progress=progress, stop=lambda: worker.is_cancelled)
        except Cancelled:
            return
        except CockpitError as error:
            self.post_message(ErrandEnded(errand, (), str(error)))
        else:
            self.post_message(ErrandEnded(errand, notes, ""))

    def on_errand_told(self, event: ErrandTold) -> None:
        """Show how far it is."""
        if self._busy:
            self._tell_progress(event.done, event.total, event.what)

    def _tell_progress(self, done: int, total: int, what: str) -> None:
        share = done / total if total else 0.0
        ready, left = bar(share, _BAR)
        in_bytes = total > 10_000_000
        count = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if in_bytes else ""
        known = f"{share:.0%}" if total else ""
        told = words((ready, "$primary"), (left, "$foreground 25%"))
        self._write("data-verdict", words(told, known, plain(what), count, between="  "))

    def on_errand_ended(self, event: ErrandEnded) -> None:
        """Return with the dataset, or say what is wrong and let the user try again."""
        self._busy = False
        if event.trouble:
            self._mistake = ""
            self._write("data-verdict", words((plain(event.trouble), "bold $text-error")))
            return
        for note in event.notes:
            tell(self.app, note)
        tell(self.app, f"{event.errand.name} is here")
        self.dismiss(event.errand.name)

    def action_complete(self) -> None:
        """Complete the path, or go on from another field."""
        path = self.query_one(PathInput)
        if path.has_focus:
            path.complete()
        else:
            self.focus_next()

    @on(PathInput.Completed)
    def _show_names(self, event: PathInput.Completed) -> None:
        names = cells("  ".join(event.names[:20]), 200) if len(event.names) > 1 else ""
        self._write("layouts", words((names or _LAYOUTS, "dim")))

    def action_back(self) -> None:
        """Call off what goes on, or return."""
        if self._busy:
            self._busy = False
            self.workers.cancel_group(self, "errand")
            kept = "; what came of it is kept for the next time" if not (self._errand and self._errand.path) else ""
            self._write("data-verdict", words((f"called off{kept} · enter tries again", "$text-warning")))
        else:
            self.dismiss(None)

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content, layout=True)


def _cost(errand: Errand) -> str:
    """Return what an errand will take."""
    place = f"packed in {cache_dir()}"
    if not errand.path:
        return f"Downloads the official archive, {DOWNLOAD}, checks it, and keeps {_PACKED_BYTES / 1e6:.0f} MB {place}."
    if errand.name in DATASETS:
        return f"Checks every image against the official content; {_PACKED_BYTES / 1e6:.0f} MB {place}."
    return f"Reads every image, makes it 32×32 RGB, and keeps 3 kB of it {place}; the source is only read."
