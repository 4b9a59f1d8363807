"""The filter language of listings: `model:resnet* val>0.9 status:running,starting -tag:old "two words"`. Pure.

All terms must hold. A bare word stands anywhere in id, status, model, dataset, recipe, note or tags. `field:value`
takes the whole value, `*` and `?` stand for any characters, and a comma means or; in id, note, recipe and detail a
value may stand anywhere. Numbers compare with `>`, `>=`, `<`, `<=`, `:`. A `-` or `!` before a term negates it; quotes
keep blanks together. A run that has no value of a field meets no condition on it; `field:*` asks whether it has one.

An accuracy with a per cent sign is per cent; without, one up to 1 is a fraction and a higher one per cent.
"""

import math
import re
import time
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from cockpit.errors import CockpitError
from cockpit.fields import Field, find_field
from cockpit.status import RunInfo

Test = Callable[[RunInfo], bool]

WORDS = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
"""The terms of a filter."""
_TERM = re.compile(r"(?P<field>[A-Za-z][A-Za-z0-9_-]*)(?P<sign>>=|<=|!=|[:=<>])(?P<value>.*)", re.DOTALL)
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?[smhdw])+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SHOWN = 40
MAX_CHARACTERS = 1_000
"""A longer filter is refused."""


class Query(NamedTuple):
    """A filter that was understood."""

    text: str
    """As it was typed."""
    tests: tuple[Test, ...]
    """All must hold."""
    exact: tuple[tuple[Field, str], ...] = ()
    """The words without wildcards that a field must be, to guess what was meant where none is."""

    def select(self, rows: Iterable[RunInfo]) -> list[RunInfo]:
        """Return the rows that match, in their order."""
        left = [*rows]
        for test in self.tests:
            left = [row for row in left if test(row)]
        return left


