"""What a run would need, from a few real steps of it: the same code as the training, in a folder that is thrown away.

Run it in a process of its own: the peak memory of a CPU is that of the whole process.
"""

import math
import time

from cockpit import datasets
from cockpit.engine.backend import wait_for
from cockpit.engine.bench import peak_memory
from cockpit.engine.checkpoint import take_snapshot
from cockpit.engine.evaluate import BATCH, evaluate
from cockpit.engine.journal import Journal
from cockpit.engine.keeper import Keeper
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import Loop, begin
from cockpit.results import PREFLIGHT_STAGES, Estimate
from cockpit.store import Run

TAKING_STEPS, VALIDATING, SAVING = PREFLIGHT_STAGES[3:]
_WARM_UP_STEPS = 3
_LEAST_STEPS = 3


def rehearse(run: Run, device: str, seconds: float, *, begun: float) -> Estimate:
    """Train for a few seconds, validate, save, and say what the whole run would need.

    Args:
        run: A run of the recipe in a folder that is thrown away.
        device: What was asked for, see `choose_backend`.
        seconds: How long to take steps; three are taken in any case.
        begun: When the process began, by the monotonic clock: what it does before the first step is told too.

    Raises:
        CockpitError: When the run could not begin.
    """
    recipe = run.recipe
    journal = Journal(run, attempt=1)
    loop = begin(run, device, journal, StopFlag())
    setup_s = time.monotonic() - begun
    journal.phase("running", TAKING_STEPS)
    img_per_s = _pace(loop, seconds)
    journal.phase("running", VALIDATING)
    few = loop.data.val.first(BATCH)
    evaluate(loop.model, few, loop.backend)  # what is used for the first time takes longer
    began = time.perf_counter()
    evaluate(loop.model, few, loop.backend)
    eval_per_s = len(few) / (time.perf_counter() - began)
    journal.phase("running", SAVING)
    began = time.perf_counter()
    with Keeper(run, journal, loop.data.normalization, loop.classes) as keeper:
        keeper.keep(take_snapshot(loop.state, loop.model, loop.optimizer), best=True)
        snapshot_s = time.perf_counter() - began
    save_s = time.perf_counter() - began
    disk_bytes = run.size_bytes()
    spec = datasets.find_dataset(recipe.dataset)
    epoch_s = len(loop.data.train) / img_per_s + len(loop.data.val) / eval_per_s + snapshot_s
    return Estimate(
        device=loop.backend.name,
        precision=loop.choice.precision,
        way=loop.choice.way,
        reason=loop.choice.reason,
        img_per_s=img_per_s,
        epoch_s=epoch_s,
        total_s=setup_s + recipe.num_epochs * epoch_s + save_s + spec.test_images / eval_per_s,
        peak_bytes=peak_memory(loop.backend.device),
        disk_bytes=disk_bytes,
    )


def _pace(loop: Loop, seconds: float) -> float:
    """Return the training images a second, as the trainer reaches them after its first steps."""
    steps_an_epoch = math.ceil(len(loop.data.train) / loop.recipe.batch_size)
    taken, images, began, spent_s = 0, 0, 0.0, 0.0
    while True:
        for _ in loop.steps():
            taken += 1
            if taken <= _WARM_UP_STEPS:
                wait_for(loop.backend.device)
                began = time.perf_counter()
                continue
            last = loop.state.batch == steps_an_epoch
            images += (len(loop.data.train) - 1) % loop.recipe.batch_size + 1 if last else loop.recipe.batch_size
            spent_s = time.perf_counter() - began
            if taken >= _WARM_UP_STEPS + _LEAST_STEPS and spent_s >= seconds:
                wait_for(loop.backend.device)
                return images / (time.perf_counter() - began)
        loop.end_epoch()
