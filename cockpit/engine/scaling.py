"""How fast a network trains on several devices together, beside one of them alone; the arms take turns.

The ranks are started as those of a run are. All of them take a round together, then the first takes one alone, as the
trainer on one device does, while the others wait. The batch is the recipe's in both: together each has its part of it.
"""

import contextlib
import dataclasses
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import torch

from cockpit import interpreter
from cockpit.device_names import count, names_of
from cockpit.engine import arms, probe
from cockpit.engine.agent import START_S, set_environment, tend
from cockpit.engine.arms import ROUNDS, SETTLE_S, WARM_UP, Arm, Measured, Say, summary
from cockpit.engine.backend import wait_for
from cockpit.engine.data import prepare
from cockpit.engine.group import judge
from cockpit.engine.journal import MuteJournal
from cockpit.engine.member import LastWord, State, die_with, leave
from cockpit.engine.norm import SyncedBatchNorm
from cockpit.engine.ranks import PartedError, Ranks
from cockpit.engine.stopping import REQUESTS, StopFlag, Stopped
from cockpit.engine.train import Loop, begin
from cockpit.errors import CockpitError
from cockpit.lines import LineTail, LineWriter
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

_RESULT, _SAID = "scaling.json", "said.txt"
ONE, TOGETHER, LOCAL = "one", "together", "local"


class ScalingResult(msgspec.Struct, frozen=True, kw_only=True):
    """How fast one network trains on several devices."""

    model: str
    """Architecture."""
    dataset: str
    """Whose images, and how many classes."""
    devices: str
    """One for each process, with commas between."""
    precision: str
    """"fp32" or "bf16", alone and together."""
    way: str
    """How the one device steps: "eager", "graph" or "compiled"; several step eagerly."""
    batch_size: int
    """Images a step, over all devices."""
    arms: dict[str, Arm]
    """one: the first device alone; together: all; local: all, batch norm taking its statistics of each device's own
    images, absent where the network has none."""
    efficiency: dict[str, float]
    """Of together and local: the median over the rounds of its images a second through those of one, times devices."""
    notes: list[str]
    """What the figures mean here."""


class NotMeasuredError(CockpitError):
    """The ranks came to no result."""


def measure_scaling(recipe: Recipe, devices: str, seconds: float, say: Say) -> ScalingResult:
    """Measure one network; call it in the main thread, as it heeds signals.

    Args:
        recipe: A complete recipe that can be trained on several devices.
        devices: Several, each by its own name, with commas between.
        seconds: How long to measure each arm, the warm-up not counted.
        say: Told what is being measured.

    Raises:
        Stopped: When a signal asked for it; no process is left.
        NotMeasuredError: When a rank died or met an error.
    """
    num_ranks, patience_s = count(devices), START_S + seconds  # a probe may compile while the others wait
    threads = torch.get_num_threads()
    set_environment(num_ranks)
    with tempfile.TemporaryDirectory(prefix="cockpit-bench-") as home:
        run = RunStore(Path(home)).create(recipe)
        words = ["--device", devices, "--seconds", str(seconds), "--threads", str(threads)]
        words += ["--starter", str(os.getpid()), "--patience-s", str(patience_s)]
        with _Followed(run, recipe.model, say) as stop:
            with stop.at_once(f"while {recipe.dataset} was prepared"):
                prepare(recipe.dataset, lambda *_: None, stop)
            say(f"{recipe.model}: starting a process for each of {devices}")
            ends = tend(
                [*interpreter.module("cockpit.engine"), str(run.path), "rank", *words], num_ranks, stop, run.path
            )
            if stop():
                raise Stopped(f"{stop.how}")
        word = judge(ends.words, ends.failures, num_ranks, patience_s)
        if word.state != "finished":
            raise NotMeasuredError(word.detail)
        return msgspec.json.decode((run.path / _RESULT).read_bytes(), type=ScalingResult)


class _Followed(StopFlag):
    """A request to stop, which is asked for all the time: then it tells what the first rank has said; a context.

    A hangup is a request too: a bench, unlike a run, is of no use to anybody who has gone.
    """

    def __init__(self, run: Run, model: str, say: Say) -> None:
        super().__init__()
        self._lines, self._model, self._say = LineTail(run.path / _SAID), model, say

    def __call__(self) -> bool:
        for _, lines in self._lines.read():
            for line in lines:
                self._say(f"{self._model}: {line.decode()}")
        return super().__call__()

    def __enter__(self) -> "_Followed":
        self._before = {number: signal.signal(number, self._ask) for number in (*REQUESTS, signal.SIGHUP)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def take_part(
    run: Run, devices: str, seconds: float, *, threads: int, patience_s: float, outbox: Path, starter: int
) -> NoReturn:
    """Be the rank of a bench that torchrun's environment says, and exit.

    Args:
        run: A run of the recipe in a folder that is thrown away; the first rank leaves the result there.
        devices: The devices of all ranks, with commas between.
        seconds: How long to measure each arm.
        threads: How many threads a process that is alone uses on a CPU.
        patience_s: Seconds to wait for the others at any exchange.
        outbox: Where the last words go.
        starter: The process that this one must not outlive.
    """
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is the command's, for its result
    for number in REQUESTS:
        signal.signal(number, signal.SIG_DFL)  # there is nothing to save
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)
    die_with(starter)
    state: State = "finished"
    detail = ""
    try:
        _measure(run, devices, Ranks(devices, patience_s), seconds, threads)
    except PartedError as error:
        state, detail = "unanswered" if error.silent else "parted", str(error)
    except CockpitError as error:
        state, detail = "failed", str(error)
    except Exception as error:  # the engine's edge in this process
        state, detail = "failed", f"{type(error).__name__}: {error}".splitlines()[0]
    leave(LastWord(state=state, detail=detail, step=0, elapsed_s=0.0), outbox)


