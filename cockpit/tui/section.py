"""A section of a report: text that is drawn anew for every size."""

from collections.abc import Callable

from textual import events
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static


class Section(VerticalScroll, inherit_bindings=False):
    """Text that is drawn to fit, and scrolled where it does not."""

    BINDINGS = [  # noqa: RUF012 - Textual's convention
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "scroll_home", show=False),
        Binding("end", "scroll_end", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        """Begin empty."""
        super().__init__(Static(), id=id, classes="section")
        self._draw: Callable[[int, int], Content] | None = None

    def show(self, draw: Callable[[int, int], Content]) -> None:
        """Show what a function makes of width and height, now and at each other size."""
        self._draw = draw
        self._show()

    def _on_resize(self, event: events.Resize) -> None:
        self._show()

    def _show(self) -> None:
        width, height = self.size
        if self._draw is not None and width:
            self.query_one(Static).update(self._draw(width - 1, height))
