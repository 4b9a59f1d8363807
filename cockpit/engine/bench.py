"""How fast a network trains here, beside what bounds it and what people usually write; the arms take turns.

floor: the same step on one fixed batch that is on the device already: no data, no records.
engine: the trainer itself, with its augmentation, sums and records.
dataloader: torchvision's transforms on PIL images in a DataLoader, fp32, NCHW, eager, the loss read every step.
augment: the engine's batches alone. loader: that DataLoader's batches alone.
"""

import gc
import math
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import torch

from cockpit.engine.augment import batches, draw_plan
from cockpit.engine.backend import wait_for
from cockpit.engine.journal import Journal
from cockpit.engine.probe import Rig, Way
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import Loop, begin
from cockpit.engine.usual import UsualTraining, usual_loader
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from nets import MODELS

Say = Callable[[str], None]
"""Told what is being measured."""
ARMS = ("floor", "engine", "dataloader", "augment", "loader")
WORKERS = 4
"""Processes of the DataLoader."""
_ROUNDS = 5
_SETTLE_S = 0.5
"""How long an arm takes steps that are not timed, one at least, when its turn comes: the DataLoaders' processes are
still busy with what the arm before has left them to do."""
_WARM_UP = 20
"""Steps before anything is timed, as far as a fifth of an arm's time allows; one at least."""
_PEAKS = {"H200": 790e12, "H100": 790e12, "A100": 312e12}
"""Dense bf16 FLOP/s by what stands in a card's name: Hopper's as measured with large products, A100's by its maker."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm reached over the rounds."""

    img_per_s: float
    """Median images a second."""
    low: float
    """The slowest round."""
    high: float
    """The fastest."""


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """How fast one network trains on one device."""

    model: str
    """Architecture."""
    dataset: str
    """Whose images, and how many classes."""
    device: str
    """For example "cuda:0 NVIDIA H200" or "cpu"."""
    threads: int
    """Threads of torch on the CPU."""
    precision: str
    """"fp32" or "bf16", of floor and engine."""
    way: str
    """"eager", "graph" or "compiled", of floor and engine."""
    reason: str
    """Why that precision and way."""
    batch_size: int
    """Images a step."""
    arms: dict[str, Arm | None]
    """By name; None for one that could not be measured, see the notes."""
    engine_over_floor: float | None
    """Median ratio of neighbouring rounds; 1 is the best there can be."""
    engine_over_dataloader: float | None
    """The same against the usual way of writing it."""
    mfu: float | None
    """Share of the device's bf16 peak in the engine's arithmetic, 3 forward passes an image; None if unknown."""
    peak_bytes: int
    """Peak memory of the engine: reserved on the card, or resident in the process on a CPU."""
    recipe_s: float
    """Projected seconds of the recipe's training steps."""
    setup_s: float | None
    """Seconds of a capture or compilation; None where there is neither."""
    break_even_steps: int | None
    """Steps after which that has repaid itself."""
    notes: list[str]
    """What could not be measured, and why."""


def bench(recipe: Recipe, device: str, seconds: float, say: Say) -> BenchResult:
    """Measure one network.

    Args:
        recipe: A complete recipe.
        device: What was asked for, see `choose_backend`.
        seconds: How long to measure each arm, the warm-up not counted.
        say: Told what is being measured.

    Raises:
        CockpitError: When the engine cannot train it here.
    """
    notes: list[str] = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cockpit-bench-")))
        run = RunStore(home).create(recipe)
        say(f"{recipe.model}: preparing")
        loop = begin(run, device, Journal(run, attempt=1, aloud=False), StopFlag())
        arms: dict[str, _Measured] = {"engine": _Measured(_engine(loop), loop)}
        arms["engine"].warm_up(seconds)
        peak_bytes = peak_memory(loop.backend.device)
        for name, make in (
            ("floor", lambda: _floor(loop, stack)),
            ("dataloader", lambda: _dataloader(loop)),
            ("augment", lambda: _augment(loop)),
            ("loader", lambda: _loader(loop)),
        ):
            say(f"{recipe.model}: warming up the {name}")
            try:
                arms[name] = _Measured(make(), loop)
                arms[name].warm_up(seconds)
            except (RuntimeError, ImportError) as error:
                arms.pop(name, None)
                notes.append(f"{name} could not be measured: {str(error).partition(chr(10))[0]}")
        for number in range(1, _ROUNDS + 1):
            for name, arm in list(arms.items()):
                try:
                    arm.measure(seconds / _ROUNDS)
                except RuntimeError as error:
                    if name == "engine":
                        raise
                    del arms[name]
                    notes.append(f"{name} could not be measured: {str(error).partition(chr(10))[0]}")
                    continue
                say(f"{recipe.model}: round {number} of {_ROUNDS}, {name} {arm.rates[-1]:,.0f} img/s")
        for arm in arms.values():
            arm.steps.close()
    gc.collect()
    return _result(loop, arms, peak_bytes, notes)


