"""The batch size that would have fitted, found by trying, as advice to a run that was out of memory.

A run's own batch size is never changed: that would be another recipe.
"""

import resource
import time
from collections.abc import Callable

import psutil
import torch

from cockpit import datasets
from cockpit.engine.backend import Backend, choose_backend
from cockpit.engine.memory import let_go
from cockpit.engine.probe import Rig, Way
from cockpit.recipe import Recipe
from cockpit.store import Run
from nets import MODELS

_TRY_S = 20.0
"""Seconds after which no further batch size is tried: a run that has failed shall say so soon."""
_REFINEMENTS = 2
_MULTIPLE = 8
"""A batch size between two halvings is advised in these steps, which tensor cores like."""


def advise(run: Run, device: str) -> str:
    """Return the sentence for a run that was out of memory, whose memory was let go: what to do, as far as it is known.

    Args:
        run: The run.
        device: What it asked for, see `choose_backend`.
    """
    recipe = run.recipe
    backend = choose_backend(device, recipe.precision)
    choice = run.choice(backend.name)
    way = Way(choice.precision, choice.way) if choice else Way(backend.precision, "eager")
    said = f"out of memory with batch size {recipe.batch_size} on {backend.name}, which has {_room(backend)}"
    deadline = time.monotonic() + _TRY_S

    def fits(batch_size: int) -> bool | None:
        return None if time.monotonic() > deadline else _fits(recipe, backend, way, batch_size)

    size = largest_that_fits(fits, below=recipe.batch_size)
    if size is None:
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


def _fits(recipe: Recipe, backend: Backend, way: Way, batch_size: int) -> bool:
    """Tell whether two steps of a batch size can be taken beside what else a training holds."""
    fitted = False
    try:
        # The images of the dataset, and a copy of weights and momentum on their way to the disk.
        num_bytes = 4 * datasets.SIZE**2 * datasets.find_dataset(recipe.dataset).train_images
        ballast = torch.empty(num_bytes + 8 * MODELS[recipe.model].params, dtype=torch.uint8, device=backend.device)
        with Rig(recipe, backend, batch_size) as rig:
            rig.prepare(way)
            rig.time(way, 1)
        del ballast
        fitted = True
    except (RuntimeError, MemoryError) as error:
        let_go(error)
    return fitted


def _room(backend: Backend) -> str:
    if backend.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(backend.device)
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)  # `ulimit -v`
        if limit != resource.RLIM_INFINITY:
            free, total = min(free, max(0, limit - psutil.Process().memory_info().vms)), min(total, limit)
    return f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
