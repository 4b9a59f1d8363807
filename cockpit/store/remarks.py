"""What the user says of a run: a note and tags. Only these are the user's in a run folder; all else is the trainer's.

The last to write wins. A reader sees the old remarks or the new ones, never a mixture.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from cockpit import files
from cockpit.errors import CockpitError
from cockpit.store.entries import read_document, write_document

MAX_NOTE = 2_000
"""Characters of a note."""
MAX_TAGS = 32
"""Tags of a run."""
_TAG = r"[a-z0-9_-]{1,32}"
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

Tag = Annotated[str, msgspec.Meta(pattern=rf"^{_TAG}\Z", max_length=32)]


class Remarks(msgspec.Struct, frozen=True, kw_only=True):
    """What user.json holds."""

    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE)] = ""
    """One line of text."""
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=MAX_TAGS)] = ()
    """Words to find it by, sorted."""


NO_REMARKS = Remarks()


def read_remarks(path: Path) -> Remarks:
    """Return what a file of remarks holds; there need be none.

    Raises:
        CockpitError: When it cannot be read, or holds no remarks.
    """
    return read_document(path, Remarks, "a note and tags", "move it away, then write them again") or NO_REMARKS


def write_remarks(path: Path, remarks: Remarks) -> None:
    """Replace the remarks of a run in one step.

    Raises:
        CockpitError: When they cannot be written.
    """
    try:
        try:
            write_document(path, remarks)
        except FileNotFoundError:  # a trainer that begins just now sweeps what it takes for leftovers of saves
            write_document(path, remarks)
    except OSError as error:
        raise files.unwritable(path, error) from error


def check_note(text: str) -> str:
    """Return a note as it is kept: one line, without characters that draw nothing.

    Raises:
        CockpitError: When it is too long.
    """
    line = " ".join(text.split())
    note = "".join(character for character in line if unicodedata.category(character) not in _UNSEEN)
    if len(note) > MAX_NOTE:
        raise CockpitError(f"the note has {len(note):,} characters; at most {MAX_NOTE:,} are kept, so shorten it")
    return note


def check_tags(words: Iterable[str]) -> tuple[str, ...]:
    """Return tags as they are kept: small letters, sorted, each once.

    Raises:
        CockpitError: When one is no tag, or there are too many.
    """
    tags = {word.lower() for word in words}
    for tag in sorted(tags):
        if not re.fullmatch(_TAG, tag):
            raise CockpitError(f"{tag[:40]!r} is no tag; write up to 32 of the characters a-z, 0-9, _ and -")
    if len(tags) > MAX_TAGS:
        raise CockpitError(f"that makes {len(tags)} tags; a run has at most {MAX_TAGS}, so take some away")
    return tuple(sorted(tags))


def change_tags(tags: Iterable[str], words: Iterable[str]) -> tuple[str, ...]:
    """Return tags changed by words: `x` or `+x` adds one, `-x` takes one away, and so does `!x`.

    Raises:
        CockpitError: When one is no tag, or there are too many.
    """
    left = set(tags)
    for word in words:
        (tag,) = check_tags([word[1:] if word[:1] in ("+", "-", "!") else word])
        left = left - {tag} if word[0] in "-!" else left | {tag}
    return check_tags(left)
