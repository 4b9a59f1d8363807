"""Start a trainer that outlives us, signal it, and start it again. Never imports torch."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cockpit import files, interpreter, liveness, records, status
from cockpit.device_names import count
from cockpit.devices import check_device, settled
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run
from nets.catalog import MODELS

_START_S = 30.0
"""How long a fresh trainer may take to write its launch line: it does so before it imports torch."""
_RECORDS_BYTES = 1_000_000
"""Room for the records and the log of a run that begins; more of them is a matter of days."""
_CHECKPOINTS_BYTES = 20
"""Bytes a parameter: the best weights, the resume state with its momentum, and the one that is about to replace it."""
_REPORT_BYTES = 1_000_000
"""Room for the result of a test: 360 kB for 10,000 images."""
TRAINER_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the order that NVML counts in
    "GOMP_SPINCOUNT": "5000",  # waiting threads spin so briefly that two runs on one CPU do not stall each other
}
"""Set for every trainer where the user has not. Measured with resnet20 on 2 cores, alone and beside two busy processes:
libgomp's own spinning 285 and less than 36 img/s, none at all 190 and 135, 5,000 turns 265 and 125.
"""


class CalledOffError(CockpitError):
    """The run is not to be started any more."""


class NoRoomError(CockpitError):
    """A run's folder cannot be written or its disk is too full, which is not the run's own fault."""


def check_resumable(run: Run, *, force: bool = False) -> None:
    """Raise CockpitError, with the reason and the remedy, when a run cannot be resumed; see `start` for `force`."""
    info = status.describe(run)
    if info.status == "stale":
        _leave_to_other_host(run, force=force)
        if not liveness.is_elsewhere(run.launches()[-1]):
            raise CockpitError(f"run {run.id} is stale, so it is not started again: {info.detail}")
    elif info.status not in status.RESUMABLE:
        if info.status == "damaged":
            raise CockpitError(f"run {run.id} is damaged: {info.detail}")
        raise CockpitError(
            f"run {run.id} is {info.status}, so there is nothing to resume; only a created, waiting, stopped, failed "
            "or lost run can be resumed"
        )


def _leave_to_other_host(run: Run, *, force: bool) -> None:
    """Raise CockpitError when a trainer of another host may have the run: its process cannot be seen from here."""
    launches = run.launches()
    if not launches or not liveness.is_elsewhere(launches[-1]):
        return
    host = launches[-1].host
    state, _ = status.judge(run, launches, run.tail())
    if force and state in ("stale", "unknown"):
        return
    if state == "stale":
        raise CockpitError(
            f"run {run.id} was started on {host} and may go on there, though nothing was heard of it for minutes; see "
            f"there, and if its trainer is surely dead, `cockpit resume {run.id} --force` takes the run over"
        )
    if state in status.LIVE:
        raise CockpitError(f"run {run.id} is {state} on {host}; stop it there")


def check_placement(recipe: Recipe, device: str) -> str:
    """Return the normal form of a device; raise CockpitError when it is not here, or the recipe is not for several."""
    wanted = check_device(device)
    check_shared(recipe, wanted)
    return wanted


def check_shared(recipe: Recipe, device: str) -> None:
    """Raise CockpitError when a recipe cannot be trained on several devices, if it is several."""
    num_devices = count(device)
    if num_devices == 1:
        return
    if recipe.exact:
        raise CockpitError(f"exact reruns are of one device, not of {device}; leave out --exact, or name one device")
    if recipe.way not in ("auto", "eager"):
        raise CockpitError(f"way is {recipe.way}, but several devices step eagerly; take --way auto, or one device")
    if recipe.batch_size < num_devices:
        raise CockpitError(
            f"batch size {recipe.batch_size} is smaller than the {num_devices} devices that share it; take at least "
            f"{num_devices}, or fewer devices"
        )


def start(
    run: Run,
    *,
    device: str = "auto",
    sample_s: float | None = None,
    force: bool = False,
    provided: Callable[[], bool] = lambda: True,
) -> records.Launch:
    """Start or resume a run's trainer in a session of its own and return its launch once it has written it.

    The writer lock is taken here and inherited by the trainer, so there is no moment at which two could start.

    Args:
        run: A run that nobody trains.
        device: See `cockpit.device_names`; any so many cards are the freest ones.
        sample_s: Seconds between live samples, 0 for every step; None is the trainer's default.
        force: Take the run over from another host whose trainer is silent. Somebody must have seen that it is dead.
        provided: Asked once the writer lock is ours, when nobody else can start the run any more.

    Raises:
        RunBusyError: When another trainer has the run.
        CalledOffError: When it is not provided.
        CockpitError: When it cannot be trained on the device, another host may have it, or the trainer does not start.
    """
    device = settled(check_placement(run.recipe, device))
    _leave_to_other_host(run, force=force)
    check_room(run)
    argv = trainer_words(run, device, sample_s)
    lock = run.lock_soon()
    try:
        if not provided():
            raise CalledOffError(f"run {run.id} is not to be started any more")
        attempts = len(run.launches())
        process = spawn([*argv, "--lock-fd", str(lock)], run.log_path, keep=(lock,))
        deadline = time.monotonic() + _START_S
        while len(launches := run.launches()) == attempts:
            if process.poll() is not None and len(run.launches()) == attempts:
                last_words = " ".join(run.log_tail(3))
                raise CockpitError(f"the trainer of {run.id} ended before it began: {last_words or 'no output'}")
            if time.monotonic() > deadline:
                process.kill()
                raise CockpitError(f"the trainer of {run.id} said nothing for {_START_S:.0f} s and was killed")
            time.sleep(0.01)
    finally:
        os.close(lock)
    return launches[-1]


def trainer_words(run: Run, device: str, sample_s: float | None) -> list[str]:
    """Return the command line of a run's trainer, see `start`."""
    words = [
        sys.executable,
        *interpreter.module("cockpit.engine"),
        str(run.path.resolve()),
        "train",
        "--device",
        device,
    ]
    return words if sample_s is None else [*words, "--sample-s", str(sample_s)]