def _measure(run: Run, devices: str, ranks: Ranks, seconds: float, threads: int) -> None:
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(LineWriter(run.path / _SAID)) if ranks.rank == 0 else None

        def say(text: str) -> None:
            if said is not None:
                said.append(f"{text}\n".encode())

        say("preparing")
        loops = dict(_loops(run, names_of(devices)[ranks.rank], ranks))
        shared = {name: _Shared(loop, ranks) for name, loop in loops.items()}
        for name, arm in shared.items():
            say(f"warming up {name}")
            arm.warm_up(seconds)
        one = loop = None
        if ranks.rank == 0:
            say("warming up one device alone")
            with _threads(threads):
                loop = _alone(run, loops[TOGETHER])
                one = Measured(arms.engine(loop), loop)
                one.warm_up(seconds)
        for number in range(1, ROUNDS + 1):
            for name, arm in shared.items():
                arm.measure(seconds / ROUNDS)
                say(f"round {number} of {ROUNDS}, {name} {arm.rates[-1]:,.0f} img/s")
            if one is not None:
                with _threads(threads):
                    one.measure(seconds / ROUNDS)
                say(f"round {number} of {ROUNDS}, one alone {one.rates[-1]:,.0f} img/s")
            ranks.largest(0)  # here the others wait
    if one is not None and loop is not None:
        rates = {ONE: one.rates} | {name: arm.rates for name, arm in shared.items()}
        result = _result(loop, devices, rates, threads)
        (run.path / _RESULT).write_bytes(msgspec.json.encode(result))


def _loops(run: Run, device: str, ranks: Ranks) -> Iterator[tuple[str, Loop]]:
    """Yield the trainings of all ranks together, each with a network of its own."""
    journal, stop = MuteJournal(), StopFlag()
    together = begin(run, device, journal, stop, ranks)
    yield TOGETHER, together
    if any(isinstance(layer, SyncedBatchNorm) for layer in together.model.modules()):
        local = msgspec.structs.replace(together.choice, batch_norm="local")
        yield LOCAL, Loop.begin(run, together.backend, local, journal, stop, ranks)


def _alone(run: Run, together: Loop) -> Loop:
    """Return the training of the first device alone, in the same precision, its way chosen as the trainer does."""
    backend = together.backend
    recipe = dataclasses.replace(run.recipe, precision=backend.precision)
    choice = probe.decide(recipe, backend, len(together.data.train))
    return Loop.begin(run, backend, choice, MuteJournal(), StopFlag(), None)


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Shared:
    """An arm of all ranks: how many steps a turn has is the first one's to say."""

    def __init__(self, loop: Loop, ranks: Ranks) -> None:
        self.rates: list[float] = []
        self._steps, self._ranks, self._device = arms.engine(loop), ranks, loop.backend.device
        self._step_s = 1.0

    def warm_up(self, seconds: float) -> None:
        """Take steps that are not timed, after the first, which takes longer."""
        self._take(1)
        self._take(1)
        self._take(self._agreed(min(WARM_UP, int(seconds / 5 / self._step_s))))

    def measure(self, seconds: float) -> None:
        """Time a round of about so many seconds, one step at least."""
        self._take(self._agreed(max(1, int(SETTLE_S / self._step_s))))
        number = self._agreed(max(1, round(seconds / self._step_s)))
        images, spent_s = self._take(number)
        self.rates.append(images / spent_s)

    def _take(self, number: int) -> tuple[int, float]:
        self._ranks.largest(0)
        began = time.perf_counter()
        images = sum(next(self._steps) for _ in range(number))
        wait_for(self._device)
        spent_s = time.perf_counter() - began
        if number:
            self._step_s = spent_s / number
        return images, spent_s

    def _agreed(self, number: int) -> int:
        return self._ranks.largest(number if self._ranks.rank == 0 else 0)


def _result(loop: Loop, devices: str, rates: dict[str, list[float]], threads: int) -> ScalingResult:
    num_devices = count(devices)
    return ScalingResult(
        model=loop.recipe.model,
        dataset=loop.recipe.dataset,
        devices=devices,
        precision=loop.backend.precision,
        way=loop.choice.way,
        batch_size=loop.recipe.batch_size,
        arms={name: summary(found) for name, found in rates.items()},
        efficiency={
            name: statistics.median(a / b for a, b in zip(found, rates[ONE], strict=True)) / num_devices
            for name, found in rates.items()
            if name != ONE
        },
        notes=list(_notes(loop, num_devices, threads, rates)),
    )


def _notes(loop: Loop, num_devices: int, threads: int, arms: Iterable[str]) -> Iterator[str]:
    batch_size, own = loop.recipe.batch_size, torch.get_num_threads()
    yield f"a step is of {batch_size} images in every arm; together a device has {batch_size / num_devices:g} of them"
    if loop.backend.device.type == "cpu":
        yield f"threads on the same cores: {threads} of one alone, {own} of each together"
        yield f"so at an efficiency of {1 / num_devices:.2f} they are together as fast as one alone"
    if loop.choice.way != "eager":
        yield f"one device steps as it is fastest ({loop.choice.reason}), several step eagerly"
    if LOCAL not in arms:
        yield "the network has no batch norm"
