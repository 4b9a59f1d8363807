"""The batch size that would have fitted, found by trying, as advice to a run that was out of memory.

A run's own batch size is never changed: that would be another recipe. The trials are a process of their own, because
native code that finds no memory may end the process that it is in.
"""

import contextlib
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

import psutil
import torch

from cockpit import datasets, interpreter
from cockpit.device_names import count
from cockpit.engine.backend import Backend, choose_backend
from cockpit.engine.memory import let_go
from cockpit.engine.probe import Rig, Way
from cockpit.recipe import Recipe
from cockpit.store import Run
from nets import MODELS

_TRY_S = 30.0
"""Seconds after which no further batch size is tried: a run that has failed shall say so soon."""
_MARGIN = 0.2
"""Share of the free memory that a trial must leave: another process breaks its memory into other pieces."""
_REFINEMENTS = 2
_MULTIPLE = 8
"""A batch size between two halvings is advised in these steps, which tensor cores like."""
_FITS = "fits"


def advise(run: Run, device: str) -> str:
    """Return the sentence for a run that was out of memory, whose memory was let go: what to do, as far as it is known.

    Args:
        run: The run.
        device: What it asked for, see `choose_backend`; of several devices or nodes nothing is tried.
    """
    batch_size = run.recipe.batch_size
    if count(device) > 1 or " on " in device:
        said = f"out of memory with batch size {batch_size} shared by {device}"
        return f"{said}; start a new run with a smaller --batch-size, or on more devices"
    backend = choose_backend(device, run.recipe.precision)
    free, total = _room(backend)
    room = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    said = f"out of memory with batch size {batch_size} on {backend.name}, which has {room}"
    with _Trials(run, device) as trials:
        size = largest_that_fits(trials.fits, below=batch_size)
    if size is None or not trials.answered:
        return f"{said}; start a new run with a smaller --batch-size"
    if size == 0:
        return f"{said}, too little for one image a step; free some, or choose another device or a smaller network"
    return f"{said}; {size} fits, so start a new run with --batch-size {size}"


def largest_that_fits(fits: Callable[[int], bool | None], *, below: int) -> int | None:
    """Search a large batch size that fits: by halving, then twice between the last two.

    Args:
        fits: Tells whether one fits, or None when there is no time left to try.
        below: One that does not fit.

    Returns:
        0 when not even 1 fits, None when that is not known.
    """
    low, high = below // 2, below
    while low and not (verdict := fits(low)):
        if verdict is None:
            return None
        low, high = low // 2, low
    for _ in range(_REFINEMENTS):
        middle = (low + high) // 2 // _MULTIPLE * _MULTIPLE
        if not low < middle < high or (verdict := fits(middle)) is None:
            break
        low, high = (middle, high) if verdict else (low, middle)
    return low


class _Trials:
    """Tries batch sizes in a process that may die of it; a context.

    Attributes:
        answered: Whether any trial came to an end; without one, nothing is known of what fits.
    """

    def __init__(self, run: Run, device: str) -> None:
        self._argv = [sys.executable, *interpreter.module("cockpit.engine"), str(run.path), "fit", "--device", device]
        self.answered = False
        self._process: subprocess.Popen[str] | None = None
        self._deadline = time.monotonic() + _TRY_S
        self._alarm = threading.Timer(_TRY_S, self._kill)

    def __enter__(self) -> "_Trials":
        self._alarm.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._alarm.cancel()
        self._kill()

    def fits(self, batch_size: int) -> bool | None:
        """Tell whether a batch size fits; None when there is no time left, or no memory for another process."""
        if time.monotonic() > self._deadline:
            return None
        try:
            answer = self._ask(batch_size)
        except BrokenPipeError:
            answer = ""
        except OSError:
            return None
        if not answer:  # it died: of the trial, or because time was up
            self._kill()
            self._process = None
            return None if time.monotonic() > self._deadline else False
        self.answered = True
        return answer == f"{_FITS}\n"

    def _ask(self, batch_size: int) -> str:
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(self._argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{batch_size}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):  # a question that nobody has read
                    pipe.close()


def answer_trials(run: Run, device: str) -> None:
    """Read batch sizes from stdin, a line each, and answer whether they fit; this is the process that may die."""
    recipe = run.recipe
    backend = choose_backend(device, recipe.precision)
    choice = run.choice(backend.name)
    way = Way(choice.precision, choice.way) if choice else Way(backend.precision, "eager")
    spare_bytes = int(_MARGIN * _room(backend)[0])
    for line in sys.stdin:
        print(_FITS if _fits(recipe, backend, way, int(line), spare_bytes) else "does not fit", flush=True)


def _fits(recipe: Recipe, backend: Backend, way: Way, batch_size: int, spare_bytes: int) -> bool:
    """Tell whether two steps of a batch size can be taken beside what else a training holds, and so much to spare."""
    fitted = False
    try:
        # The images of the dataset, and a copy of weights and momentum on their way to the disk.
        num_bytes = 4 * datasets.SIZE**2 * datasets.find_dataset(recipe.dataset).train_images
        num_bytes += 8 * MODELS[recipe.model].params + spare_bytes
        ballast = torch.empty(num_bytes, dtype=torch.uint8, device=backend.device)
        with Rig(recipe, backend, batch_size) as rig:
            rig.prepare(way)
            rig.time(way, 1)
        del ballast
        fitted = True
    except (RuntimeError, MemoryError) as error:
        let_go(error)
    return fitted


def _room(backend: Backend) -> tuple[int, int]:
    """Return the bytes that are free for this process, and those that there are."""
    if backend.device.type == "cuda":
        return torch.cuda.mem_get_info(backend.device)
    memory = psutil.virtual_memory()
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)  # `ulimit -v`
    if limit == resource.RLIM_INFINITY:
        return memory.available, memory.total
    left = max(0, limit - psutil.Process().memory_info().vms)
    return min(memory.available, left), min(memory.total, limit)
