"""Why a trainer is gone that said nothing of its end: a restart of the machine, a crash, want of memory.

Evidence only: the records, the log behind the last of the trainer's own lines, and the kernel's counters. Nothing here
is stored, and a log is read only of a run whose trainer is gone.
"""

import contextlib
import re
from pathlib import Path

from cockpit import records
from cockpit.store import Run

_OWN_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+: ")
"""How the lines begin that the trainer prints for its launch and its phases."""
_CRASH = "Fatal Python error: "
"""What Python's faulthandler writes before the stack, when a signal like SIGSEGV ends the process."""
_MAX_LINES = 2_000
_SHOWN = 120
"""Characters of the log that the sentence quotes."""
_SYSTEM = "proc/vmstat"
_CGROUPS = "sys/fs/cgroup"
_WHEN = {"preparing": "while preparing", "running": "while training", "testing": "during the test"}


def explain(run: Run, launch: records.Launch, phase: records.Phase | None, *, restarted: bool) -> str:
    """Return in a sentence what is known of the end of a trainer that is gone, and what helps.

    Args:
        run: The run.
        launch: Its newest launch.
        phase: The last phase that this launch wrote, if any.
        restarted: Whether the machine was restarted since.
    """
    when = "while it started" if phase is None else _WHEN.get(phase.state, f"in the phase {phase.state}")
    process = f"pid {launch.pid} on {launch.host}"
    words = _last_words(run)
    crash = next((line.removeprefix(_CRASH) for line in reversed(words) if line.startswith(_CRASH)), "")
    if restarted:
        cause = f"the machine was restarted {when}"
    elif crash:
        cause = f"it crashed {when}: {crash} ({process}; log.txt tells where)"
    elif killer := told_by_kernel(launch):
        cause = f"it is gone {when} ({process}): {killer}"
    else:
        cause = f"it is gone without a word {when} ({process})" + (
            f"; its log ends: {words[-1][:_SHOWN]}" if words else ""
        )
    return f"{cause}; resume {'tests it' if phase and phase.state == 'testing' else 'continues it'}"


def _last_words(run: Run) -> list[str]:
    """Return the lines of the log behind the trainer's own, which something else printed as it ended."""
    words: list[str] = []
    for line in reversed(run.log_tail(_MAX_LINES)):
        if _OWN_LINE.match(line):
            break
        words.append(line)
    return [line for line in reversed(words) if line.strip()]


def oom_kills(root: Path = Path("/")) -> dict[str, int]:
    """Return how many processes the kernel has killed for lack of memory, by the counters that concern this process.

    Those of its control group, under version 1 or 2, and that of the whole machine; keys are paths below `root`.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    places = [_SYSTEM]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            places += [f"{_CGROUPS}{mount}{path.rstrip('/')}/memory.events" for mount in ("", "/unified")]
        elif "memory" in controllers.split(","):
            places.append(f"{_CGROUPS}/memory{path.rstrip('/')}/memory.oom_control")
    found = ((place, _oom_kills_in(root / place)) for place in places)
    return {place: count for place, count in found if count is not None}


def told_by_kernel(launch: records.Launch, root: Path = Path("/")) -> str:
    """Return what the kernel's counters say of the time since a launch on this machine, or nothing."""
    grown = {place for place, before in launch.oom_kills.items() if _is_counter(place) and _grown(root / place, before)}
    if grown - {_SYSTEM}:
        return "the kernel killed a process of its control group for lack of memory since it started, probably this one"
    if grown:
        return "the kernel killed a process of this machine for lack of memory since it started, perhaps this one"
    return ""


def _grown(path: Path, before: int) -> bool:
    now = _oom_kills_in(path)
    return now is not None and now > before


def _is_counter(place: str) -> bool:
    """Tell whether a path of a run folder, which may come from anywhere, names a counter of the kernel."""
    return place == _SYSTEM or (place.startswith(_CGROUPS + "/") and ".." not in Path(place).parts)


def _oom_kills_in(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None
