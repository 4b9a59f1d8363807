"""Words for the screens: text from outside made harmless, and numbers as a person reads them."""

import re
import time
import unicodedata

from rich.cells import cell_len, set_cell_size
from textual.content import Content

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that draw nothing but can move the cursor, turn the direction of writing or hide text."""
MAX_CHARACTERS = 400
"""Text from outside is cut here; no place on a screen shows more."""
NO_VALUE = "—"
FULL, OPEN = "━", "─"
"""What the done and the open part of a bar are drawn with."""


def plain(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return text from outside as one line without control, escape and direction characters, cut if it is long.

    Names, details, log lines and class names all pass through here before they reach a widget.
    """
    visible = _ESCAPE_SEQUENCE.sub("", text[: 4 * max_characters].expandtabs(4).replace("\n", " "))
    line = "".join(character for character in visible if unicodedata.category(character) not in _UNSEEN)
    return line if len(line) <= max_characters else line[: max_characters - 1] + "…"


def cells(text: str, width: int) -> str:
    """Return text from outside, cut to so many cells of the screen."""
    text = plain(text, max(1, width))
    if text.isascii() or cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def words(*parts: str | tuple[str, str] | Content, between: str = "") -> Content:
    """Join literal pieces, each a text, a (text, style) or a content; nothing in them is read as markup.

    Empty pieces are left out, with what would stand between.
    """
    pieces = [_piece(part) for part in parts if part]
    return Content(between).join(pieces)


def _piece(part: str | tuple[str, str] | Content) -> Content:
    if isinstance(part, Content):
        return part
    return Content.styled(*part) if isinstance(part, tuple) else Content(part)


def percent(fraction: float | None) -> str:
    """Return a fraction as per cent with one decimal, without the sign."""
    return NO_VALUE if fraction is None else f"{100 * fraction:.1f}"


def duration(seconds: float | None) -> str:
    """Return a duration as 0:48, 12:05 or 3:02:09."""
    if seconds is None:
        return NO_VALUE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day_and_time(unix_seconds: float | None) -> str:
    """Return a moment as local month, day and time; never an age, which would tick."""
    return NO_VALUE if unix_seconds is None else time.strftime("%m-%d %H:%M", time.localtime(unix_seconds))


def memory(num_bytes: int | None) -> str:
    """Return a size in GiB."""
    return NO_VALUE if num_bytes is None else f"{num_bytes / 2**30:.1f} GiB"


def millions(count: int) -> str:
    """Return a number of parameters in millions, three significant digits."""
    value = count / 1e6
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}M"


def bar(fraction: float, width: int) -> tuple[str, str]:
    """Return the done and the open part of a progress bar of `width` cells."""
    done = round(min(max(fraction, 0.0), 1.0) * width)
    return FULL * done, OPEN * (width - done)


SYMBOLS = {
    "created": "◦",
    "waiting": "○",
    "pending": "◌",
    "starting": "◔",
    "running": "●",
    "testing": "◆",
    "stopped": "■",
    "finished": "✓",
    "failed": "✗",
    "lost": "?",
    "stale": "!",
    "unknown": "?",
    "damaged": "✗",
    "imported": "◇",
}
"""A sign before the status word, so that it reads without colour."""

COLORS = {
    "created": "text-secondary",
    "waiting": "text-secondary",
    "pending": "text-secondary",
    "starting": "text-primary",
    "running": "text-primary",
    "testing": "text-accent",
    "stopped": "text-warning",
    "finished": "text-success",
    "failed": "text-error",
    "lost": "text-error",
    "stale": "text-warning",
    "unknown": "text-warning",
    "damaged": "text-error",
    "imported": "text-secondary",
}
"""The theme's variable for each status."""

REMEDIES = {
    "created": "r launches it",
    "waiting": "r launches it",
    "pending": "s cancels it",
    "stopped": "r resumes it",
    "failed": "r tries again from its last checkpoint",
    "lost": "press r",
    "damaged": "d deletes it",
}
"""What the user can do about each status."""
_OF_THE_RECIPE = ("loss is NaN", "out of memory")
"""How the trainer's sentences about such failures begin."""


def status_word(status: str) -> str:
    """Return a status with its sign."""
    return f"{SYMBOLS.get(status, '·')} {status}"


def remedy(status: str, detail: str = "", *, queued: bool = False) -> str:
    """Return what the user can do about a status; empty when there is nothing to be done.

    Args:
        status: The status.
        detail: Why it is that; what the recipe is the cause of, a resume meets again.
        queued: Whether the run waits in the queue.
    """
    if status == "failed" and detail.startswith(_OF_THE_RECIPE):
        return "N makes one like it, with other values"
    return "s takes it out, r launches it" if queued else REMEDIES.get(status, "")
