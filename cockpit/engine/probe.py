"""Chooses how a run's steps are computed: measures the ways there are on the device itself, before the training.

The network that is measured is built for it and thrown away: nothing of the run changes, its random state included.
"""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from cockpit import datasets, records
from cockpit.engine.backend import Backend, has_bf16
from cockpit.engine.memory import is_out_of_memory
from cockpit.engine.step import TakeStep, make_optimizer, make_step
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from nets import MODELS, build

_SHORT_S = 60.0
"""A run that should take less than this on a CPU does not repay a probe."""
_CPU_FLOPS = 1e11
"""Guessed FLOP/s of a CPU, only to tell a short run from a long one before anything is measured."""
_SHORT_STEPS = 500
"""Nor does a run of fewer steps on a card."""
_COMPILE_STEPS_S = 1_800.0
"""What a run must still take on a card before compiling, a minute or two, is worth trying."""
_FEW = 16
"""Images of the first comparison on a CPU."""
_FAR = 1.5
"""What is slower by this factor there is not tried on a whole batch: emulated bf16 takes minutes a step."""
_GAIN = 0.95
"""A way must take less than this share of the plainest one's time to be preferred to it."""
_ROUNDS = 5
_CARD_STEPS = 20
"""Steps a round on a card."""
_SHARE = 0.03
"""Largest share of a run's steps that the probe may spend on a CPU."""


class Way(NamedTuple):
    """One way of taking steps."""

    precision: str
    """"fp32" or "bf16"."""
    way: str
    """"eager", "graph" or "compiled"."""


class Rig:
    """A network of its own and one fixed batch of noise on the device, to time steps on; a context."""

    def __init__(self, recipe: Recipe, backend: Backend, batch_size: int) -> None:
        """Build the network of a recipe and a batch of so many images."""
        self._recipe, self._backend = recipe, backend
        self._steps: dict[Way, TakeStep] = {}
        num_classes = datasets.find_dataset(recipe.dataset).num_classes
        with self._own_random_state():
            self._model = build(recipe.model, num_classes).to(backend.device).to(memory_format=torch.channels_last)
            images = torch.randn(batch_size, 3, datasets.SIZE, datasets.SIZE, device=backend.device)
            self._labels = torch.randint(0, num_classes, (batch_size,), device=backend.device)
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._model.train()
        self._optimizer = make_optimizer(self._model, recipe)

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.clear()
        del self._model, self._optimizer, self._images
        gc.collect()
        if self._backend.device.type == "cuda":
            torch.cuda.empty_cache()

    def prepare(self, way: Way) -> float:
        """Make a way's step, take it once, and return the seconds that took: a capture or compilation among them."""
        began = time.perf_counter()
        backend = self._backend._replace(precision=way.precision)
        with self._own_random_state():
            self._steps[way] = make_step(way.way, self._model, self._optimizer, backend, self._images, self._recipe)
            self.take(way)
        self.wait()
        return time.perf_counter() - began

    def drop(self, way: Way) -> None:
        """Forget a way, and give back what it held."""
        self._steps.pop(way, None)
        self._optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self._backend.device.type == "cuda":
            torch.cuda.empty_cache()

    def time(self, way: Way, num_steps: int) -> float:
        """Take steps that leave the weights as they are, and return the seconds of one."""
        self.wait()
        began = time.perf_counter()
        with self._own_random_state():
            for _ in range(num_steps):
                self.take(way)
        self.wait()
        return (time.perf_counter() - began) / num_steps

    def take(self, way: Way) -> None:
        """Take one step of a way that was prepared; random numbers come from the process's own state."""
        self._steps[way](self._images, self._labels, 0.0)

    def wait(self) -> None:
        """Wait for the device."""
        if self._backend.device.type == "cuda":
            torch.cuda.synchronize(self._backend.device)

    def _own_random_state(self) -> contextlib.AbstractContextManager[None]:
        return torch.random.fork_rng([self._backend.device] if self._backend.device.type == "cuda" else [])


def decide(recipe: Recipe, backend: Backend, num_train: int) -> records.Choice:
    """Choose for a run that is about to begin.

    Args:
        recipe: A complete recipe; what it forces is not measured.
        backend: The device, with its usual precision.
        num_train: Images of an epoch.

    Raises:
        CockpitError: When the recipe forces what the device has not.
    """
    num_steps = recipe.num_epochs * math.ceil(num_train / recipe.batch_size)
    ways, why = _candidates(recipe, backend, num_train, num_steps)
    if len(ways) == 1:
        return _choice(backend, ways[0], why)
    return measure(recipe, backend, ways, num_steps)


def _candidates(recipe: Recipe, backend: Backend, num_train: int, num_steps: int) -> tuple[list[Way], str]:
    """Return the ways worth measuring, the plainest first, and if there is only one, why."""
    kind = backend.device.type
    if recipe.way == "graph" and kind != "cuda":
        raise CockpitError(f"way is graph, but CUDA graphs need a CUDA card, not {backend.name}; take --way auto")
    if recipe.exact:
        return [Way("fp32", "eager")], "exact reruns were asked for"
    guess_s = 3 * MODELS[recipe.model].flops * num_train * recipe.num_epochs / _CPU_FLOPS
    short = num_steps < _SHORT_STEPS if kind == "cuda" else guess_s < _SHORT_S
    precisions, ways, why = [backend.precision], ["eager"], [f"the usual way on {kind}"]
    if recipe.precision != "auto":
        why = [f"{recipe.precision} was asked for"]
    elif short:
        why = ["the run is too short to repay trying others"]
    elif kind == "cpu" and has_bf16(backend.device):
        precisions = ["fp32", "bf16"]
    elif kind == "cpu":
        why = ["this CPU has no bf16 instructions"]
    if recipe.way != "auto":
        ways, why = [recipe.way], [*why, f"{recipe.way} was asked for"]
    elif kind == "cuda" and not short:
        ways = ["eager", "graph"]
    return [Way(precision, way) for precision in precisions for way in ways], " and ".join(why)


