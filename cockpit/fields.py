"""What a run can be found, sorted and exported by: a name, a kind of value, and how it is had from a row."""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from cockpit.errors import unknown
from cockpit.numerals import whole
from cockpit.recipe import options
from cockpit.status import RunInfo

Kind = Literal["word", "words", "text", "number", "share", "seconds", "moment", "switch"]
"""word: one of some names; words: several of them; text: looked into; share: an accuracy, 0-1; seconds: a duration;
moment: unix seconds; switch: yes or no."""


class Field(NamedTuple):
    """One field."""

    name: str
    """As the filter and `--sort` take it."""
    kind: Kind
    """What its values are."""
    value: Callable[[RunInfo], Any]
    """Of a row; None where it has none."""
    doc: str
    """A few words."""
    descends: bool = False
    """Whether the highest come first."""


def _age(row: RunInfo) -> float | None:
    return None if row.launched is None else time.time() - row.launched


def _test(row: RunInfo, name: str) -> float | None:
    return getattr(row.test, name) if row.test else None


def _job_number(row: RunInfo) -> int | None:
    return whole(row.job.id) if row.job else None


def _job(row: RunInfo, name: str) -> str | None:
    return getattr(row.job, name) or None if row.job else None


_OWN = (
    Field("id", "text", lambda row: row.id, "the run's name", True),
    Field("status", "word", lambda row: row.status, "created, waiting, running, finished, failed…"),
    Field("model", "word", lambda row: row.model, "the network"),
    Field("dataset", "word", lambda row: row.dataset, "the dataset"),
    Field("tag", "words", lambda row: row.tags, "your tags"),
    Field("note", "text", lambda row: row.note or None, "your note"),
    Field("val", "share", lambda row: row.best_val_acc, "best validation top-1", True),
    Field(
        "test", "share", lambda row: _test(row, "top1"), "test top-1, of the best checkpoint or an earlier one", True
    ),
    Field("top5", "share", lambda row: _test(row, "top5"), "test top-5", True),
    Field("loss", "number", lambda row: _test(row, "loss"), "loss of the test"),
    Field("epoch", "number", lambda row: row.epoch, "epochs done", True),
    Field("epochs", "number", lambda row: row.epochs or None, "epochs planned", True),
    Field("at", "number", lambda row: row.best_epoch, "epoch of the best checkpoint", True),
    Field("took", "seconds", lambda row: row.elapsed_s or None, "training time", True),
    Field("age", "seconds", _age, "time since the launch"),
    Field("started", "moment", lambda row: row.launched, "day of the newest launch", True),
    Field("recipe", "text", lambda row: row.changes or None, "what the recipe changes"),
    Field("job", "number", _job_number, "number of its Slurm job", True),
    Field("node", "word", lambda row: _job(row, "node"), "where that runs"),
    Field("reason", "word", lambda row: _job(row, "reason"), "why it waits, in Slurm's word"),
    Field("detail", "text", lambda row: row.detail or None, "why it failed or waits"),
)
_KINDS: dict[type, Kind] = {str: "word", int: "number", float: "number", bool: "switch"}


@functools.cache
def fields() -> dict[str, Field]:
    """Return all fields by name: those of a listing, then those of the recipe."""
    own = {field.name: field for field in _OWN}
    return own | {
        option.name: _recipe_field(option.name, option.kind) for option in options() if option.name not in own
    }


def _recipe_field(name: str, kind: type) -> Field:
    def value(row: RunInfo) -> Any:
        return getattr(row.recipe, name) if row.recipe else None

    return Field(name, _KINDS[kind], value, "of the recipe")


def find_field(name: str) -> Field:
    """Return the field of a name; `batch-size` is batch_size.

    Raises:
        CockpitError: When there is none; the nearest ones are named.
    """
    known = fields()
    field = known.get(name.lower().replace("-", "_"))
    if field is None:
        raise unknown("field", name, known, "cockpit runs fields")
    return field


def sort_rows(rows: Iterable[RunInfo], name: str, *, reverse: bool = False) -> list[RunInfo]:
    """Return rows in the order of a field: numbers from the highest, words from a to z; equal ones as they came.

    Args:
        rows: The rows, the newest first.
        name: A field; empty leaves them as they are.
        reverse: The other way round; rows without a value are last all the same.

    Raises:
        CockpitError: When there is no such field.
    """
    if not name:
        return [*rows][::-1] if reverse else [*rows]
    field = find_field(name)
    valued = [(field.value(row), row) for row in rows]
    with_value = [(value, row) for value, row in valued if value not in (None, ())]
    if field.kind in ("word", "words", "text"):
        with_value = [(_folded(value), row) for value, row in with_value]
    with_value.sort(key=lambda pair: pair[0], reverse=field.descends != reverse)
    return [row for _, row in with_value] + [row for value, row in valued if value in (None, ())]


def _folded(value: str | tuple[str, ...]) -> str:
    return value.lower() if isinstance(value, str) else " ".join(value)


def check_sort(name: str) -> str:
    """Return the name of a field to sort by, as it is spelt.

    Raises:
        CockpitError: When there is no such field.
    """
    return find_field(name).name if name else ""
