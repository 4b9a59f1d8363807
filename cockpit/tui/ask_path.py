"""Asks for a path."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.path_input import PathInput
from cockpit.tui.screen import Dialog
from cockpit.tui.text import cells


class AskPathScreen(Dialog[str]):
    """Returns the path that the user typed, or None."""

    BINDINGS = bindings("path")

    def __init__(self, title: str, value: str) -> None:
        """Ask under a title, beginning with a value."""
        super().__init__()
        self._title, self._value = title, value

    def compose(self) -> ComposeResult:
        """Lay out the question and the line."""
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False)
            yield PathInput(self._value, id="path", compact=True, select_on_focus=False)
            yield Static(classes="names")
            yield KeyBar("path")

    @on(PathInput.Completed)
    def _show_names(self, event: PathInput.Completed) -> None:
        names = "  ".join(event.names[:20]) if len(event.names) > 1 else ""
        self.query_one(".names", Static).update(cells(names, 200))

    @on(Input.Submitted)
    def action_accept(self) -> None:
        """Take what was typed."""
        self.dismiss(self.query_one(PathInput).value.strip() or None)

    def action_complete(self) -> None:
        """Complete the path."""
        self.query_one(PathInput).complete()

    def action_back(self) -> None:
        """Return without a path."""
        self.dismiss(None)
