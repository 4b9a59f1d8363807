"""What all commands share: the runs folder, JSON on stdout, tables for people, text made harmless."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from rich.cells import cell_len, set_cell_size

from cockpit.errors import CockpitError
from cockpit.status import OUTDATED, TestScores
from cockpit.store import RunStore

_UNSURE = re.compile(r"[^\n -~]")
"""What may be unprintable; all else of ASCII is not."""
MAX_CHARACTERS = 2_000
"""Text from outside is cut here; no sentence of ours is longer."""
_COLUMN_GAP = 2
"""Cells between two columns of a table."""
_LEAST_CUT = 16
"""Cells to which a column of a table may be cut."""
RUNS_DOC = "Folder of the runs. Default: COCKPIT_RUNS, else ./runs."
LOW_BANDWIDTH_DOC = "Look every 4 s, so that a live run writes 0.2 kB/s. COCKPIT_LOW_BANDWIDTH=1 does the same."


class Tested(Protocol):
    """What is shown of the test of a run."""

    @property
    def id(self) -> str:
        """The run."""
        ...

    @property
    def test(self) -> TestScores | None:
        """The newest test."""
        ...

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best checkpoint."""
        ...


class Command(Protocol):
    """One subcommand with its flags."""

    def execute(self) -> int:
        """Do it and return the exit code."""
        ...


def open_store(runs: Path | None) -> RunStore:
    """Return the store that `--runs`, else COCKPIT_RUNS, else ./runs names.

    Raises:
        CockpitError: When the folder's path is not UTF-8, as the records and JSON of its runs must be.
    """
    root = Path(os.path.expanduser(runs or os.environ.get("COCKPIT_RUNS") or "runs"))
    try:
        str(root.absolute()).encode()
    except UnicodeEncodeError:
        raise CockpitError(f"the folder {str(root)!r} is not named in UTF-8; choose another with --runs") from None
    return RunStore(root)


def print_json(value: Any) -> None:
    """Write a value to stdout as indented JSON; what a terminal would act on is escaped, which JSON reads back."""
    text = msgspec.json.format(msgspec.json.encode(value)).decode()
    sys.stdout.write(_UNSURE.sub(_escape, text) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Write a value to stdout as one line of JSON, for who reads lines as they come."""
    sys.stdout.write(_UNSURE.sub(_escape, msgspec.json.encode(value).decode()) + "\n")
    sys.stdout.flush()


def _escape(char: re.Match[str]) -> str:
    return char[0] if char[0].isprintable() else json.dumps(char[0])[1:-1]


def show(line: str) -> None:
    """Write a line for people to stdout, shown literally."""
    print(printable(line), flush=True)  # in a pipe, too, a line is of use when it comes


def say(line: str) -> None:
    """Write a line of narration to stderr, shown literally."""
    print(printable(line), file=sys.stderr, flush=True)


def go_on_telling(tell: Callable[[str], None], line: str) -> None:
    """Tell a line by `show` or `say` in the midst of a work that is done to its end, whether anybody reads or not."""
    try:
        tell(line)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stdout if tell is show else sys.stderr).fileno())


def percent(fraction: float | None) -> str:
    """Return a fraction for people, empty when there is none."""
    return "" if fraction is None else f"{fraction:.2%}"


def tested(row: Tested, name: str) -> str:
    """Return an accuracy of a run's test for people, with a sign when that was of another checkpoint than the best."""
    if row.test is None:
        return ""
    return percent(getattr(row.test, name)) + (OUTDATED if row.test.is_outdated(row.best_epoch) else "")


def say_outdated(rows: Sequence[Tested]) -> None:
    """Tell what the sign beside a test means, when it is there."""
    for row in rows:
        if row.test and row.test.is_outdated(row.best_epoch):
            say(f"{OUTDATED} tested before there was a better checkpoint; `cockpit test {row.id}` tests that")
            return


def duration(seconds: float) -> str:
    """Return a duration as 48 s, 12:05 or 3:02:09."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def print_table(
    columns: list[str],
    rows: list[list[str]],
    *,
    right: tuple[int, ...] = (),
    order: Sequence[str] = (),
    cut: Sequence[str] = (),
) -> None:
    """Write a table to stdout, a line a row; cells are shown literally, whatever is in them.

    In a terminal that is too narrow the least important columns are left out; in a pipe or a file there are all.

    Args:
        columns: The titles.
        rows: Their cells.
        right: Places of the columns that are aligned at their right ends.
        order: Titles, the most important first; the other columns come after them, from left to right. The first is
            there however narrow the terminal is.
        cut: Titles of those that are rather cut than left out.
    """
    texts = [[printable(cell) for cell in row] for row in rows]
    natural = [max(map(cell_len, column)) for column in zip(columns, *texts, strict=True)]
    terminal = sys.stdout.isatty()
    room = shutil.get_terminal_size().columns
    widths = _fitting(columns, natural, room, order, cut) if terminal else dict(enumerate(natural))

    def line(cells: list[str]) -> str:
        padded = [_fit(cells[place], width, right=place in right) for place, width in sorted(widths.items())]
        return (" " * _COLUMN_GAP).join(padded).rstrip()

    head = line(columns)
    if terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        head = f"\x1b[1m{head}\x1b[0m"
    rule = "─" * (sum(widths.values()) + _COLUMN_GAP * (len(widths) - 1))
    print("", head, rule, *map(line, texts), "", sep="\n", flush=True)
    left_out = [column for place, column in enumerate(columns) if place not in widths]
    if left_out:
        say(f"no room for {', '.join(left_out)} (`| less -S` shows all)")


def _fit(text: str, width: int, *, right: bool) -> str:
    """Cut or pad a text to so many cells. (rich's own table takes a millisecond a row.)"""
    missing = width - cell_len(text)
    if missing < 0:
        return set_cell_size(text, width - 1) + "…"
    return " " * missing + text if right else text + " " * missing


def _fitting(
    columns: list[str], natural: list[int], room: int, order: Sequence[str], cut: Sequence[str]
) -> dict[int, int]:
    """Return the places of the columns that fit into so many cells, with the width of each."""

    def rank(place: int) -> int:
        return order.index(columns[place]) if columns[place] in order else len(order) + place

    room += _COLUMN_GAP
    widths: dict[int, int] = {}
    for place in sorted(range(len(columns)), key=rank):
        least = min(natural[place], _LEAST_CUT) if columns[place] in cut else natural[place]
        if not widths or least + _COLUMN_GAP <= room:
            widths[place] = least
            room -= least + _COLUMN_GAP
    for place in sorted(widths, key=rank):  # what is left over goes to those that were cut
        more = min(natural[place] - widths[place], max(0, room))
        widths[place] += more
        room -= more
    return widths


def print_facts(facts: list[tuple[str, str]]) -> None:
    """Write names and values to stdout, a line each; the values are shown literally."""
    width = max(len(name) for name, _ in facts) + 1
    for name, value in facts:
        print(f"{name:>{width}}  {printable(value)}")


def printable(text: str) -> str:
    """Return the text as one line, cut if it is long, with every character that a terminal would act on replaced.

    All that the command line prints, from outside or not, passes through here, but for JSON.
    """
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:MAX_CHARACTERS])
    return line if len(text) <= MAX_CHARACTERS else line[:-1] + "…"
