"""The columns of a table: what stands in them, how wide, and which of them fit."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len

from cockpit.jobs import span
from cockpit.status import LIVE, OUTDATED, RunInfo
from cockpit.tui.text import NO_VALUE, cells, day_and_time, duration, percent, plain, status_word
from nets.catalog import MODELS

_MOST = 100
"""Characters of a name that is cut in its middle."""
GAP = 2
"""Columns of the screen between two columns of the table, half of it on either side."""


class Column(NamedTuple):
    """One column."""

    title: str
    """In the header."""
    width: int
    """Characters."""
    rank: int
    """The columns of the lowest ranks are shown, as many as fit."""
    text: Callable[[Any], str]
    """What stands in a row."""
    right: bool = True
    """Whether it is aligned at its right end."""
    most: int = 0
    """Characters it grows to where there is room."""
    field: str = ""
    """What the rows are sorted by in it, see `cockpit.fields`; empty when they cannot be."""
    optional: bool = False
    """Whether it is left out while it is empty in every row."""
    tail: int = 0
    """Characters of the end that stay where a text is cut, for names that differ there."""

    def head(self, arrow: str) -> str:
        """Return the header, with an arrow behind the title of the column that the rows are sorted by."""
        if arrow and self.right:
            return f" {self.title:>{self.width}}{arrow}"  # in the gap
        return self.fit(self.title + arrow)

    def fit(self, text: str) -> str:
        """Cut or pad a text to the column's width, the gap on both sides included."""
        whole = plain(text, _MOST) if self.tail else ""
        if len(whole) > self.width and whole.isascii():
            text = f"{whole[: self.width - self.tail - 1]}…{whole[-self.tail :]}"
        text = cells(text, self.width)
        padding = " " * (self.width - cell_len(text))
        return " " + (padding + text if self.right else text + padding) + " "


def _test(row: RunInfo, name: str) -> str:
    if row.test and row.test.is_outdated(row.best_epoch):
        return percent(getattr(row.test, name)) + OUTDATED
    return _marked(row, getattr(row.test, name) if row.test else None)


def _marked(row: RunInfo, accuracy: float | None) -> str:
    """Return per cent, marked when not by the seed's recipe, so that nobody sets it beside the published ones."""
    return percent(accuracy) + ("*" if row.changes and accuracy is not None else " ")


def _took(row: RunInfo) -> str:
    """Return the training time; of a live run in minutes, because seconds would be painted again all the time."""
    return f"{row.elapsed_s // 60:.0f} min" if row.status in LIVE else duration(None if row.source else row.elapsed_s)


def _epoch(row: RunInfo) -> str:
    """Return the epochs done and planned; of weights from elsewhere their file, which tells them apart."""
    return row.source if row.status == "imported" else f"{row.epoch}/{row.epochs}"


def _job(row: RunInfo) -> str:
    """Return the number of a run's job that Slurm has yet, and why it waits or where it is and how long."""
    job = row.job
    if job is None or not job.state:
        return ""
    if not job.node:
        return f"{job.id} {job.reason or job.state}"
    return f"{job.id} {job.node} {span(job.elapsed_s)}"


_MODEL = Column("model", 11, 1, lambda row: row.model, right=False, most=max(map(len, MODELS)), field="model", tail=7)
RUN_COLUMNS = (
    Column("status", 10, 0, lambda row: status_word(row.status), right=False, field="status"),
    _MODEL,
    Column("dataset", 8, 2, lambda row: row.dataset, right=False, field="dataset"),
    Column("epoch", 7, 3, _epoch, field="epoch"),
    Column("val %", 6, 4, lambda row: _marked(row, row.best_val_acc), field="val"),
    Column("job", 18, 5, _job, right=False, most=32, field="job", optional=True),
    Column("at", 4, 7, lambda row: str(row.best_epoch or NO_VALUE), field="at"),
    Column("test %", 6, 6, lambda row: _test(row, "top1"), field="test"),
    Column("top-5 %", 7, 10, lambda row: _test(row, "top5"), field="top5"),
    Column("started", 11, 8, lambda row: day_and_time(row.launched), field="started"),
    Column("took", 7, 9, _took, field="took"),
    Column("tags", 14, 11, lambda row: " ".join(row.tags), right=False, field="tag", optional=True),
    Column("recipe", 36, 12, lambda row: row.changes or "the seed's", right=False, field="recipe"),
    Column("note", 24, 13, lambda row: row.note, right=False, most=60, field="note", optional=True),
    Column("run", 40, 14, lambda row: row.id, right=False, field="id"),
)
"""All columns, in their order."""


def fitting(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """Return the columns that fit into so many cells of the screen, grown where there is room."""
    shown = set()
    for column in sorted(columns, key=lambda column: column.rank):
        width -= column.width + GAP
        if width < 0:
            width += column.width + GAP
            break
        shown.add(column.title)
    fitting: list[Column] = []
    for column in columns:
        if column.title in shown:
            more = max(0, min(column.most - column.width, width))
            width -= more
            fitting.append(column._replace(width=column.width + more))
    return tuple(fitting)