def _result(loop: Loop, arms: dict[str, "_Measured"], peak_bytes: int, notes: list[str]) -> BenchResult:
    recipe, choice = loop.recipe, loop.choice
    engine = statistics.median(arms["engine"].rates)
    mfu = None
    peak = next((peak for name, peak in _PEAKS.items() if name in loop.backend.name), None)
    if peak is None:
        notes.append(f"no MFU: the peak of {loop.backend.name} is not known")
    elif choice.precision != "bf16":
        notes.append("no MFU: it is told for bf16 only")
    else:
        mfu = 3 * MODELS[recipe.model].flops * engine / peak
    chosen = next((t for t in choice.trials if (t.precision, t.way) == (choice.precision, choice.way)), None)
    plain = next((t for t in choice.trials if t.way == "eager" and t.precision == choice.precision), None)
    setup_s = chosen.setup_s if chosen else None
    gained_s = plain.step_s - chosen.step_s if plain and chosen and plain.step_s and chosen.step_s else 0.0
    return BenchResult(
        model=recipe.model,
        dataset=recipe.dataset,
        device=loop.backend.name,
        threads=torch.get_num_threads(),
        precision=choice.precision,
        way=choice.way,
        reason=choice.reason,
        batch_size=recipe.batch_size,
        arms={name: arms[name].summary() if name in arms else None for name in ARMS},
        engine_over_floor=_ratio(arms, "floor"),
        engine_over_dataloader=_ratio(arms, "dataloader"),
        mfu=mfu,
        peak_bytes=peak_bytes,
        recipe_s=recipe.num_epochs * len(loop.data.train) / engine,
        setup_s=setup_s,
        break_even_steps=math.ceil(setup_s / gained_s) if setup_s and gained_s > 0 else None,
        notes=notes,
    )


def _ratio(arms: dict[str, "_Measured"], other: str) -> float | None:
    if other not in arms:
        return None
    return statistics.median(a / b for a, b in zip(arms["engine"].rates, arms[other].rates, strict=True))


def peak_memory(device: torch.device) -> int:
    """Return the most memory held so far, bytes: reserved on a card since the probe, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024


class _Measured:
    """An arm: an endless iterator whose every item is a step's number of images."""

    def __init__(self, steps: Generator[int], loop: Loop) -> None:
        self.steps = steps
        self.rates: list[float] = []
        self._device = loop.backend.device
        self._step_s = math.inf

    def warm_up(self, seconds: float) -> None:
        """Take steps that are not timed."""
        began = time.perf_counter()
        for done in range(1, _WARM_UP + 1):
            next(self.steps)
            self._wait()
            self._step_s = (time.perf_counter() - began) / done
            if time.perf_counter() - began > seconds / 5:
                break

    def measure(self, seconds: float) -> None:
        """Time a round of so many seconds, one step at least."""
        self._settle(seconds)
        began, images = time.perf_counter(), 0
        while images == 0 or time.perf_counter() - began < seconds:
            images += next(self.steps)
        self._wait()
        self.rates.append(images / (time.perf_counter() - began))

    def _settle(self, seconds: float) -> None:
        began, stored = time.perf_counter(), 2 * WORKERS  # batches that wait in a DataLoader
        next(self.steps)
        self._wait()
        while time.perf_counter() - began < _SETTLE_S or (stored and self._step_s * stored < seconds / 2):
            next(self.steps)
            stored = max(0, stored - 1)
        self._wait()

    def summary(self) -> Arm:
        """Return the median and the range of the rounds."""
        return Arm(img_per_s=statistics.median(self.rates), low=min(self.rates), high=max(self.rates))

    def _wait(self) -> None:
        wait_for(self._device)


def _engine(loop: Loop) -> Generator[int]:
    while True:
        before = loop.state.batch
        for _ in loop.steps():
            yield min(loop.recipe.batch_size, len(loop.data.train) - before * loop.recipe.batch_size)
            before = loop.state.batch
        loop.end_epoch()


def _floor(loop: Loop, stack: ExitStack) -> Generator[int]:
    rig = stack.enter_context(Rig(loop.recipe, loop.backend, loop.recipe.batch_size))
    way = Way(loop.choice.precision, loop.choice.way)
    rig.prepare(way)
    while True:
        rig.take(way)
        yield loop.recipe.batch_size


def _augment(loop: Loop) -> Generator[int]:
    epoch = 0
    while True:
        plan = draw_plan(
            len(loop.data.train), 0, epoch, loop.backend.device, augment=loop.recipe.augment, hflip=loop.hflip
        )
        for _, labels in batches(loop.data.train, plan, loop.recipe.batch_size, first=0):
            yield len(labels)
        epoch += 1


def _dataloader(loop: Loop) -> Generator[int]:
    training = UsualTraining(loop.recipe, loop.backend.device)
    loader = usual_loader(loop.recipe, WORKERS)
    while True:
        for images, labels in loader:
            training.step(images, labels)
            yield len(labels)


def _loader(loop: Loop) -> Generator[int]:
    loader = usual_loader(loop.recipe, WORKERS)
    while True:
        for _, labels in loader:
            yield len(labels)
