"""Writes to the terminal only those cells that it does not show already, and of their colours only what changes.

Textual writes a changed row from its widget's left end on, and all rows again when a layout changes or a screen opens.
Over a slow link that is most of the bytes.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, cast

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip


class _Look(NamedTuple):
    """What can be seen of a style, as the terminal's codes."""

    attributes: str = ""
    color: str = ""
    background: str = ""


_Cell = tuple[str, _Look]
"""A character, with what combines with it, and how it looks; the second half of a wide character is empty."""
_Row = list[_Cell | None]
"""None is a cell of which nobody knows what it shows."""
_Piece = tuple[int, int, Strip]
"""A row, a column, and what is to stand from there on."""
_Span = tuple[int, int, list[_Cell]]
"""A row, a column, and the cells that stand from there on."""
_GAP = 4
"""Unchanged cells between changed ones are written too, up to so many: to go on behind them takes five bytes."""
_PLAIN = _Look()


class Painter:
    """Remembers what the terminal shows."""

    def __init__(self) -> None:
        """Begin without knowing anything of it."""
        self._rows: list[_Row] = []

    def forget(self) -> None:
        """Let the next updates be written whole: something else has written to the terminal."""
        self._rows = []

    def trim(self, update: RenderableType | None, width: int, height: int) -> RenderableType | None:
        """Return an update of a screen of that size as one that writes no more than needed."""
        if isinstance(update, LayoutUpdate):
            pieces = _layout_pieces(update)
        elif isinstance(update, ChopsUpdate):
            pieces = _chop_pieces(update)
        else:
            return update
        return cast(RenderableType, _Trimmed(self, pieces, width, height))  # Textual asks it for its segments

    def again(self) -> RenderableType | None:
        """Return an update that writes all that the terminal is to show, from memory; None when some is not known."""
        if not self._rows or not all(map(all, self._rows)):
            return None
        return cast(RenderableType, _Again(self))

    def write(self, pieces: Iterable[_Piece], width: int, height: int, console: Console) -> str:
        """Return what the terminal has to be sent so that it shows the pieces, and take it for sent."""
        if not width or not height:
            return ""
        if len(self._rows) != height or len(self._rows[0]) != width:
            self._rows = [[None] * width for _ in range(height)]
        system = console._color_system or ColorSystem.TRUECOLOR  # as Textual's strips do
        written: list[str] = []
        wanted: dict[int, _Row] = {}
        for y, x, strip in pieces:
            if y >= height or x >= width:  # drawn before the terminal became smaller
                continue
            row = wanted.setdefault(y, self._rows[y].copy())
            shown = strip.crop(0, width - x)
            cells = _cells(shown, system)
            if cells is None:
                written += [f"\x1b[{y + 1};{x + 1}H", shown.render(console)]
                cells = list[_Cell | None]([None] * shown.cell_length)
                _put(self._rows[y], x, cells)
            _put(row, x, cells)
        spans: list[_Span] = []
        for y, row in wanted.items():
            spans += [(y, start, _known(row[start:stop])) for start, stop in _changes(self._rows[y], row)]
            self._rows[y] = row
        return "".join([*written, *_codes(spans)])

    def write_again(self) -> str:
        """Return what the terminal has to be sent so that it shows all that it should, whatever it shows now."""
        return "".join(_codes([(y, 0, _known(row)) for y, row in enumerate(self._rows)]))


