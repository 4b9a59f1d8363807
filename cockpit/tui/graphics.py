"""Pictures in their own pixels, in terminals that speak kitty's graphics protocol with Unicode placeholders.

A picture is sent once. What is then written to the screen is text, whose colour is the picture's number and whose
accents are row and column, so that it scrolls, is covered and is painted again like any other text.
(sw.kovidgoyal.net/kitty/graphics-protocol, "Unicode placeholders".)
"""

import base64
import itertools
import os
import random
import re
import select
import termios
import time
import tty
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    import numpy as np

_SPEAKERS = ("xterm-kitty", "xterm-ghostty")
"""Values of TERM, which a multiplexer replaces. Others answer the probe, too, but show placeholders as boxes."""
_PATIENCE_S = 1.0
"""How long one of these may take to answer: a round trip over a slow link. It answers, so nobody waits so long."""
_PROBE = b"\x1b[>0q\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
"""What is your version, may a picture be shown, and, answered by every terminal: what are you?"""
_VERSION = re.compile(rb"\x1bP>\|(kitty|ghostty)[( ](\d+)\.(\d+)")
_FIRST = {b"kitty": (0, 28), b"ghostty": (1, 0)}
"""The versions that first had placeholders; older ones answer that a picture may be shown, and show boxes."""
_IDENTITY = re.compile(rb"\x1b\[\?[0-9;]*c")
_CHUNK = 4096
"""Characters of base64 that the protocol allows in a piece."""
_PLACEHOLDER = "\U0010eeee"
_ACCENTS = [
    chr(point)
    for point in (
        *(0x305, 0x30D, 0x30E, 0x310, 0x312, 0x33D, 0x33E, 0x33F, 0x346, 0x34A, 0x34B, 0x34C, 0x350, 0x351, 0x352),
        *(0x357, 0x35B, 0x363, 0x364, 0x365, 0x366, 0x367, 0x368, 0x369, 0x36A, 0x36B, 0x36C, 0x36D, 0x36E, 0x36F),
        *(0x483, 0x484, 0x485, 0x486, 0x487, 0x592, 0x593, 0x594, 0x595, 0x597, 0x598, 0x599, 0x59C, 0x59D, 0x59E),
    )
]
"""The accent for each row and column number, of kitty's rowcolumn-diacritics.txt."""
MOST_CELLS = len(_ACCENTS)
"""Rows and columns that a picture can have."""


def speaks_kitty(source: int = 0, sink: int = 2) -> bool:
    """Tell whether pictures can be sent to the terminal; before the app reads from it.

    Only a terminal that says by TERM that it can is asked, and COCKPIT_PICTURES=kitty lets any be asked, blocks none.

    Args:
        source: Descriptor of what the terminal says.
        sink: Descriptor of what it is told.
    """
    wanted = os.environ.get("COCKPIT_PICTURES", "")
    hinted = os.environ.get("TERM") in _SPEAKERS and not {"TMUX", "STY"} & set(os.environ)
    if wanted == "blocks" or not (hinted or wanted == "kitty") or "NO_COLOR" in os.environ:
        return False
    if not (os.isatty(source) and os.isatty(sink)):
        return False
    try:
        settings = termios.tcgetattr(source)
        tty.setcbreak(source, termios.TCSANOW)
        try:
            os.write(sink, _PROBE)
            answer = _read_answer(source, time.monotonic() + _PATIENCE_S)
        finally:
            termios.tcsetattr(source, termios.TCSANOW, settings)
    except (OSError, termios.error):
        return False
    version = _VERSION.search(answer)
    if version is None or (int(version[2]), int(version[3])) < _FIRST[version[1]]:
        return False
    return b"\x1b_Gi=31;OK\x1b\\" in answer


def _read_answer(source: int, deadline: float) -> bytes:
    answer = b""
    while not _IDENTITY.search(answer) and len(answer) < 4096:
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        piece = os.read(source, 256)
        if not piece:
            break
        answer += piece
    return answer


class KittyPictures:
    """Numbers the pictures that are sent to one terminal."""

    def __init__(self) -> None:
        """Begin at a random number, since other programs may have pictures there."""
        self._numbers = itertools.count(random.randrange(1 << 16, 1 << 23))

    def make(
        self, image: "np.ndarray", width: int, height: int, background: Color | None = None
    ) -> tuple[int, str, list[Strip]]:
        """Return a picture's number, what sends it, and the rows of cells that show it.

        Args:
            image: (H, W, 3) uint8, RGB.
            width: Cells of a row, at most `MOST_CELLS`; so is the height.
            height: Rows.
            background: What is seen beside a picture of other proportions than its cells.
        """
        number = next(self._numbers) % (1 << 24)
        rows, columns = image.shape[:2]
        data = base64.standard_b64encode(image.tobytes()).decode()
        pieces = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
        head = f"a=T,U=1,q=2,f=24,s={columns},v={rows},i={number},c={width},r={height},"
        sent = "".join(
            f"\x1b_G{'' if index else head}m={int(index + 1 < len(pieces))};{piece}\x1b\\"
            for index, piece in enumerate(pieces)
        )
        style = Style(color=Color.from_rgb(number >> 16, number >> 8 & 255, number & 255), bgcolor=background)
        strips = [
            Strip([Segment(_PLACEHOLDER + _ACCENTS[y] + _ACCENTS[x], style) for x in range(width)], width)
            for y in range(height)
        ]
        return number, sent, strips

    @staticmethod
    def forget(number: int) -> str:
        """Return what lets the terminal forget a picture."""
        return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
