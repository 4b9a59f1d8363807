"""Curves as braille: every cell of the screen holds 2 x 4 dots. Pure arithmetic on numpy.

plotext can draw lines too, but takes 10 µs a dot: 50 ms for a full screen, where this takes 1 (measured with 5.3.2).
"""

import numpy as np

_BITS = np.array([[0x40, 0x80], [0x04, 0x20], [0x02, 0x10], [0x01, 0x08]], dtype=np.uint8)
"""The dots' bits in a cell, bottom row first (The Unicode Standard 16, section 21.1)."""
DASHES = ((), (1, 2), (6, 4), (2, 3, 7, 3), (11, 5), (1, 2, 1, 2, 6, 2), (3, 3), (1, 5))
"""Eight forms of a line to be told apart without colour: lengths of dashes and gaps by turns, in dots. They are counted
along the line, not along x, so that no peak hides in a gap."""
SAMPLE_WIDTH = 8
"""Cells, as many as the longest of these forms has."""
_NO_DOTS = 0x2800
"""The braille character whose low byte is the bits of the dots."""


class Canvas:
    """A grid of cells to draw curves on; row 0 is the bottom."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._codes = np.zeros((height, width), dtype=np.int32)
        self._colors = np.zeros((height, width), dtype=np.int16)
        self._solid = np.zeros((height, width), dtype=bool)

    def draw(self, x: np.ndarray, y: np.ndarray, color: int, *, faint: bool = False, dash: int = 0) -> None:
        """Join points by straight lines.

        NaN interrupts the line; a point between two interruptions becomes a blot, as a single dot is hard to see.
        Where two curves meet in a cell, it has the dots of both, and along the row their colours alternate: a cell
        has but one.

        Args:
            x: (N,), 0 is the first column of dots, 1 the last; outside it nothing is drawn.
            y: (N,), 0 is the lowest row of dots, 1 the highest.
            color: Number of the colour that the cells get.
            faint: Later curves take over its cells.
            dash: Which of `DASHES`; the first is a whole line.
        """
        num_columns, num_rows = 2 * self.width, 4 * self.height
        columns, rows = _trace(x * (num_columns - 1), y * (num_rows - 1), DASHES[dash])
        inside = (columns >= 0) & (columns < num_columns) & (rows >= 0) & (rows < num_rows)
        dots = np.zeros((num_rows, num_columns), dtype=np.uint8)
        dots[rows[inside], columns[inside]] = 1
        bits = np.einsum("rick,ik->rc", dots.reshape(self.height, 4, self.width, 2), _BITS)
        drawn = bits > 0
        self._codes[drawn & ~self._solid] = _NO_DOTS
        self._codes |= bits
        self._colors[drawn & ~(self._solid & (np.arange(self.width) % 2 == 0))] = color
        self._solid |= drawn & (not faint)

    def rule(self, x: float, character: str, color: int) -> None:
        """Draw a vertical line of characters in the cells that are free; x as for `draw`."""
        column = round(x * (self.width - 1))
        free = self._codes[:, column] == 0
        self._codes[free, column] = ord(character)
        self._colors[free, column] = color

    def cells(self) -> tuple[list[int], list[int], list[str], list[int]]:
        """Return columns, rows, characters and colours of the cells that are not free."""
        rows, columns = np.nonzero(self._codes)
        characters = list(map(chr, self._codes[rows, columns].tolist()))
        return columns.tolist(), rows.tolist(), characters, self._colors[rows, columns].tolist()


def sample(dash: int, width: int = SAMPLE_WIDTH) -> str:
    """Return a short line of one of `DASHES`, for a legend."""
    if not DASHES[dash]:
        return "━" * width
    canvas = Canvas(width, 1)
    canvas.draw(np.array([0.0, 1.0]), np.array([0.4, 0.4]), 0, dash=dash)
    columns, _, characters, _ = canvas.cells()
    shown = dict(zip(columns, characters, strict=True))
    return "".join(shown.get(column, " ") for column in range(width))


def _trace(x: np.ndarray, y: np.ndarray, dash: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the dots on the lines through points given in dots."""
    present = np.isfinite(x) & np.isfinite(y)
    joined = present[:-1] & present[1:]
    start_x, start_y = x[:-1][joined], y[:-1][joined]
    span_x, span_y = x[1:][joined] - start_x, y[1:][joined] - start_y
    counts = np.ceil(np.maximum(np.abs(span_x), np.abs(span_y))).astype(np.int64) + 1
    line = np.repeat(np.arange(counts.size), counts)
    along = (np.arange(line.size) - (np.cumsum(counts) - counts)[line]) / np.maximum(counts - 1, 1)[line]
    shown = np.ones(line.size, dtype=bool)
    if dash:
        form = np.repeat(np.arange(len(dash)) % 2 == 0, dash)
        lengths = np.maximum(np.abs(span_x), np.abs(span_y))
        gone = (np.cumsum(lengths) - lengths)[line] + along * lengths[line]
        shown = form[np.rint(gone).astype(np.int64) % form.size]
    alone = present & ~np.append(joined, False) & ~np.append(False, joined)
    blot_x, blot_y = np.repeat(np.floor(x[alone]), 4), np.repeat(np.floor(y[alone]), 4)
    columns = np.append((start_x[line] + along * span_x[line])[shown], blot_x + np.tile((0, 0, 1, 1), alone.sum()))
    rows = np.append((start_y[line] + along * span_y[line])[shown], blot_y + np.tile((0, 1, 0, 1), alone.sum()))
    return np.rint(columns).astype(np.int64), np.rint(rows).astype(np.int64)
