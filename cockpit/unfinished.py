"""What is being made in a folder of the user's, under a name that tells whose it is, so that it can be swept.

A kill leaves it there; who exports into the folder next deletes it, once the process that made it is gone.
"""

import contextlib
import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from cockpit import durable, liveness

PREFIX = ".exporting-"
_NAME = re.compile(re.escape(PREFIX) + r"(?P<place>[0-9a-f]{16})-(?P<pid>\d{1,9})-(?P<start>\d{1,12}\.\d\d)-\w+")
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_DAY_S = 86400.0
"""An export takes minutes: what is older and made where no process can be seen from here is of one that is gone."""


def own_prefix() -> str:
    """Return how the name of what this process makes begins."""
    process = psutil.Process()
    return f"{PREFIX}{_place()}-{process.pid}-{liveness.since_boot(process):.2f}-"


def scratch(home: Path) -> contextlib.AbstractContextManager[Path]:
    """Make a folder within another for as long as the context lasts."""
    return durable.scratch(home, prefix=own_prefix())


def sweep(home: Path) -> None:
    """Delete what this user's processes that are no more have left in a folder; no link is followed.

    A process of another host or container cannot be seen from here; what one has made is left for a day.
    """
    with contextlib.suppress(OSError):
        for path in home.iterdir():
            if (found := _NAME.fullmatch(path.name)) and _is_left(path, found):
                durable.delete(path)


def _is_left(path: Path, found: re.Match[str]) -> bool:
    try:
        state = path.lstat()
    except OSError:  # its maker was quicker
        return False
    if state.st_uid != os.getuid():
        return False
    if found["place"] == _place():
        return liveness.life_of(liveness.boot_id(), int(found["pid"]), float(found["start"])) == "dead"
    return time.time() - state.st_mtime > _DAY_S


def _place() -> str:
    """Return what tells apart where pids mean something else: hosts, boots, and containers that share a name."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # another system than Linux has none
        namespace = ""
    whole = f"{liveness.host_name()}\n{liveness.boot_id()}\n{namespace}"
    return hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:16]


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
