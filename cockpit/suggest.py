"""What a filter that is still being typed may become: its completion, its hint, and what it finds meanwhile."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cockpit.errors import CockpitError
from cockpit.fields import Field, fields
from cockpit.query import WORDS, parse
from cockpit.status import RunInfo


class Found(NamedTuple):
    """What a filter that may still be being typed finds."""

    rows: list[RunInfo]
    """The rows, in their order."""
    meant: str = ""
    """The filter that was taken for what is meant, because none is found by the one that was typed."""


def search(text: str, rows: Sequence[RunInfo], *, typing: bool = True) -> Found:
    """Return the rows that match a filter as a person types it.

    Where nothing matches, a value may be the beginning of one that some run has, and the last word that of a field's
    name.

    Args:
        text: The filter.
        rows: All rows.
        typing: Whether the last word may go on.

    Raises:
        CockpitError: When a term cannot be understood.
    """
    query = parse(text)
    found = query.select(rows)
    if found:
        return Found(found)
    *before, last = WORDS.findall(text) or [""]
    begun = last.lower().lstrip("-!")
    if typing and begun and text.endswith(last) and any(name.startswith(begun) for name in fields()):
        shorter = search(" ".join(before), rows)
        return Found(shorter.rows, shorter.meant or " ".join(before))
    for field, value in query.exact:
        values = {value for row in rows for value in _words_of(field, row)}
        wanted = value.lower()
        if wanted not in values and any(known.startswith(wanted) for known in values):
            longer = re.sub(rf"(?i)\b({field.name}[:=]){re.escape(value)}(?=\s|$)", rf"\g<1>{value}*", text)
            return Found(parse(longer).select(rows), longer) if longer != text else Found([])
    return Found([])


def understood(text: str) -> str:
    """Return a filter without the terms that cannot be understood."""
    return " ".join(word for word in WORDS.findall(text) if _is_understood(word))


def _is_understood(word: str) -> bool:
    try:
        parse(word)
    except CockpitError:
        return False
    return True


def complete(text: str, rows: Iterable[RunInfo]) -> str:
    """Return the text with its last word completed, to the name of a field or to a value that some run has.

    Empty when there is nothing to complete.
    """
    begun, last = re.fullmatch(r"(.*?)([^\s]*)", text, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
    signless = last.lstrip("-!")
    begun += last[: len(last) - len(signless)]
    name, colon, value = signless.partition(":")
    if not name or '"' in last:
        return ""
    if not colon:
        found = next((known for known in fields() if known.startswith(name) and len(name) > 1), "")
        return f"{begun}{found}:" if found else ""
    field = fields().get(name.lower().replace("-", "_"))
    *others, value = value.split(",")
    if field is None or field.kind not in ("word", "words") or not value:
        return ""
    values = sorted({known for row in rows for known in _words_of(field, row) if known.startswith(value.lower())})
    return f"{begun}{name}:{','.join([*others, values[0]])}" if values and values[0] != value else ""


_FORMS = {
    "number": "{0}>1  {0}<=1  {0}:1",
    "share": "{0}>90%  {0}>=0.9",
    "seconds": "{0}>2h  {0}<30m  {0}<3d",
    "moment": "{0}:today  {0}>2026-11-20  {0}:2026-11",
    "switch": "{0}:yes  {0}:no",
    "text": "{0}:word  {0}:a*b",
}


def form(field: Field) -> str:
    """Return examples of conditions on a field."""
    return _FORMS.get(field.kind, "{0}:a  {0}:a*  {0}:a,b").format(field.name)


def hint(text: str, rows: Iterable[RunInfo]) -> str:
    """Return what can be typed now: the values or the form of the field that the last word is about, or nothing."""
    last = re.split(r"\s", text)[-1].lstrip("-!")
    name = re.match(r"[A-Za-z][A-Za-z0-9_-]*", last)
    field = name and fields().get(name[0].lower().replace("-", "_"))
    if not field:
        begun = [known for known in fields() if last and known.startswith(last.lower())]
        return f"fields: {'  '.join(begun[:8])}" if begun else ""
    if field.kind not in ("word", "words"):
        return f"{field.name}: {field.doc}  {form(field)}"
    values = sorted({value for row in rows for value in _words_of(field, row)})
    shown = f"{'  '.join(values[:12])}{'  …' if len(values) > 12 else ''}"
    return f"{field.name}: {shown or field.doc}"


def _words_of(field: Field, row: RunInfo) -> list[str]:
    value = field.value(row)
    return [word.lower() for word in ([value] if isinstance(value, str) else value or ())]
