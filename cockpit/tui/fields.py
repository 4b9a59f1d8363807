"""Fields below each other, between which the arrow keys move."""

from textual.binding import Binding
from textual.containers import Grid
from textual.widget import Widget


class Fields(Grid):
    """A grid of labels and fields."""

    BINDINGS = [  # noqa: RUF012 - Textual's convention
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]

    def enter(self) -> None:
        """Focus the first field."""
        self._fields()[0].focus()

    def action_move(self, places: int) -> None:
        """Focus the field so many places on, staying within the grid."""
        fields = self._fields()
        focused = self.screen.focused
        if focused in fields:
            fields[min(max(fields.index(focused) + places, 0), len(fields) - 1)].focus()

    def _fields(self) -> list[Widget]:
        return list(self.query("Input, Choice"))
