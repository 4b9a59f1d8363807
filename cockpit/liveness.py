"""Whether the process of a launch lives: by boot, pid and start time here, elsewhere by the growth of its records."""

import contextlib
import functools
import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import psutil

from cockpit import records

_SILENCE_S = 120.0
"""A trainer of another host that has written nothing for so long is stale: it samples every few seconds."""


class Heartbeats:
    """How long files have not grown, by the clock of who looks: hosts may disagree about the time of day."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without having seen anything; the clock gives seconds and never goes back."""
        self._clock = clock
        self._seen: dict[Path, tuple[int, float]] = {}

    def silence_s(self, path: Path, since: float) -> float:
        """Return the seconds since a file grew last, as far as this reader has seen.

        Args:
            path: The file; it need not exist yet.
            since: Wall clock to count from at the first look while it does not exist, unix seconds. What is there is
                counted from its own time then, which the other host's clock may have set: later looks know better.
        """
        now = self._clock()
        try:
            state = path.stat()
            size, written = state.st_size, state.st_mtime
        except OSError:
            size, written = -1, since
        known = self._seen.get(path)
        if known is None:
            self._seen[path] = size, now - max(0.0, time.time() - written)
        elif known[0] != size:
            self._seen[path] = size, now
        return now - self._seen[path][1]


_HEARTBEATS = Heartbeats()

Life = Literal["alive", "frozen", "dead"]


def find_life(launch: records.Launch, heartbeat: Path, heartbeats: Heartbeats = _HEARTBEATS) -> Life:
    """Tell whether the process of a launch still lives.

    On its own host by boot, pid, start time and not being a zombie; on another host by the growth of its records.
    """
    if is_elsewhere(launch):
        return "alive" if heartbeats.silence_s(heartbeat, launch.time) < _SILENCE_S else "frozen"
    return life_of(launch.boot_id, launch.pid, launch.process_start_s)


def life_of(boot: str, pid: int, process_start_s: float) -> Life:
    """Tell whether a process of this host still lives, by its boot, pid and start time and not being a zombie."""
    if boot != boot_id():
        return "dead"
    try:
        process = psutil.Process(pid)
        if abs(since_boot(process) - process_start_s) > 0.02:
            return "dead"
        state = process.status()
    except psutil.Error:
        return "dead"
    if state in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
        return "dead"
    return "frozen" if state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) else "alive"


def is_elsewhere(launch: records.Launch) -> bool:
    """Tell whether a launch was made on another host, whose processes cannot be seen from here."""
    return launch.host != host_name()


def since_boot(process: psutil.Process) -> float:
    """Return a process's start in seconds since boot, which does not move when the clock is set.

    On Linux as the kernel counts it: older versions of psutil take the time of boot from before and after a change of
    the clock, and a living process looks like another one.
    """
    with contextlib.suppress(OSError):
        counted = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(counted[19]) / os.sysconf("SC_CLK_TCK")
    return process.create_time() - psutil.boot_time()


def host_name() -> str:
    """Return this host's name."""
    return socket.gethostname()


@functools.cache
def boot_id() -> str:
    """Return the identity of this boot of this host."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    if platform.system() == "Darwin":
        query = ["sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return str(int(psutil.boot_time()))