def parse(text: str) -> Query:
    """Read a filter; an empty one matches every run.

    Raises:
        CockpitError: When a term cannot be understood; the sentence says which and why.
    """
    if len(text) > MAX_CHARACTERS:
        raise CockpitError(f"the filter has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    tests: list[Test] = []
    exact: list[tuple[Field, str]] = []
    for word in WORDS.findall(text):
        negated = word[0] in "-!" and len(word) > 1
        body = word[1:] if negated else word
        term = _TERM.fullmatch(body)
        if term is None:
            test = _contains(_unquoted(body).lower())
        else:
            field, sign, value = find_field(term["field"]), term["sign"], _unquoted(term["value"])
            if not value.strip(","):
                continue  # it is still being typed
            test = _condition(field, sign, value)
            if field.kind in ("word", "words") and not negated and sign in (":", "=") and not {*"*?,"} & {*value}:
                exact.append((field, value))
        tests.append(_not(test) if negated else test)
    return Query(text, tuple(tests), tuple(exact))


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _not(test: Test) -> Test:
    return lambda row: not test(row)


def _contains(word: str) -> Test:
    def test(row: RunInfo) -> bool:
        text = f"{row.id} {row.status} {row.model} {row.dataset} {row.changes}".lower()
        return word in text or bool(row.note and word in row.note.lower()) or any(word in tag for tag in row.tags)

    return test


def _condition(field: Field, sign: str, value: str) -> Test:
    if sign == "!=":
        return _not(_condition(field, ":", value))
    get = field.value
    if field.kind in ("word", "words", "text", "switch"):
        if sign not in (":", "="):
            raise CockpitError(f"{field.name} is no number; write {field.name}:{value[:_SHOWN]}")
        return _compare_words(field, value)
    if value == "*" and sign in (":", "="):
        return lambda row: get(row) is not None
    tests = [_compare(field, sign, one) for one in value.split(",") if one]
    return lambda row: (found := get(row)) is not None and any(test(found) for test in tests)


def _compare_words(field: Field, value: str) -> Test:
    get = field.value
    wanted = [one for one in value.lower().split(",") if one]
    if field.kind == "switch":
        if wanted == ["*"]:
            return lambda row: get(row) is not None
        if not {*wanted} <= {"yes", "no"}:
            raise CockpitError(f"{field.name} is yes or no, not {value[:_SHOWN]!r}")
        states = {one == "yes" for one in wanted}
        return lambda row: get(row) in states
    anywhere = field.kind == "text"
    patterns = [re.compile(_regex(one, anywhere=anywhere), re.DOTALL) for one in wanted if {*one} & {*"*?"}]
    words = frozenset(one for one in wanted if not {*one} & {*"*?"})

    def fits(found: str) -> bool:
        found = found.lower()
        if any(word in found for word in words) if anywhere else found in words:
            return True
        return any(pattern.fullmatch(found) for pattern in patterns)

    if field.kind == "words":
        return lambda row: any(fits(found) for found in get(row))
    return lambda row: (found := get(row)) is not None and fits(found)


def _regex(pattern: str, *, anywhere: bool) -> str:
    """Return a pattern with wildcards as a regular expression that never looks back, however many stars there are."""
    parts = re.sub(r"\*+", "*", f"*{pattern}*" if anywhere else pattern).split("*")
    one_each = [re.escape(part).replace(r"\?", ".") for part in parts]
    return "".join(
        [one_each[0], *(f"(?>.*?{part})" for part in one_each[1:-1]), *(f".*{part}" for part in one_each[1:][-1:])]
    )


def _compare(field: Field, sign: str, text: str) -> Callable[[Any], bool]:
    """Return whether a value meets `sign text`; equal is within rounding, and a day or a month is all of it."""
    low, high = _READERS[field.kind](field.name, text)
    match sign:
        case ">":
            return lambda value: value > high
        case ">=":
            return lambda value: value >= low
        case "<":
            return lambda value: value < low
        case "<=":
            return lambda value: value <= high
    slack = 1e-9 * abs(low) if field.kind in ("number", "share") else 0.0
    return lambda value: low - slack <= value <= high + slack


def _number(name: str, text: str) -> tuple[float, float]:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CockpitError(f"{name} is a number, and {text[:_SHOWN]!r} is none")
    return value, value


def _share(name: str, text: str) -> tuple[float, float]:
    try:
        value, _ = _number(name, text.removesuffix("%"))
    except CockpitError:
        raise CockpitError(f"{name} is an accuracy, and {text[:_SHOWN]!r} is none; write 0.9 or 90%") from None
    share = value / 100 if text.endswith("%") or value > 1 else value
    if not 0 <= share <= 1:
        raise CockpitError(f"{name} is an accuracy, from 0 to 100 %, and {text[:_SHOWN]!r} is not")
    return share, share


def _seconds(name: str, text: str) -> tuple[float, float]:
    if not _DURATION.fullmatch(text.lower()):
        raise CockpitError(f"{name} is a duration, and {text[:_SHOWN]!r} is none; write 90s, 30m, 2h, 1h30m, 3d or 1w")
    value = sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(text.lower()))
    return value, value


def _moment(name: str, text: str) -> tuple[float, float]:
    """Return the first and the last second of a day, a month, a year, or a minute, in local time."""
    word = text.lower()
    try:
        if word in ("today", "yesterday"):
            day = date.today() - timedelta(days=word == "yesterday")
            return _whole(datetime(day.year, day.month, day.day), days=1)
        if re.fullmatch(r"\d{4}", word):
            return _whole(datetime(int(word), 1, 1), until=datetime(int(word) + 1, 1, 1))
        if re.fullmatch(r"\d{4}-\d\d", word):
            first = datetime.fromisoformat(f"{word}-01")
            return _whole(first, until=(first + timedelta(days=31)).replace(day=1))
        if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            return _whole(datetime.fromisoformat(word), days=1)
        if re.fullmatch(r"\d{4}-\d\d-\d\dt\d\d:\d\d", word):
            return _whole(datetime.fromisoformat(word), minutes=1)
    except (ValueError, OverflowError, OSError):
        pass
    raise CockpitError(f"{name} is a day, and {text[:_SHOWN]!r} is none; write 2026-11-20, 2026-11, today or yesterday")


def _whole(begin: datetime, *, days: int = 0, minutes: int = 0, until: datetime | None = None) -> tuple[float, float]:
    end = until or begin + timedelta(days=days, minutes=minutes)
    return time.mktime(begin.timetuple()), math.nextafter(time.mktime(end.timetuple()), 0)


_READERS: dict[str, Callable[[str, str], tuple[float, float]]] = {
    "number": _number,
    "share": _share,
    "seconds": _seconds,
    "moment": _moment,
}
