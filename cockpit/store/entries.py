"""The small files of a run, read whole: entries a line, or one document; `noun` and `remedy` speak of damaged ones."""

import contextlib
from pathlib import Path
from typing import TypeVar

import msgspec

from cockpit import durable, files, records
from cockpit.errors import CockpitError
from cockpit.lines import LineWriter

Document = TypeVar("Document")


def read_entries(path: Path, kind: type[Document], noun: str, remedy: str) -> list[Document]:
    """Return the whole lines of a file, the oldest first; damaged ones are passed over, and there need be no file.

    Raises:
        CockpitError: When it cannot be read, or no line of it is of that kind.
    """
    try:
        *lines, _torn = files.read_whole(path, files.LAUNCHES_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise files.unreadable(path, error) from error
    entries = []
    for line in lines:
        with contextlib.suppress(*records.UNREADABLE):
            entries.append(msgspec.json.decode(line, type=kind))
    if lines and not entries:
        raise CockpitError(f"{path} is damaged: no line of it is {noun}; {remedy}")
    return entries


def append_entry(path: Path, entry: msgspec.Struct) -> None:
    """Add a line to a file and see it onto the disk.

    Raises:
        CockpitError: When it cannot be written.
    """
    try:
        with LineWriter(path) as file:
            file.append(records.encode(entry))
            file.sync()
    except OSError as error:
        raise files.unwritable(path, error) from error


def read_document(path: Path, kind: type[Document], noun: str, remedy: str) -> Document | None:
    """Return what a file of one document holds, or None when there is no file.

    Raises:
        CockpitError: When it cannot be read, or is not of that kind.
    """
    try:
        return msgspec.json.decode(files.read_whole(path, files.DOCUMENT_BYTES), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.unreadable(path, error) from error
    except records.UNREADABLE as error:
        raise CockpitError(f"{path} is not {noun} ({error}); {remedy}") from error


def write_document(path: Path, document: msgspec.Struct) -> None:
    """Replace a file of one document in one step."""
    durable.write_atomically(path, msgspec.json.format(msgspec.json.encode(document)) + b"\n")
