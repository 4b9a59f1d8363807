"""A few real steps of a run that is not launched, in a process of its own, and what they mean on this machine.

Nothing of it stays: its folder lies among the temporary files and is removed, whatever ends the rehearsal.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from cockpit import devices, launch, tasks
from cockpit.errors import CockpitError
from cockpit.progress import Cancelled, Progress, Stop
from cockpit.recipe import Recipe
from cockpit.results import PREFLIGHT_STAGES, Estimate
from cockpit.store import Run, RunStore

SECONDS = 5.0
"""How long steps are taken when nothing else is asked for."""
_LOOK_S = 0.1
_TIGHT = 0.9
"""From this share of the free memory on, a run may fail when another process takes a little more."""


class Outlook(Estimate, frozen=True, kw_only=True):
    """What a run would need, beside what its device and the disk of the runs have."""

    memory_free_bytes: int | None
    """Free memory of the device, once the rehearsal has ended; None where that cannot be told."""
    memory_total_bytes: int | None
    """All memory of the device."""
    disk_free_bytes: int | None
    """Free space where the run's folder would be."""


def rehearse(
    recipe: Recipe,
    device: str,
    runs: Path,
    *,
    seconds: float = SECONDS,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Outlook:
    """Take a few steps of a recipe on a device and say what all of it would need.

    Args:
        recipe: The recipe; it is completed here.
        device: What a run would ask for; of several the first is used.
        runs: The folder of the runs, whose disk is told.
        seconds: How long to take steps.
        progress: Told how many stages are done, of how many, and what is being done.
        stop: Asked ten times a second whether to give up.

    Raises:
        CockpitError: When the run could not begin, or its memory is too small, with the batch size that fits.
        Cancelled: When `stop()` returned True; the process is gone and so is its folder.
    """
    recipe = recipe.complete()
    device = devices.settled(launch.check_placement(recipe, device))
    with tempfile.TemporaryDirectory(prefix="cockpit-preflight-", ignore_cleanup_errors=True) as home:
        run = RunStore(Path(home)).create(recipe)
        process = tasks.start_preflight(run, device=device, seconds=seconds)
        try:
            _follow(run, process, progress, stop)
        finally:
            end(process)
        estimate = run.estimate()
        if estimate is None:
            raise CockpitError(" ".join(run.log_tail(1)) or f"the preflight ended with {process.returncode}")
    free, total = devices.memory_of(estimate.device)
    facts = {name: getattr(estimate, name) for name in Estimate.__struct_fields__}
    return Outlook(**facts, memory_free_bytes=free, memory_total_bytes=total, disk_free_bytes=_free_disk(runs))


def _follow(run: Run, process: subprocess.Popen[bytes], progress: Progress | None, stop: Stop | None) -> None:
    told = None
    while process.poll() is None:
        if stop is not None and stop():
            raise Cancelled
        stage = _stage(run)
        if progress is not None and stage != told:
            progress(stage[0], len(PREFLIGHT_STAGES), stage[1])
            told = stage
        time.sleep(_LOOK_S)


def _stage(run: Run) -> tuple[int, str]:
    """Return how many stages are done and what is being done."""
    phase = run.tail().phase
    if phase is None:
        return 0, PREFLIGHT_STAGES[0]
    if phase.detail in PREFLIGHT_STAGES:
        return PREFLIGHT_STAGES.index(phase.detail), phase.detail
    return (3 if phase.state == "running" else 1), phase.detail


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, with all that it has started, unless it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_disk(folder: Path) -> int | None:
    """Return the free bytes of the disk that a folder lies on, or would lie on."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        disk = os.statvfs(place)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def misgivings(outlook: Outlook) -> list[str]:
    """Return what speaks against the run, a sentence each; nothing when it fits."""
    found = []
    free = outlook.memory_free_bytes
    if free is not None and outlook.device.startswith("cuda") and outlook.peak_bytes > _TIGHT * free:
        need = f"{outlook.peak_bytes / 2**30:.1f} of the {free / 2**30:.1f} GiB that are free"
        found.append(f"it takes {need}: free some memory, or take a smaller batch size")
    elif free is not None and outlook.peak_bytes > free:
        need = f"{outlook.peak_bytes / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free"
        found.append(f"it takes {need}: free some memory, or take a smaller batch size")
    if outlook.disk_free_bytes is not None and outlook.disk_bytes > outlook.disk_free_bytes:
        found.append(
            f"its checkpoints take {outlook.disk_bytes / 1e6:,.0f} MB and the disk of the runs has "
            f"{outlook.disk_free_bytes / 1e6:,.0f} MB left: make room there"
        )
    return found
