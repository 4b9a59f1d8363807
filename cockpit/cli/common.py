"""What all commands share: the runs folder, JSON on stdout, tables for people, text made harmless."""

import os
import sys
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cockpit.store import RunStore

RUNS_DOC = "Folder of the runs. Default: COCKPIT_RUNS, else ./runs."


class Command(Protocol):
    """One subcommand with its flags."""

    def execute(self) -> int:
        """Do it and return the exit code."""
        ...


def open_store(runs: Path | None) -> RunStore:
    """Return the store that `--runs`, else COCKPIT_RUNS, else ./runs names."""
    return RunStore((runs or Path(os.environ.get("COCKPIT_RUNS") or "runs")).expanduser())


def print_json(value: Any) -> None:
    """Write a value to stdout as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a line of narration to stderr."""
    print(text, file=sys.stderr, flush=True)


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


def printable(text: str) -> str:
    """Return the text with every character that a terminal would act on replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
