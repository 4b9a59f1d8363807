"""One of a few words, changed with the arrow keys; an input for what cannot be typed wrong."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class Choice(Widget, can_focus=True):
    """A value of a few, shown as ‹ value ›."""

    BINDINGS = [  # noqa: RUF012 - Textual's convention
        Binding("right,space", "turn(1)", show=False),
        Binding("left", "turn(-1)", show=False),
    ]
    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another value was chosen."""

    def __init__(self, values: Sequence[str], value: str, *, id: str) -> None:
        """Offer these values and begin with one of them."""
        super().__init__(id=id)
        self._values = tuple(values)
        self._usual = value
        self.set_reactive(Choice.value, value)

    @property
    def turned(self) -> bool:
        """Whether it stands on another value than the usual one."""
        return self.value != self._usual

    def set_usual(self, value: str) -> None:
        """Change the value that it stands on while nobody has turned it."""
        if not self.turned:
            self.value = value
        self._usual = value

    def render(self) -> Content:
        """Return the value between two arrows."""
        return Content.assemble(("‹", "$foreground 40%"), self.value, ("›", "$foreground 40%"))

    def action_turn(self, places: int) -> None:
        """Go to the value so many places on."""
        place = (self._values.index(self.value) + places) % len(self._values)
        self.value = self._values[place]
        self.post_message(self.Changed())

    def on_click(self) -> None:
        """Go to the next value."""
        self.action_turn(1)
