"""A question that is answered with a line of text; a mistake in it is told before it is taken."""

from collections.abc import Callable

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from cockpit.errors import CockpitError
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.screen import Dialog
from cockpit.tui.text import plain, words


class AskScreen(Dialog[str]):
    """Returns the text, or None when the user would rather not."""

    BINDINGS = bindings("ask")

    class Checked(Message):
        """A text was looked at."""

        def __init__(self, text: str, mistake: str) -> None:
            """Carry it, and what is wrong with it; empty when nothing."""
            super().__init__()
            self.text = text
            self.mistake = mistake

    def __init__(
        self, question: Content, text: str = "", hint: str = "", *, check: Callable[[str], object] = str
    ) -> None:
        """Ask this.

        Args:
            question: What is asked for.
            text: What stands in the line at first.
            hint: A line below it.
            check: Raises CockpitError for a text that cannot be taken; it is called from a thread.
        """
        super().__init__()
        self._question = question
        self._text = text
        self._hint = hint
        self._check = check

    def compose(self) -> ComposeResult:
        """Lay out the question, the line, the hint and the keys."""
        with Vertical(classes="dialog"):
            yield Static(self._question)
            yield Input(self._text, id="answer", compact=True)
            yield Static(words((plain(self._hint), "dim")), id="hint")
            yield KeyBar("ask")

    def on_mount(self) -> None:
        """Begin in the line."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_accept(self) -> None:
        """Take what stands in the line, unless there is a mistake in it."""
        self._look(self.query_one(Input).value)

    @work(thread=True, exclusive=True, exit_on_error=False, group="check")
    def _look(self, text: str) -> None:
        try:
            self._check(text)
            mistake = ""
        except CockpitError as error:
            mistake = str(error)
        self.post_message(self.Checked(text, mistake))

    @on(Checked)
    def _judge(self, event: Checked) -> None:
        if event.mistake:
            self.query_one("#hint", Static).update(words((plain(event.mistake), "$text-error")))
        else:
            self.dismiss(event.text)
