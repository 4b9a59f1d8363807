"""What a bench measures: arms, each an endless iterator whose every item is a step's number of images."""

import math
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack

import msgspec

from cockpit.engine.augment import batches, draw_plan
from cockpit.engine.backend import wait_for
from cockpit.engine.probe import Rig, Way
from cockpit.engine.train import Loop
from cockpit.engine.usual import UsualTraining, usual_loader

Say = Callable[[str], None]
"""Told what is being measured."""
ROUNDS = 5
"""How often every arm has its turn."""
WORKERS = 4
"""Processes of the DataLoader."""
SETTLE_S = 0.5
"""How long an arm takes steps that are not timed, one at least, when its turn comes: the DataLoaders' processes are
still busy with what the arm before has left them to do."""
WARM_UP = 20
"""Steps before anything is timed, as far as a fifth of an arm's time allows; one at least."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm reached over the rounds."""

    img_per_s: float
    """Median images a second."""
    low: float
    """The slowest round."""
    high: float
    """The fastest."""


def summary(rates: list[float]) -> Arm:
    """Return the median and the range of the rounds' images a second."""
    return Arm(img_per_s=statistics.median(rates), low=min(rates), high=max(rates))


class Measured:
    """An arm: an endless iterator whose every item is a step's number of images."""

    def __init__(self, steps: Generator[int], loop: Loop) -> None:
        self.steps = steps
        self.rates: list[float] = []
        self._device = loop.backend.device
        self._step_s = math.inf

    def warm_up(self, seconds: float) -> None:
        """Take steps that are not timed."""
        began = time.perf_counter()
        for done in range(1, WARM_UP + 1):
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
        while time.perf_counter() - began < SETTLE_S or (stored and self._step_s * stored < seconds / 2):
            next(self.steps)
            stored = max(0, stored - 1)
        self._wait()

    def summary(self) -> Arm:
        """Return the median and the range of the rounds."""
        return summary(self.rates)

    def _wait(self) -> None:
        wait_for(self._device)


def engine(loop: Loop) -> Generator[int]:
    """Take the trainer's own steps, epoch after epoch."""
    while True:
        before = loop.state.batch
        for _ in loop.steps():
            yield min(loop.recipe.batch_size, len(loop.data.train) - before * loop.recipe.batch_size)
            before = loop.state.batch
        loop.end_epoch()


def floor(loop: Loop, stack: ExitStack) -> Generator[int]:
    """Take its steps on one fixed batch that is on the device already."""
    rig = stack.enter_context(Rig(loop.recipe, loop.backend, loop.recipe.batch_size))
    way = Way(loop.choice.precision, loop.choice.way)
    rig.prepare(way)
    while True:
        rig.take(way)
        yield loop.recipe.batch_size


def augment(loop: Loop) -> Generator[int]:
    """Take the engine's batches alone."""
    epoch = 0
    while True:
        plan = draw_plan(
            len(loop.data.train), 0, epoch, loop.backend.device, augment=loop.recipe.augment, hflip=loop.hflip
        )
        for _, labels in batches(loop.data.train, plan, loop.recipe.batch_size, first=0):
            yield len(labels)
        epoch += 1


def dataloader(loop: Loop) -> Generator[int]:
    """Take the steps that people usually write."""
    training = UsualTraining(loop.recipe, loop.backend.device)
    loader = usual_loader(loop.recipe, WORKERS)
    while True:
        for images, labels in loader:
            training.step(images, labels)
            yield len(labels)


def loader(loop: Loop) -> Generator[int]:
    """Take the DataLoader's batches alone."""
    loader = usual_loader(loop.recipe, WORKERS)
    while True:
        for _, labels in loader:
            yield len(labels)
