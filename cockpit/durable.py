"""Files that survive a kill or a power cut: whole or not at all, and known to be undamaged.

A checked file has a sidecar `<name>.sha256` in the format of `sha256sum`. While the file is being replaced the sidecar
lists the new digest and the old one, so a kill between the two renames leaves a file that still matches.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.files import CHECKPOINT_BYTES, DOCUMENT_BYTES, read_whole, unwritable

_TEMP_PREFIX = ".saving-"
_TRIES = 100
"""How often a file is read that is replaced meanwhile; a trainer with epochs of milliseconds replaces it as quickly."""
_SCRATCH_PREFIX = ".scratch-"
_SPARE_BYTES = 256 * 1024
"""Room that a save leaves on the disk, so that the records after it find some."""


class DamagedFileError(CockpitError):
    """A file's bytes are not those that were written."""


class NoRoomError(CockpitError):
    """A save would fill the disk."""


def write_atomically(path: Path, data: bytes | memoryview, *, prefix: str = _TEMP_PREFIX) -> None:
    """Replace a file's content in one step and see it onto the disk.

    Args:
        path: The file; it has the rights that the umask leaves.
        data: What is to be in it.
        prefix: How it is called while it is being written.

    Raises:
        CockpitError: When a folder is in its place.
        OSError: When the disk is full or the folder cannot be written; the old file is intact then.
    """
    with _written(path, data, prefix) as made:
        try:
            os.replace(made, path)
        except IsADirectoryError as error:
            raise unwritable(path, error) from error
    sync_folder(path.parent)


def write_new(path: Path, data: bytes | memoryview, *, prefix: str = _TEMP_PREFIX) -> None:
    """Make a file in one step, whole or not at all, and see it onto the disk; see `write_atomically`.

    Raises:
        FileExistsError: When there is something of that name.
        OSError: When the disk is full or the folder cannot be written; there is no file then.
    """
    with _written(path, data, prefix) as made:
        give_name(made, path)
        made.unlink(missing_ok=True)
    sync_folder(path.parent)


def give_name(made: Path, path: Path) -> None:
    """Give a file a name that nothing has; where there are links it keeps its own, too.

    Raises:
        FileExistsError: When there is something of that name.
        OSError: When it cannot be given.
    """
    try:
        os.link(made, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        made.rename(path)  # a disk without hard links; the name was free a moment ago


@contextlib.contextmanager
def _written(path: Path, data: bytes | memoryview, prefix: str) -> Iterator[Path]:
    """Write a file beside another, under a name of its own, which is deleted if anything fails."""
    handle, made = create_beside(path.parent, prefix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield made
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink()
        raise


def create_beside(folder: Path, prefix: str) -> tuple[int, Path]:
    """Make a file of a name that nothing has, with the rights that the umask leaves; return its descriptor and path."""
    while True:
        path = folder / f"{prefix}{os.urandom(8).hex()}"
        with contextlib.suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666), path


def write_checked(path: Path, data: bytes | memoryview) -> str:
    """Replace a file and its sidecar durably; return the SHA-256 in hex.

    Raises:
        NoRoomError: When the disk has no room for it; nothing is written then, and the old file is intact.
        OSError: When it cannot be written for another reason; the old file is intact then too.
    """
    _make_sure_of_room(path, len(data))
    digest = hashlib.sha256(data).hexdigest()
    sidecar = sidecar_of(path)
    write_atomically(sidecar, _lines(path, [digest, *digests(path)]))
    write_atomically(path, data)
    write_atomically(sidecar, _lines(path, [digest]))
    return digest


def _make_sure_of_room(path: Path, size_bytes: int) -> None:
    disk = os.statvfs(path.parent)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < size_bytes + _SPARE_BYTES:
        raise NoRoomError(
            f"no room to save {path.name}: it takes {size_bytes / 1e6:.1f} MB and the disk of {path.parent} has "
            f"{free_bytes / 1e6:.1f} MB left; make room, then resume the run"
        )


Checked = tuple[bytes, str]
"""A checked file's bytes and their SHA-256 in hex."""


def read_checked(path: Path) -> Checked:
    """Return a checked file's bytes and their SHA-256 in hex.

    Raises:
        DamagedFileError: When the file or its sidecar is missing, truncated or altered; the file is named.
    """
    for _ in range(_TRIES):
        before = _identity(path)
        try:
            data = read_whole(path, CHECKPOINT_BYTES)
        except OSError as error:
            raise DamagedFileError(f"{path} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest in digests(path):
            return data, digest
        if _identity(path) == before:
            break  # else it was replaced, and the sidecar is of the new content
    raise DamagedFileError(
        f"{path} is damaged: its SHA-256 is not the one in {sidecar_of(path).name}; restore it from a copy"
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from the one that replaces it; None when it is not there."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def sweep(folder: Path) -> None:
    """Delete what killed saves and trainers left in a folder; only the folder's one writer may call it."""
    for leftover in (*folder.glob(f"{_TEMP_PREFIX}*"), *folder.glob(f"{_SCRATCH_PREFIX}*")):
        delete(leftover)


def delete(leftover: Path) -> None:
    """Delete a file, a link or a whole folder, as far as that goes: it is in nobody's way; no link is followed."""
    if leftover.is_dir() and not leftover.is_symlink():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            leftover.unlink()


@contextlib.contextmanager
def scratch(folder: Path, *, prefix: str = _SCRATCH_PREFIX) -> Iterator[Path]:
    """Make a folder within another for as long as the context lasts; `sweep` deletes what a kill leaves of it."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder, ignore_cleanup_errors=True) as made:
        yield Path(made)


def sync_folder(folder: Path) -> None:
    """See a folder's entries onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sidecar_of(path: Path) -> Path:
    """Return the path of a checked file's sidecar."""
    return path.with_name(path.name + ".sha256")


def digests(path: Path) -> list[str]:
    """Return the SHA-256 that a checked file may have by its sidecar, none where that cannot be read."""
    try:
        lines = read_whole(sidecar_of(path), DOCUMENT_BYTES).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line.split()[0] for line in lines if line.strip()]


def _lines(path: Path, digests: list[str]) -> bytes:
    return "".join(f"{digest}  {path.name}\n" for digest in digests).encode("ascii")
