"""The filter of a list of runs: what is typed, and below it the fields to type, or what is wrong.

While there is a mistake in it, what was understood last holds; where that finds nothing, because the mistake was being
typed already, what is left without the mistake.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from cockpit.errors import CockpitError
from cockpit.status import RunInfo
from cockpit.tui.screen import write
from cockpit.tui.text import plain, words

_EXAMPLES = ("model:resnet*", "status:running,failed", "val>90%", "took>2h", "tag:x", "-word")


class _Suggester(Suggester):
    """Completes fields and values."""

    def __init__(self, rows: Callable[[], Sequence[RunInfo]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._rows = rows

    async def get_suggestion(self, value: str) -> str | None:
        """Return the text with its last word completed."""
        from cockpit.suggest import complete

        completed = complete(value, self._rows())
        return completed if completed.startswith(value) else None


class FilterInput(Input):
    """The line itself; tab completes, the arrow down goes to the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", show=False),
        Binding("down", "submit", show=False),
    ]

    def action_complete(self) -> None:
        """Take the completion that is shown behind what was typed."""
        self.cursor_position = len(self.value)
        self.action_cursor_right()


class FilterLine(Vertical):
    """A filter that can be opened, typed into, left and closed."""

    class Typed(Message):
        """The filter is not what it was."""

    class Left(Message):
        """The user goes to the list."""

    def __init__(self) -> None:
        """Begin closed and empty."""
        super().__init__(id="filter-line")
        self._rows: Sequence[RunInfo] = ()
        self._good = ""
        self._mistake = ""
        self._meant = ""
        self._typing = False

    def compose(self) -> ComposeResult:
        """Lay out the line and its hint."""
        suggester = _Suggester(lambda: self._rows)
        yield FilterInput(id="filter", compact=True, suggester=suggester, placeholder="words, or conditions as below")
        yield Static(id="filter-hint")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    @property
    def mistake(self) -> str:
        """What is wrong with it; empty when nothing."""
        return self._mistake

    def select(self, rows: Sequence[RunInfo]) -> Sequence[RunInfo]:
        """Return the rows that match, in their order."""
        self._rows, text, self._meant = rows, self.text, ""
        if not text.strip():
            self._good = self._mistake = ""
            self._draw()
            return rows
        from cockpit.suggest import search, understood

        try:
            found = search(text, rows, typing=self._typing)
            self._good, self._mistake = text, ""
        except CockpitError as error:
            self._mistake = str(error)
            found = search(self._good, rows) if self._good else None
            if found is not None and not found.rows:
                found = search(understood(text), rows)
        if found is not None:
            self._meant = found.meant
        self._draw()
        return rows if found is None else found.rows

    def open(self) -> None:
        """Let the user type."""
        self.display = self._typing = True
        self.query_one(Input).focus()
        self._draw()

    def close(self) -> bool:
        """Empty and hide it; tell whether there was anything to be closed."""
        was_open = bool(self.display)
        self.query_one(Input).value = ""
        self.display = False
        return was_open

    @on(Input.Changed)
    def _tell(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed())

    @on(Input.Submitted)
    def _leave(self, event: Input.Submitted) -> None:
        event.stop()
        self._typing = False
        self.display = bool(self.text.strip())
        self.post_message(self.Left())

    def _draw(self) -> None:
        """Write the hint, unless it stands there already or is not seen."""
        if not self.display:
            return
        from cockpit.suggest import hint

        if self._mistake:
            content = words((plain(self._mistake), "$text-error"))
        elif self._meant:
            content = words(("nothing is exactly that; shown is ", "dim"), plain(self._meant))
        else:
            said = hint(self.text, self._rows)
            content = words((plain(said), "dim")) if said else words(*_dim(_EXAMPLES), between="  ")
        write(self.query_one("#filter-hint", Static), content)


def _dim(examples: Sequence[str]) -> list[tuple[str, str]]:
    return [(example, "dim") for example in examples]
