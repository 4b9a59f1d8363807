"""Rows of a screen as cells, to compare them before they are painted."""

from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from cockpit.tui.text import plain

Cell = tuple[str, int]
"""A character and the number of its style; the second half of a wide character is empty."""
Row = list[Cell]


def text_cells(text: str, style: int) -> Row:
    """Return the cells of a text from outside, shown literally; combining characters are left out."""
    cells: Row = []
    for character in plain(text):
        cells += [(character, style), ("", style)][: cell_len(character)]
    return cells


def fit(cells: Row, width: int) -> Row:
    """Return the cells cut or filled up to the width; a wide character that would be halved is left out."""
    if len(cells) > width and cells[width][0] == "":
        cells = [*cells[: width - 1], (" ", 0)]
    return [*cells[:width], *[(" ", 0)] * (width - len(cells))]


def to_strip(row: Row, styles: list[Style]) -> Strip:
    """Return what Textual paints."""
    segments = [
        Segment("".join(character for character, _ in cells), styles[style])
        for style, cells in groupby(row, key=lambda cell: cell[1])
    ]
    return Strip(segments, len(row))


def changed_region(old: Row, new: Row, y: int) -> Region:
    """Return the cells of row `y` from the first that differs to the last, whole characters only."""
    changed = [x for x in range(len(new)) if old[x] != new[x]]
    start, stop = changed[0], changed[-1] + 1
    while stop < len(new) and "" in (old[stop][0], new[stop][0]):
        stop += 1
    return Region(start, y, stop - start, 1)