def check_room(run: Run) -> None:
    """Raise NoRoomError when a run cannot be trained because its folder cannot be written, or its disk is too full."""
    kept_bytes = sum(path.stat().st_size for path in (run.last_path, run.best_path) if path.exists())
    model = MODELS.get(run.recipe.model)
    _check_room(run, "train", _RECORDS_BYTES + max(0, _CHECKPOINTS_BYTES * (model.params if model else 0) - kept_bytes))


def _check_room(run: Run, verb: str, num_bytes: int) -> None:
    """Raise NoRoomError when a run's folder cannot be written, or its disk has not so much room."""
    try:
        disk = os.statvfs(run.path)
    except OSError as error:
        raise CockpitError(f"{run.path} cannot be read: {error.strerror}") from error
    if not os.access(run.path, os.W_OK):
        reason = os.strerror(errno.EROFS if disk.f_flag & os.ST_RDONLY else errno.EACCES)
        raise NoRoomError(f"{run.path} cannot be written: {reason}; make it writable, or copy the run elsewhere")
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < num_bytes:
        raise NoRoomError(
            f"no room to {verb} {run.id}: that takes {num_bytes / 1e6:.1f} MB and the disk of {run.path.parent} has "
            f"{free_bytes / 1e6:.1f} MB left; make room there"
        )


def check_checkpoint(run: Run) -> None:
    """Raise CockpitError when a run has no best checkpoint yet."""
    if not os.path.lexists(run.best_path):
        raise CockpitError(f"run {run.id} has no best checkpoint yet; it comes with the first epoch's validation")


def check_testable(run: Run) -> None:
    """Raise CockpitError when a run has no checkpoint yet, or the result of its test could not be kept."""
    check_checkpoint(run)
    _check_room(run, "test", _REPORT_BYTES)


def spawn(argv: list[str], log: Path, keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that prints into a log.

    Args:
        argv: Its command line.
        log: What it prints is appended to this file.
        keep: File descriptors that it inherits.

    Raises:
        CockpitError: When the log cannot be written, or there is no such program.
    """
    try:
        output = files.open_to_append(log)
    except OSError as error:
        raise files.unwritable(log, error) from error
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=keep,
            env=TRAINER_ENVIRONMENT | os.environ,
        )
    except OSError as error:
        raise CockpitError(f"{argv[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(output)


Signal = Literal["stop", "kill"]


def send(run: Run, what: Signal) -> bool:
    """Ask a run's trainer to stop with a checkpoint, or kill it. False when it was not running any more.

    Raises:
        CockpitError: When it runs on another host.
    """
    launches = run.launches()
    if not launches:
        return False
    launch = launches[-1]
    if status.judge(run, launches, run.tail())[0] not in status.LIVE:
        return False
    if launch.host != liveness.host_name():
        raise CockpitError(f"run {run.id} was started on {launch.host}; stop it there")
    with contextlib.suppress(ProcessLookupError):
        os.kill(launch.pid, signal.SIGTERM if what == "stop" else signal.SIGKILL)
        return True
    return False