def measure(recipe: Recipe, backend: Backend, ways: Sequence[Way], num_steps: int) -> records.Choice:
    """Time several ways, interleaved, and choose the fastest: the plainest unless another is clearly faster.

    Args:
        recipe: Network, classes and batch size.
        backend: The device.
        ways: The plainest first.
        num_steps: Steps that the run will take; on a CPU the measurement takes no more than a small share of them.

    Raises:
        CockpitError: When no way works.
        RuntimeError: When none does for want of memory.
    """
    tried: list[records.Trial] = []
    rounds = _ROUNDS
    if backend.device.type == "cpu" and recipe.batch_size > _FEW:
        tried = time_ways(recipe, backend, ways, batch_size=_FEW, rounds=2)
        limit_s = _FAR * min(_seconds(trial) for trial in tried)
        ways = [way for way, trial in zip(ways, tried, strict=True) if _seconds(trial) <= limit_s]
        rounds = min(_ROUNDS, int(_SHARE * num_steps / len(ways)) - 1)
        if len(ways) == 1 or rounds < 1:
            return _verdict(backend, tried, tried, num_steps)
    whole = time_ways(recipe, backend, ways, batch_size=recipe.batch_size, rounds=rounds)
    left_s = num_steps * min(_seconds(trial) for trial in whole)
    if backend.device.type == "cuda" and recipe.way == "auto" and left_s > _COMPILE_STEPS_S:
        compiled = [Way(ways[0].precision, "compiled")]
        whole += time_ways(recipe, backend, compiled, batch_size=recipe.batch_size, rounds=rounds)
    return _verdict(backend, whole, tried + whole, num_steps)


def time_ways(
    recipe: Recipe, backend: Backend, ways: Sequence[Way], *, batch_size: int, rounds: int
) -> list[records.Trial]:
    """Take steps in each way by turns; return the median of each, or what went wrong with it."""
    setups: dict[Way, float] = {}
    notes: dict[Way, str] = {}
    times: dict[Way, list[float]] = {way: [] for way in ways}
    steps = _CARD_STEPS if backend.device.type == "cuda" else 1
    with Rig(recipe, backend, batch_size) as rig:
        for way in ways:
            try:
                setups[way] = rig.prepare(way)
            except RuntimeError as error:  # out of memory among them
                notes[way] = str(error).partition("\n")[0]
                rig.drop(way)
        for _ in range(rounds):
            for way in list(setups):
                try:
                    times[way].append(rig.time(way, steps))
                except RuntimeError as error:  # a graph keeps its memory: there may be none left for eager steps
                    note = str(error).partition("\n")[0]
                    for other in [other for other in setups if other != ways[0]] or [way]:
                        notes[other] = note
                        del setups[other]
                        times[other].clear()
                        rig.drop(other)
                    break
    return [
        records.Trial(
            precision=way.precision,
            way=way.way,
            batch_size=batch_size,
            step_s=statistics.median(times[way]) if times[way] else None,
            setup_s=setups.get(way) if way.way != "eager" else None,
            note=notes.get(way, ""),
        )
        for way in ways
    ]


def _verdict(backend: Backend, last: list[records.Trial], tried: list[records.Trial], num_steps: int) -> records.Choice:
    """Choose among the last comparison's trials; what a setup takes is laid on the steps it serves."""
    cost = {id(trial): _seconds(trial) + (trial.setup_s or 0.0) / max(1, num_steps) for trial in last}
    plain, best = last[0], min(last, key=lambda trial: cost[id(trial)])
    if best.step_s is None:
        error = RuntimeError(f"no step can be taken on {backend.name}: {plain.note}")
        raise error if is_out_of_memory(error) else CockpitError(str(error))
    if cost[id(best)] >= _GAIN * cost[id(plain)]:
        best = plain
    others = ", ".join(_describe(trial) for trial in last if trial is not best)
    reason = f"{_describe(best)} a step of {best.batch_size} images, against {others}"
    return _choice(backend, Way(best.precision, best.way), reason, tried)


def _describe(trial: records.Trial) -> str:
    time_s = f"failed ({trial.note})" if trial.step_s is None else f"{trial.step_s * 1000:.3g} ms"
    return f"{trial.precision} {trial.way} {time_s}"


def _seconds(trial: records.Trial) -> float:
    return math.inf if trial.step_s is None else trial.step_s


def _choice(backend: Backend, way: Way, reason: str, trials: Sequence[records.Trial] = ()) -> records.Choice:
    return records.Choice(
        time=time.time(),
        device=backend.name,
        precision=way.precision,
        way=way.way,
        reason=reason,
        trials=list(trials),
    )
