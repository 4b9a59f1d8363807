"""Bars and columns of text that fit a width exactly."""

from collections.abc import Iterable

from rich.cells import cell_len
from textual.content import Content

from cockpit.tui.text import bar, cells

SOME = "╍"
"""What part of a bar is drawn with that is neither full nor open."""


def styled_bar(share: float, width: int) -> list[tuple[str, str]]:
    """Return the parts of a bar that is so many cells long, and filled by a share of 0-1."""
    done, left = bar(share, width)
    return [(done, "$primary"), (left, "$foreground 15%")]


def joined(row: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a row of styled characters with neighbours of the same style in one part."""
    parts: list[tuple[str, str]] = []
    for character, style in row:
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + character, style)
        else:
            parts.append((character, style))
    return parts


def widest(names: Iterable[str], most: int) -> int:
    """Return how many cells the widest of some texts from outside takes, at most so many."""
    return min(most, max((cell_len(cells(name, most)) for name in names), default=1))


def fit(text: str, width: int) -> str:
    """Return a text from outside in exactly so many cells."""
    text = cells(text, width)
    return text + " " * (width - cell_len(text))


def side_by_side(columns: list[list[Content]], width: int) -> Content:
    """Join columns of lines, each but the last filled up to the width; three cells lie between."""
    lines = []
    for row in range(max(map(len, columns))):
        parts = [column[row] if row < len(column) else Content("") for column in columns]
        filled = [part + Content(" " * (width + 3 - part.cell_length)) for part in parts[:-1]]
        lines.append(Content("").join([*filled, parts[-1]]))
    return Content("\n").join(lines)
