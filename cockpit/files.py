"""Opens files that anybody may have damaged or replaced: only regular ones, without waiting, within a bound.

What is refused is an OSError, whose `strerror` reads well behind "cannot be read: ". All bounds stand here.
"""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from cockpit.errors import CockpitError

DOCUMENT_BYTES = 1 << 20
"""The most of a recipe, a test result or a sidecar; they take a few hundred bytes."""
DATASET_BYTES = 16 << 20
"""The most of a dataset's description: 10,000 class names of 255 letters are a sixth of it."""
LAUNCHES_BYTES = 16 << 20
"""The most of launches.jsonl, some 20,000 launches, and of submissions.jsonl."""
RECORDS_BYTES = 2 << 30
"""The most of metrics.jsonl: five months of a sample every two seconds."""
LINE_BYTES = 1 << 20
"""A longer line is no line; a record takes a few hundred bytes."""
LOG_BYTES = 65_536
"""So much of a log's end is read, whatever its length."""
PREDICTIONS_BYTES = 256 << 20
"""The most of what a network said of each test image: seven million of them; CIFAR's 10,000 take 360 kB."""
CHECKPOINT_BYTES = 16 << 30
"""The most of a checkpoint: that of the largest network in the catalogue, to resume from, is a third of it."""

_KINDS = {
    stat.S_IFDIR: "it is a folder, not a file",
    stat.S_IFIFO: "it is a pipe, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
}


def open_to_read(path: Path, max_bytes: int) -> BinaryIO:
    """Open a regular file, also through a link.

    Raises:
        FileNotFoundError: When there is nothing of that name.
        OSError: When it is something else than a file, is too large or cannot be read.
    """
    return os.fdopen(_open_to_read(path, max_bytes), "rb")


def read_whole(path: Path, max_bytes: int) -> bytes:
    """Return a file's content.

    Raises:
        FileNotFoundError: When there is nothing of that name.
        OSError: When it is something else than a file, is too large or cannot be read.
    """
    with io.FileIO(_open_to_read(path, max_bytes)) as file:
        return file.readall() or b""


def read_end(path: Path, max_bytes: int) -> bytes:
    """Return the end of a file of any length.

    Raises:
        FileNotFoundError: When there is nothing of that name.
        OSError: When it is something else than a file or cannot be read.
    """
    with os.fdopen(_open_to_read(path), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - max_bytes))
        return file.read(max_bytes)


def open_to_append(path: Path) -> int:
    """Open or make a regular file to append to it and return the descriptor; a link is not followed out of the folder.

    Raises:
        OSError: When it is something else than a file or cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o644)
    except OSError as error:
        reason = "it is a link, and nothing is written through links" if os.path.islink(path) else what_is_wrong(path)
        raise _explained(error, path, reason) from None
    _refuse_strange(handle, path)
    os.set_blocking(handle, True)
    return handle


def what_is_wrong(path: Path) -> str:
    """Return why something that is there cannot be a file of ours, "it is a folder" for example, or nothing."""
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "")
    except FileNotFoundError:
        return "it is a link that leads nowhere" if os.path.islink(path) else ""
    except OSError as error:
        return str(error.strerror)


def unreadable(path: Path, error: OSError) -> CockpitError:
    """Build the sentence on a file that cannot be read."""
    return CockpitError(f"{path} cannot be read: {error.strerror}")


def unwritable(path: Path, error: OSError) -> CockpitError:
    """Build the sentence on a file that cannot be written."""
    is_link, reason = os.path.islink(path), what_is_wrong(path)
    remedy = "; move it away" if is_link or reason else ""
    return CockpitError(f"{path} cannot be written: {error.strerror if is_link or not reason else reason}{remedy}")


def _open_to_read(path: Path, max_bytes: int | None = None) -> int:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer
    except OSError as error:
        raise _explained(error, path, what_is_wrong(path)) from None
    _refuse_strange(handle, path, max_bytes)
    return handle


def _explained(error: OSError, path: Path, reason: str) -> OSError:
    return OSError(errno.EINVAL, reason, str(path)) if reason else error


def _refuse_strange(handle: int, path: Path, max_bytes: int | None = None) -> None:
    """Close the file and raise when it is none, or too large."""
    state = os.fstat(handle)
    reason = _KINDS.get(stat.S_IFMT(state.st_mode))
    number = errno.EINVAL
    if reason is None and max_bytes is not None and state.st_size > max_bytes:
        number, reason = errno.EFBIG, f"it is too large: {state.st_size:,} bytes, and at most {max_bytes:,} are read"
    if reason is not None:
        os.close(handle)
        raise OSError(number, reason, str(path))
