"""A line for a path, completed as a shell does."""

import os

from textual import work
from textual.message import Message
from textual.widgets import Input

from cockpit.tui.screen import TellsErrors

_MOST = 2_000
"""Entries of a folder that a completion looks at."""


class PathInput(TellsErrors, Input):
    """Asks for a file or a folder."""

    class Completed(Message):
        """The names that fit what was typed are known."""

        def __init__(self, typed: str, value: str, names: tuple[str, ...]) -> None:
            """Carry what was typed, what it became, and the names among which it leaves the choice."""
            super().__init__()
            self.typed = typed
            self.value = value
            self.names = names

    @work(thread=True, exclusive=True, exit_on_error=False, group="complete")
    def complete(self) -> None:
        """Complete what stands there as far as it is certain."""
        typed = self.value
        self.post_message(self.Completed(typed, *complete_path(typed)))

    def on_path_input_completed(self, event: Completed) -> None:
        """Put it there, unless the user has typed on."""
        if self.value == event.typed and event.value != event.typed:
            self.value = event.value
            self.cursor_position = len(event.value)


def complete_path(typed: str) -> tuple[str, tuple[str, ...]]:
    """Return what a typed path can only become, and the names that are possible next; folders end with a slash."""
    head, _, start = typed.rpartition("/")
    folder = os.path.expanduser(f"{head}/" if "/" in typed else ".")
    try:
        with os.scandir(folder) as entries:
            found = [next(entries, None) for _ in range(_MOST)]
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "")
            for entry in found
            if entry is not None and entry.name.startswith(start) and (start or not entry.name.startswith("."))
        )
    except (OSError, ValueError):
        return typed, ()
    if not names:
        return typed, ()
    first, last = names[0], names[-1]  # of sorted names, what these share all share
    common = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return typed[: len(typed) - len(start)] + first[:common], tuple(names)
