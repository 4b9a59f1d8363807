"""A file of a run locked by whoever writes; the lock is gone with its holder, however that ends."""

import errno
import fcntl
import os
from pathlib import Path

from cockpit import files
from cockpit.errors import CockpitError


class RunBusyError(CockpitError):
    """Another process is writing to the run."""


def hold(path: Path, busy: str) -> int:
    """Open or make a file of a run, lock it and return its descriptor; closing every copy of that frees it.

    Args:
        path: The file, in the run's folder.
        busy: What another process does while it holds the lock, for the sentence.

    Raises:
        RunBusyError: When another process holds it.
        CockpitError: When it cannot be made, opened or locked.
    """
    home = path.parent
    try:
        handle = files.open_to_append(path)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES):
            reason = f"{home} cannot be written: {error.strerror}"
            raise CockpitError(f"{reason}; make it writable, or copy the run elsewhere") from error
        raise files.unwritable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RunBusyError(f"run {home.name} {busy}") from None
    except OSError as error:  # a disk without locks
        os.close(handle)
        raise files.unwritable(path, error) from error
    return handle