class _Again(CompositorUpdate):
    """The screen as a painter remembers it."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter

    def render_segments(self, console: Console) -> str:
        return self._painter.write_again()


class _Trimmed(CompositorUpdate):
    """An update that a painter writes."""

    def __init__(self, painter: Painter, pieces: Iterable[_Piece], width: int, height: int) -> None:
        self._painter, self._pieces, self._size = painter, pieces, (width, height)

    def render_segments(self, console: Console) -> str:
        return self._painter.write(self._pieces, *self._size, console)


def _layout_pieces(update: LayoutUpdate) -> Iterator[_Piece]:
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield y, x, strip
            x += strip.cell_length


def _chop_pieces(update: ChopsUpdate) -> Iterator[_Piece]:
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            start, stop = max(x, left), min(end, right)
            if strip is not None and start < stop:
                yield y, start, strip.crop(start - x, stop - x)


def _cells(strip: Strip, system: ColorSystem) -> _Row | None:
    """Return the cells of a strip, or None when a terminal may divide it otherwise: images, emoji of several parts."""
    cells: _Row = []
    for text, style, control in strip:
        if control:
            return None
        look = _look(style, system) if style else _PLAIN
        if text.isascii():
            cells += [(character, look) for character in text]
            continue
        for character in text:
            width = get_character_cell_size(character)
            if width:
                cells += [(character, look), ("", look)][:width]
            elif cells and (last := cells[-1]) is not None:
                cells[-1] = (last[0] + character, last[1])
    return cells if len(cells) == strip.cell_length else None


@lru_cache(maxsize=4096)
def _look(style: Style, system: ColorSystem) -> _Look:
    """Return what can be seen of a style, on a terminal of so many colours."""
    codes = (
        "" if not color or color.is_default else ";".join(color.downgrade(system).get_ansi_codes(is_foreground))
        for color, is_foreground in ((style.color, True), (style.bgcolor, False))
    )
    return _Look(Strip.render_ansi(style.without_color, system), *codes)


@lru_cache(maxsize=4096)
def _turn(old: _Look, new: _Look) -> str:
    """Return what makes the terminal write in a look after another: only what differs."""
    if old == new:
        return ""
    if new == _PLAIN:
        return "\x1b[0m"
    codes = []
    if old.attributes not in ("", new.attributes):  # no code ends only bold or only dim
        codes, old = ["0"], _PLAIN
    if old.attributes != new.attributes:
        codes.append(new.attributes)
    if old.color != new.color:
        codes.append(new.color or "39")
    if old.background != new.background:
        codes.append(new.background or "49")
    return f"\x1b[{';'.join(codes)}m"


def _known(row: _Row) -> list[_Cell]:
    return [cell for cell in row if cell is not None]


def _codes(spans: Iterable[_Span]) -> Iterator[str]:
    """Yield what writes known cells in their places, and leaves the terminal without a look."""
    look, last_y = _PLAIN, -1
    for y, x, cells in spans:
        yield f"\x1b[{x + 1}G" if y == last_y else f"\x1b[{y + 1};{x + 1}H"
        last_y = y
        for wanted, group in groupby(cells, key=itemgetter(1)):
            yield _turn(look, wanted)
            yield "".join([character for character, _ in group])
            look = wanted
    yield _turn(look, _PLAIN)


def _put(row: _Row, x: int, cells: _Row) -> None:
    """Overwrite cells of a row; of a wide character that is halved by it a blank remains."""
    stop = x + len(cells)
    for edge, rest in ((x, x - 1), (stop, stop)):
        if 0 < edge < len(row) and (half := row[edge]) is not None and not half[0]:
            row[rest] = (" ", half[1])
    row[x:stop] = cells


def _changes(old: _Row, new: _Row) -> list[tuple[int, int]]:
    """Return where rows differ, as (start, stop), whole characters only; small gaps are bridged."""
    if old == new:
        return []
    if None not in new and not any(old):  # the whole screen anew, which must be quick
        return [(0, len(new))]
    runs: list[tuple[int, int]] = []
    for x, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            start, stop = x, x + 1
            while start > 0 and _is_half(old[start], new[start]):
                start -= 1
            while stop < len(new) and _is_half(old[stop], new[stop]):
                stop += 1
            if runs and start - runs[-1][1] <= _GAP and None not in new[runs[-1][1] : start]:
                runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
            else:
                runs.append((start, stop))
    return runs


def _is_half(*cells: _Cell | None) -> bool:
    """Tell whether one of these is the second half of a wide character."""
    return any(cell is not None and not cell[0] for cell in cells)
