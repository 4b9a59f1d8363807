"""Pictures in any terminal: two pixels a cell, the upper one as the colour of a half block, the lower behind it.

Where the terminal speaks kitty's protocol they are sent as they are, see `cockpit.tui.graphics`.
"""

from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from cockpit.tui.graphics import MOST_CELLS, KittyPictures

if TYPE_CHECKING:
    import numpy as np

_UPPER_HALF = "▀"


def picture_strips(image: "np.ndarray", width: int, height: int) -> list[Strip]:
    """Return the rows of a picture that fills `width` x `height` cells.

    Args:
        image: (H, W, 3) uint8, RGB. Where several pixels fit one exactly, their mean is shown, else the nearest. They
            are square to the eye where `width` is twice `height`.
        width: Cells of a row, which is as many pixels.
        height: Rows, each of two pixels.
    """
    import numpy as np

    down, across = image.shape[0] / (2 * height), image.shape[1] / width
    if down.is_integer() and across.is_integer():
        blocks = image.reshape(2 * height, int(down), width, int(across), 3)
        pixels = np.rint(blocks.mean((1, 3))).astype(np.uint8).tolist()
    else:
        rows, columns = (np.arange(2 * height) * down).astype(int), (np.arange(width) * across).astype(int)
        pixels = image[rows][:, columns].tolist()
    return [
        Strip([_cell(upper, lower) for upper, lower in zip(pixels[row], pixels[row + 1], strict=True)], width)
        for row in range(0, 2 * height, 2)
    ]


def _cell(upper: list[int], lower: list[int]) -> Segment:
    return Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))


class Picture(Widget):
    """Shows a picture over the whole of its size, or nothing: in its own pixels where the terminal can."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Picture { width: 16; height: 8; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Begin without a picture."""
        super().__init__(id=id, classes=classes)
        self._image: np.ndarray | None = None
        self._drawn: tuple[np.ndarray | None, int, int, bool] = (None, 0, 0, False)
        self._strips: list[Strip] = []
        self._number: int | None = None

    def show(self, image: "np.ndarray | None") -> None:
        """Show a picture, (H, W, 3) uint8 RGB, or none."""
        self._image = image
        self._draw()

    def on_mount(self) -> None:
        """Draw anew in another theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._draw())

    def on_unmount(self) -> None:
        """Let the terminal forget it."""
        self._forget()

    def _on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        image = self._image if width > 0 and height > 0 else None
        kitty: KittyPictures | None = getattr(self.app, "kitty", None)
        if self.app.no_color:  # a picture's number is a colour
            kitty = None
        if self._is_drawn(image, width, height, kitty is not None):
            return
        self._drawn = (image, width, height, kitty is not None)
        self._forget()
        if image is None:
            strips = []
        elif kitty is not None and max(width, height) <= MOST_CELLS:
            self._number, sent, strips = kitty.make(image, width, height, self.rich_style.bgcolor)
            self._send(sent)
        else:
            strips = picture_strips(image, width, height)
        if strips != self._strips:
            self._strips = strips
            self.refresh()

    def _is_drawn(self, image: "np.ndarray | None", *how: int) -> bool:
        import numpy as np

        drawn, *before = self._drawn
        if image is None or drawn is None:
            return image is drawn
        return before == [*how] and np.array_equal(image, drawn)

    def _forget(self) -> None:
        if self._number is not None:
            self._send(KittyPictures.forget(self._number))
            self._number = None

    def _send(self, words: str) -> None:
        if (driver := self.app._driver) is not None:
            driver.write(words)

    def render_line(self, y: int) -> Strip:
        """Return a row of the picture."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)
