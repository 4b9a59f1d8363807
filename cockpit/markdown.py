"""Markdown of facts that may come from anybody: tables, and text that is shown literally."""

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&!])")
_MAX_CHARACTERS = 500


def table(rows: Iterable[tuple[str, ...]], *heads: str) -> list[str]:
    """Return the lines of a table whose cells are Markdown; nothing when there are no rows."""
    rows = list(rows)
    if not rows:
        return []
    heads = heads or ("",) * len(rows[0])
    return [_row(heads), _row(("---",) * len(heads)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def listed(names: Iterable[str]) -> str:
    """Return names with commas between, literally."""
    return ", ".join(map(plain, names))


def day(unix_s: float) -> str:
    """Return a moment to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_s))


def _line(text: Any) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text)[:_MAX_CHARACTERS])


def plain(text: Any) -> str:
    """Return text of which Markdown makes nothing."""
    return _MARKUP.sub(r"\\\1", _line(text))


def code(text: Any) -> str:
    """Return text as code, in a table too."""
    return f"`{_line(text).replace('`', chr(39)).replace('|', '¦')}`"
