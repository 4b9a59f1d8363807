"""The worst mistakes of a test as pictures: one with all that is known of it, and small ones where there is room."""

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.tui import report_views as views
from cockpit.tui.pictures import Picture
from cockpit.tui.text import plain, words

if TYPE_CHECKING:
    from textual import events

    from cockpit.reports import Report

_THUMB_WIDTH, _THUMB_HEIGHT = 18, 11
"""Cells of a small picture of 16 x 8 with its captions and a gap."""
_LARGE_HEIGHT = 16
"""Rows of the large picture: a pixel a cell and a half block."""


class Thumb(Vertical):
    """A small picture over what it was taken for and what it is; a click chooses it."""

    class Chosen(Message):
        """It was clicked."""

        def __init__(self, place: int) -> None:
            """Carry its place among the mistakes."""
            super().__init__()
            self.place = place

    def __init__(self) -> None:
        """Begin without a picture."""
        super().__init__()
        self._place: int | None = None

    def compose(self) -> ComposeResult:
        """Lay out the picture and the captions."""
        yield Picture()
        yield Static(classes="caption")

    def show(self, report: "Report", place: int, *, chosen: bool) -> None:
        """Show a mistake, or nothing behind the last."""
        there = place < len(report.mistakes)
        self._place = place if there else None
        image = report.images[int(report.mistakes[place])] if there and report.images is not None else None
        self.query_one(Picture).show(image)
        text = views.caption(report, place, _THUMB_WIDTH - 2, chosen=chosen) if there else Content("")
        self.query_one(Static).update(text, layout=False)

    def on_click(self) -> None:
        """Choose it."""
        if self._place is not None:
            self.post_message(self.Chosen(self._place))


class Mistakes(Vertical):
    """Shows one mistake large; left and right, from the screen, turn to the others."""

    can_focus = True

    def __init__(self, *, id: str) -> None:
        """Begin without a report."""
        super().__init__(id=id, classes="section")
        self._report: Report | None = None
        self._place = 0
        self._small: list[Thumb] = []
        self._shape = (0, 0)

    def compose(self) -> ComposeResult:
        """Lay out the large picture beside its text, and the small ones below."""
        with Horizontal(id="mistake"):
            yield Picture(id="mistake-picture")
            yield Static(id="mistake-text")
        yield Vertical(id="thumbs")

    async def show(self, report: "Report") -> None:
        """Show the mistakes of a report, from the worst one on."""
        self._report, self._place = report, 0
        await self._lay_out()

    async def turn(self, by: int) -> None:
        """Go to the mistake so many places on, as far as there are any."""
        if self._report is not None and len(self._report.mistakes):
            self._place = min(max(0, self._place + by), len(self._report.mistakes) - 1)
            self._draw()

    async def _on_resize(self, event: "events.Resize") -> None:
        await self._lay_out()

    async def _lay_out(self) -> None:
        """Have as many small pictures as there is room for."""
        report = self._report
        width, height = self.size
        if report is None or not width:
            return
        large = height >= _LARGE_HEIGHT + (0 if width >= 60 else 9)
        picture = self.query_one("#mistake-picture")
        picture.styles.width, picture.styles.height = (32, 16) if large else (16, 8)
        picture.display = report.images is not None
        num_rows = max(0, height - (16 if large else 8)) // _THUMB_HEIGHT if report.images is not None else 0
        num_columns = width // _THUMB_WIDTH
        if num_rows * num_columns < 2:
            num_rows = 0
        if self._shape != (num_rows, num_columns):
            self._shape = (num_rows, num_columns)
            thumbs = self.query_one("#thumbs")
            await thumbs.remove_children()
            self._small = [Thumb() for _ in range(num_rows * num_columns)]
            rows = [self._small[row * num_columns : (row + 1) * num_columns] for row in range(num_rows)]
            await thumbs.mount_all(Horizontal(*row) for row in rows)
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        report = self._report
        if report is None:
            return
        text = self.query_one("#mistake-text", Static)
        if not len(report.mistakes):
            text.update("No image was taken for another class.")
            return
        width = self.size.width - (34 if self.query_one("#mistake-picture").display else 2)
        content = views.mistake(report, self._place, max(24, min(60, width)))
        if report.images is None:
            content = words(content, (plain(report.no_images), "$text-warning"), between="\n\n")
        text.update(content)
        index = int(report.mistakes[self._place])
        self.query_one("#mistake-picture", Picture).show(None if report.images is None else report.images[index])
        page = len(self._small)
        first = self._place // page * page if page else 0
        for place, thumb in enumerate(self._small, first):
            thumb.show(report, place, chosen=place == self._place)

    @on(Thumb.Chosen)
    def _choose(self, event: Thumb.Chosen) -> None:
        self._place = event.place
        self._draw()
