"""What is being made in a folder of the user's, under a name that tells whose it is, so that it can be swept.

A kill leaves it there; who exports into the folder next deletes it, once the process that made it is gone.
"""

import contextlib
import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

PREFIX = ".exporting-"
_NAME = re.compile(re.escape(PREFIX) + r"(?P<host>.+)-(?P<pid>\d{1,9})-\w+")
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def own_prefix() -> str:
    """Return how the name of what this process makes begins."""
    return f"{PREFIX}{os.uname().nodename}-{os.getpid()}-"


@contextlib.contextmanager
def scratch(home: Path) -> Iterator[Path]:
    """Make a folder within another for as long as the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(home: Path) -> None:
    """Delete what processes of this host have left in a folder that are no more; no link is followed."""
    with contextlib.suppress(OSError):
        for path in home.iterdir():
            found = _NAME.fullmatch(path.name)
            if found is None or found["host"] != os.uname().nodename or _lives(int(found["pid"])):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Let TERM and HUP end this process as an exception does, so that nothing is left that is not finished.

    A signal that is ignored, as under nohup, stays so; in another thread than the main one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    taken = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
