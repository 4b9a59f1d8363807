"""Pictures in any terminal: two pixels a cell, the upper one as the colour of a half block, the lower behind it."""

from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    import numpy as np

_UPPER_HALF = "▀"


def picture_strips(image: "np.ndarray", width: int, height: int) -> list[Strip]:
    """Return the rows of a picture that fills `width` x `height` cells.

    Args:
        image: (H, W, 3) uint8, RGB. It is resampled by its nearest pixels, which keeps pixels square to the eye where
            `width` is twice `height`.
        width: Cells of a row, which is as many pixels.
        height: Rows, each of two pixels.
    """
    import numpy as np

    rows = (np.arange(2 * height) * image.shape[0]) // (2 * height)
    columns = (np.arange(width) * image.shape[1]) // width
    pixels = image[rows][:, columns].tolist()
    return [
        Strip([_cell(upper, lower) for upper, lower in zip(pixels[row], pixels[row + 1], strict=True)], width)
        for row in range(0, 2 * height, 2)
    ]


def _cell(upper: list[int], lower: list[int]) -> Segment:
    return Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))


class Picture(Widget):
    """Shows a picture over the whole of its size, or nothing."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Picture { width: 16; height: 8; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Begin without a picture."""
        super().__init__(id=id, classes=classes)
        self._image: np.ndarray | None = None
        self._strips: list[Strip] = []

    def show(self, image: "np.ndarray | None") -> None:
        """Show a picture, (H, W, 3) uint8 RGB, or none."""
        self._image = image
        self._draw()

    def _on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        seen = self._image is not None and width > 0 and height > 0
        strips = picture_strips(self._image, width, height) if seen and self._image is not None else []
        if strips != self._strips:
            self._strips = strips
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a row of the picture."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)
