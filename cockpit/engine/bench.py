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
from contextlib import ExitStack
from pathlib import Path

import msgspec
import torch

from cockpit.engine.arms import ROUNDS, Arm, Measured, Say, augment, dataloader, engine, floor, loader
from cockpit.engine.journal import Journal
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import Loop, begin
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from nets import MODELS

ARMS = ("floor", "engine", "dataloader", "augment", "loader")
_PEAKS = {"H200": 790e12, "H100": 790e12, "A100": 312e12}
"""Dense bf16 FLOP/s by what stands in a card's name: Hopper's as measured with large products, A100's by its maker."""


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
        arms: dict[str, Measured] = {"engine": Measured(engine(loop), loop)}
        arms["engine"].warm_up(seconds)
        peak_bytes = peak_memory(loop.backend.device)
        for name, make in (
            ("floor", lambda: floor(loop, stack)),
            ("dataloader", lambda: dataloader(loop)),
            ("augment", lambda: augment(loop)),
            ("loader", lambda: loader(loop)),
        ):
            say(f"{recipe.model}: warming up the {name}")
            try:
                arms[name] = Measured(make(), loop)
                arms[name].warm_up(seconds)
            except (RuntimeError, ImportError) as error:
                arms.pop(name, None)
                notes.append(f"{name} could not be measured: {str(error).partition(chr(10))[0]}")
        for number in range(1, ROUNDS + 1):
            for name, arm in list(arms.items()):
                try:
                    arm.measure(seconds / ROUNDS)
                except RuntimeError as error:
                    if name == "engine":
                        raise
                    del arms[name]
                    notes.append(f"{name} could not be measured: {str(error).partition(chr(10))[0]}")
                    continue
                say(f"{recipe.model}: round {number} of {ROUNDS}, {name} {arm.rates[-1]:,.0f} img/s")
        for arm in arms.values():
            arm.steps.close()
    gc.collect()
    return _result(loop, arms, peak_bytes, notes)


def _result(loop: Loop, arms: dict[str, Measured], peak_bytes: int, notes: list[str]) -> BenchResult:
    recipe, choice = loop.recipe, loop.choice
    img_per_s = statistics.median(arms["engine"].rates)
    mfu = None
    peak = next((peak for name, peak in _PEAKS.items() if name in loop.backend.name), None)
    if peak is None:
        notes.append(f"no MFU: the peak of {loop.backend.name} is not known")
    elif choice.precision != "bf16":
        notes.append("no MFU: it is told for bf16 only")
    else:
        mfu = 3 * MODELS[recipe.model].flops * img_per_s / peak
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
        recipe_s=recipe.num_epochs * len(loop.data.train) / img_per_s,
        setup_s=setup_s,
        break_even_steps=math.ceil(setup_s / gained_s) if setup_s and gained_s > 0 else None,
        notes=notes,
    )


def _ratio(arms: dict[str, Measured], other: str) -> float | None:
    if other not in arms:
        return None
    return statistics.median(a / b for a, b in zip(arms["engine"].rates, arms[other].rates, strict=True))


def peak_memory(device: torch.device) -> int:
    """Return the most memory held so far, bytes: reserved on a card since the probe, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024
