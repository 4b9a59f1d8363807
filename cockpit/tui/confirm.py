"""A question that is answered with yes or no."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.screen import Dialog


class ConfirmScreen(Dialog[bool]):
    """Returns whether the user agreed."""

    BINDINGS = bindings("confirm")

    def __init__(self, question: Content) -> None:
        """Ask this."""
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay out the question and its answers."""
        with Vertical(classes="dialog"):
            yield Static(self._question)
            yield KeyBar("confirm")
