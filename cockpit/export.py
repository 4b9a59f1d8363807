"""Runs as CSV or JSON: one row a run with all of a listing, its recipe and its last figures; or a run's epochs.

What comes from outside is made harmless: no cell commands a terminal, or is a formula to a spreadsheet.
"""

import csv
import io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from cockpit import durable, files, records
from cockpit.errors import CockpitError
from cockpit.recipe import options
from cockpit.status import RunInfo
from cockpit.store import RecordTail, Run

if TYPE_CHECKING:
    from cockpit.series import Series

Table = list[dict[str, Any]]
"""Rows, each with all columns in their order."""

FORMATS = (".csv", ".json")
_LAST = ("train_loss", "train_acc", "val_loss", "val_acc", "lr", "img_per_s")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


def export_runs(rows: Iterable[RunInfo], find: Callable[[RunInfo], Run]) -> Table:
    """Return a row a run: the fields of a listing, of the recipe, and of the last epoch.

    Args:
        rows: The runs.
        find: Returns the folder of one.
    """
    return [_run_row(row, find(row)) for row in rows]


def _run_row(row: RunInfo, run: Run) -> dict[str, Any]:
    own = {
        name: getattr(row, name) for name in row.__struct_fields__ if name not in ("test", "recipe", "ticket", "job")
    }
    scores = {
        f"test_{name}": getattr(row.test, name) if row.test else None for name in ("top1", "top5", "loss", "epoch")
    }
    recipe = {
        option.name: getattr(row.recipe, option.name) if row.recipe else None
        for option in options()
        if option.name not in own
    }
    try:
        epoch = run.tail().epoch
    except CockpitError:
        epoch = None  # `damage` tells of it
    last = {f"last_{name}": getattr(epoch, name) if epoch else None for name in _LAST}
    return own | scores | recipe | last


def export_epochs(run: Run) -> Table:
    """Return a row an epoch of a run: all that is recorded of it, what a resume made void left out."""
    epochs: dict[int, records.Epoch] = {}
    for record in RecordTail(run).read():
        match record:
            case records.Phase(state="running"):
                epochs = {number: epoch for number, epoch in epochs.items() if epoch.step <= record.step}
            case records.Epoch():
                epochs[record.epoch] = record
    return [{"run": run.id} | msgspec.structs.asdict(epochs[number]) for number in sorted(epochs)]


def export_curves(series: "Series") -> Table:
    """Return a row a point of every curve that a run has recorded, by epoch, by step and by training seconds."""
    from cockpit.series.curves import Metric

    table: Table = []
    for metric in get_args(Metric):
        epochs, steps, times = (series.curve(metric, x) for x in ("epoch", "step", "time"))
        for epoch, step, seconds, value in zip(epochs.x, steps.x, times.x, epochs.y, strict=True):
            point = {"metric": metric, "epoch": float(epoch), "step": int(step), "seconds": float(seconds)}
            table.append(point | {"value": float(value)})
    return table


def encode(table: Table, form: str) -> bytes:
    """Return a table as a file of one of `FORMATS` holds it."""
    if form == ".json":
        return msgspec.json.format(msgspec.json.encode(table)) + b"\n"
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if table:
        writer.writerow(table[0])
        writer.writerows([_cell(value) for value in row.values()] for row in table)
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return repr(value) if math.isfinite(value) else ""
        case int():
            return str(value)
        case list() | tuple():
            text = " ".join(map(str, value))
        case _:
            text = str(value)
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def form_of(path: Path) -> str:
    """Return which of `FORMATS` a file's name asks for.

    Raises:
        CockpitError: When it asks for another.
    """
    if path.suffix.lower() not in FORMATS:
        raise CockpitError(f"{path.name!r} ends neither in .csv nor in .json; name a file that does")
    return path.suffix.lower()


def check_free(path: Path) -> None:
    """Raise CockpitError when something of that name is there, or its folder is not."""
    form_of(path)
    if os.path.lexists(path):
        raise CockpitError(f"{path} is there already")
    if not path.parent.is_dir():
        raise CockpitError(f"{path} cannot be written: there is no folder {path.parent}")


def write(path: Path, table: Table, *, replace: bool = False) -> None:
    """Write a table, in the form that the file's name asks for.

    Raises:
        CockpitError: When it is there already and not to be replaced, or cannot be written.
    """
    data = encode(table, form_of(path))
    try:
        if replace and os.path.lexists(path):
            durable.write_atomically(path, data)
            return
        durable.write_new(path, data)
    except FileExistsError:
        raise CockpitError(f"{path} is there already; name another file, or replace it") from None
    except OSError as error:
        raise files.unwritable(path, error) from error


def counted(num: int, noun: str) -> str:
    """Return "1 run" or "1,200 runs"."""
    return f"{num:,} {noun}{'' if num == 1 else 's'}"
