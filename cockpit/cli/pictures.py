"""Pictures on a terminal's own lines, in half blocks: the upper pixel of a cell as its colour, the lower behind it."""

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_WIDTH = 16
"""Cells of a picture."""


def draw_row(images: "np.ndarray") -> None:
    """Write pictures side by side to stdout, as many as fit into a line.

    Args:
        images: (N, H, W, 3) uint8, RGB.
    """
    import numpy as np
    from PIL import Image

    columns = shutil.get_terminal_size().columns
    fitting = images[: max(1, (columns + 1) // (_WIDTH + 1))]
    small = [np.asarray(Image.fromarray(one).resize((_WIDTH, _WIDTH), Image.Resampling.BOX)) for one in fitting]
    for row in range(0, _WIDTH, 2):
        line = " ".join("".join(map(_cell, one[row].tolist(), one[row + 1].tolist())) + "\x1b[0m" for one in small)
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _cell(upper: list[int], lower: list[int]) -> str:
    fore, back = (";".join(map(str, pixel)) for pixel in (upper, lower))
    return f"\x1b[38;2;{fore};48;2;{back}m▀"
