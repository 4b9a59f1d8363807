"""The table beneath overlaid curves: a row a run, as many columns as fit, in the colours of the curves."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from cockpit.compare import Figures
from cockpit.status import OUTDATED
from cockpit.tui.curve_colors import curve_color
from cockpit.tui.dots import sample
from cockpit.tui.text import NO_VALUE, cells, duration, millions, percent, plain, status_word

_GAP = 2
_MAX_WIDTH = 24
"""Cells of a value; the line of the chosen run tells the whole."""


class CompareColumn(NamedTuple):
    """One column."""

    title: str
    """In the header."""
    texts: list[str]
    """What stands in each row."""
    rank: int
    """The columns of the lowest ranks are shown, as many as fit."""

    @property
    def width(self) -> int:
        """Cells, at most `_MAX_WIDTH`."""
        return min(_MAX_WIDTH, max(map(len, (self.title, *self.texts))))


def letter(index: int) -> str:
    """Return what a run is called in legend and table."""
    return "ABCDEFGH"[index]


def compare_columns(
    runs: Sequence[Figures], differing: dict[str, list[str]], here: dict[str, list[str]]
) -> list[CompareColumn]:
    """Return all columns: what is read at the cursor, what differs, what was reached.

    Args:
        runs: What each has reached.
        differing: The fields in which their recipes differ, with each one's value.
        here: What stands at the cursor, by title; empty without a cursor.
    """

    def texts(name: str, shape=percent) -> list[str]:
        return [NO_VALUE if getattr(run, name) is None else shape(getattr(run, name)) for run in runs]

    def test(name: str) -> list[str]:
        return [
            percent(getattr(run.test, name)) + (OUTDATED if run.test.is_outdated(run.best_epoch) else "")
            if run.test
            else NO_VALUE
            for run in runs
        ]

    loss = "{:.3f}".format
    devices = texts("device", lambda name: plain(name, _MAX_WIDTH) or NO_VALUE)
    return [
        *(CompareColumn(title, values, 0) for title, values in here.items()),
        *(CompareColumn(name, values, 3) for name, values in differing.items()),
        CompareColumn("best val", texts("best_val_acc"), 2),
        CompareColumn("at", texts("best_epoch", str), 5),
        CompareColumn("now", texts("final_val_acc"), 7),
        CompareColumn("val loss", texts("final_val_loss", loss), 4),
        CompareColumn("lowest", texts("best_val_loss", loss), 9),
        CompareColumn("test", test("top1"), 1 if any(run.test for run in runs) else 9),
        CompareColumn("top-5", test("top5"), 8),
        CompareColumn("epoch", [f"{run.epoch}/{run.epochs}" if run.epochs else NO_VALUE for run in runs], 6),
        CompareColumn("time", texts("elapsed_s", lambda seconds: duration(seconds or None)), 6),
        CompareColumn("img/s", texts("img_per_s", "{:,.0f}".format), 8),
        *([CompareColumn("device", devices, 6)] if len(set(devices)) > 1 else []),
        CompareColumn("params", texts("params", millions), 10),
        CompareColumn("status", [status_word(run.status) for run in runs], 5),
    ]


class CompareTable(Widget):
    """A row a run, with the chosen one marked."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"compare--header", "compare--chosen"}

    class Chosen(Message):
        """A run was clicked."""

        def __init__(self, place: int) -> None:
            """Carry its place."""
            super().__init__()
            self.place = place

    def __init__(self) -> None:
        """Begin without runs."""
        super().__init__()
        self._columns: list[CompareColumn] = []
        self._colors: list[int] = []
        self._chosen = 0

    def show(self, columns: list[CompareColumn], colors: list[int], chosen: int) -> None:
        """Show these columns; only rows that differ are painted again.

        Args:
            columns: Of equally many rows each.
            colors: The colour and letter of each row, counted from 0.
            chosen: The row that keys act on.
        """
        before = self._texts()
        old_chosen, num_rows = self._chosen, len(self._colors)
        self._columns, self._colors, self._chosen = columns, colors, chosen
        after = self._texts()
        if num_rows != len(colors):
            self.refresh(layout=True)
            return
        for y, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new or (old_chosen != chosen and y - 1 in (old_chosen, chosen)):
                self.refresh(Region(0, y, self.size.width, 1))

    @property
    def shown(self) -> list[str]:
        """The titles of the columns that fit."""
        return [column.title for column in self._fitting()]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return a row a run and the header."""
        return 1 + len(self._colors)

    def render_line(self, y: int) -> Strip:
        """Return the header or a row."""
        texts = self._texts()
        if y >= len(texts):
            return Strip.blank(self.size.width, self.rich_style)
        style = self.rich_style
        if y == 0:
            style = self.get_component_rich_style("compare--header")
        elif y - 1 == self._chosen:
            style = self.get_component_rich_style("compare--chosen")
        mark = style
        if y:
            color = Color.parse(self.app.theme_variables[curve_color(self._colors[y - 1])])
            mark += Style(color=color.rich_color, bold=True)
        strip = Strip([Segment(texts[y][0], mark), Segment(texts[y][1], style)])
        return strip.adjust_cell_length(self.size.width, style)

    def on_click(self, event: events.Click) -> None:
        """Choose the run that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None and 0 < offset.y <= len(self._colors):
            self.post_message(self.Chosen(offset.y - 1))

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def _fitting(self) -> list[CompareColumn]:
        room = self.size.width - len(self._mark(0))
        shown: set[int] = set()
        for index in sorted(range(len(self._columns)), key=lambda index: (self._columns[index].rank, index)):
            room -= self._columns[index].width + _GAP
            if room < -_GAP:
                break
            shown.add(index)
        return [column for index, column in enumerate(self._columns) if index in shown]

    def _mark(self, index: int) -> str:
        """Return what tells whose curve is whose: by its form where there is no colour."""
        return f"{sample(index) if self.app.no_color else '━'} {letter(index)} "

    def _texts(self) -> list[tuple[str, str]]:
        """Return the mark and the rest of each row, the header first."""
        fitting = self._fitting()
        header = "".join(column.title[: column.width].rjust(column.width) + " " * _GAP for column in fitting)
        rows = [("", " " * len(self._mark(0)) + header)]
        for place, color in enumerate(self._colors):
            values = "".join(
                cells(column.texts[place], column.width).rjust(column.width) + " " * _GAP for column in fitting
            )
            rows.append((self._mark(color), values))
        return rows
