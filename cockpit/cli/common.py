"""What all commands share: the runs folder, JSON on stdout, tables for people, text made harmless."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cockpit.errors import CockpitError
from cockpit.store import RunStore

_UNSURE = re.compile(r"[^\n -~]")
"""What may be unprintable; all else of ASCII is not."""
MAX_CHARACTERS = 2_000
"""Text from outside is cut here; no sentence of ours is longer."""
RUNS_DOC = "Folder of the runs. Default: COCKPIT_RUNS, else ./runs."
LOW_BANDWIDTH_DOC = "Look every 4 s, so that a live run writes 0.2 kB/s. COCKPIT_LOW_BANDWIDTH=1 does the same."


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


def percent(fraction: float | None) -> str:
    """Return a fraction for people, empty when there is none."""
    return "" if fraction is None else f"{fraction:.2%}"


def duration(seconds: float) -> str:
    """Return a duration as 48 s, 12:05 or 3:02:09."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def print_table(columns: list[str], rows: list[list[str]], *, right: tuple[int, ...] = ()) -> None:
    """Write a table to stdout; cells are shown literally, whatever is in them."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


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
