"""What goes wrong with a run while it trains, from its records alone, and what helps.

Pure judgement on curves and figures: no torch, no textual, no clock. Every rule waits until it is sure: an alarm that
cries over the seed's own warm-up or a noisy small batch is worse than none.
"""

import contextlib
import math
import shutil
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.schedule import make_schedule
from cockpit.series import Series
from cockpit.status import RunInfo
from cockpit.store import Run

_HALF_LIFE = 8
"""Live samples: what a few batches do by chance is gone from a mean over so many."""
_FEW = 20
"""Live samples before which nothing is said about the loss."""
_EXPLODED = 3.0
"""So many times its lowest is where a smoothed loss should never come back to."""
_LOST_GROUND = 0.5
"""And it must have given back this share of the loss of guessing: late in a training three times nothing is nothing."""
_PATIENCE_EPOCHS, _PATIENCE_SHARE = 10, 0.15
"""Epochs without a better validation accuracy that are a plateau, and the least share of the planned ones."""
_SPENT_LR = 0.005
"""Below this share of its peak a learning rate may fall further without effect."""
_STARVED, _DEVICE_SAMPLES = 0.5, 10
"""The share of time that a GPU should compute, over so many samples (two seconds each)."""
_GPU_FULL, _CPU_FULL = 0.95, 0.9
_SPARE_BYTES = 32 << 20
ALARMING = frozenset({"running", "stale", "lost"})
"""The statuses of a run that has anything to be alarmed about."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong."""

    severity: Literal["error", "warning"]
    """An error will not mend itself."""
    name: str
    """nan, exploding, not_learning, plateau, starved, memory, disk, lost or stale."""
    sentence: str
    """What is the matter, with its numbers."""
    remedy: str
    """What to do about it."""

    @property
    def text(self) -> str:
        """Sentence and remedy on one line."""
        return f"{self.sentence}: {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the records do not tell."""

    recipe: Recipe | None = None
    """What is trained; None when it cannot be read."""
    free_bytes: int | None = None
    """Room on the disk of the run; None when that is not known."""
    checkpoint_bytes: int = 0
    """Size of the largest checkpoint so far: the next one is written beside it."""


def gather(run: Run) -> Facts:
    """Look up the facts of a run: its recipe, and the room on its disk."""
    recipe, free_bytes, sizes = None, None, [0]
    with contextlib.suppress(CockpitError):
        recipe = run.recipe
        if None in (recipe.lr, recipe.epochs, recipe.warmup_epochs):
            recipe = None  # it was not made here, and what it leaves open nobody can tell
    with contextlib.suppress(OSError):
        free_bytes = shutil.disk_usage(run.path).free
    for path in (run.last_path, run.best_path):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return Facts(recipe=recipe, free_bytes=free_bytes, checkpoint_bytes=max(sizes))


def diagnose(series: Series, info: RunInfo, facts: Facts = Facts()) -> tuple[Alarm, ...]:
    """Return what is wrong with a run now, the gravest first; nothing about one that has ended well or not begun."""
    if info.status not in ALARMING:
        return ()
    if info.status == "lost":
        detail = info.detail or "its process is gone"
        return (_alarm("error", "lost", f"the trainer is lost, {detail}", "resume it"),)
    alarms = []
    if info.status == "stale":
        alarms.append(_alarm("warning", "stale", "the trainer is silent", info.detail or "see its host"))
    if info.status != "lost":
        trouble = _loss(series, facts) or _learning(series, info, facts)  # what explodes does not learn either
        alarms += [trouble, *_devices(series, facts), _disk(facts)]
    return tuple(sorted(filter(None, alarms), key=lambda alarm: alarm.severity))


def _alarm(severity: Literal["error", "warning"], name: str, sentence: str, remedy: str) -> Alarm:
    return Alarm(severity=severity, name=name, sentence=sentence, remedy=remedy)


def _loss(series: Series, facts: Facts) -> Alarm | None:
    """Judge the training loss: not a number, or far above where it has been."""
    losses = series.curve("loss").y
    lower = "stop it and train again with a lower lr"
    lower += f" than {facts.recipe.peak_lr:g}" if facts.recipe else ""
    lower += " or a longer warm-up"
    if losses.size and math.isnan(losses[-1]):
        return _alarm("error", "nan", "the training loss is not a number any more", lower)
    if losses.size < _FEW:
        return None
    smooth = series.smooth("loss", _HALF_LIFE).y
    known = smooth[np.isfinite(smooth)]
    newest = losses[-5:][np.isfinite(losses[-5:])]
    first = losses[: _FEW // 4][np.isfinite(losses[: _FEW // 4])]
    if known.size < _FEW or not newest.size or not first.size:
        return None
    lowest = float(known[_FEW // 4 :].min())
    most = max(_EXPLODED * lowest, lowest + _LOST_GROUND * abs(float(np.median(first))))
    now = min(float(known[-1]), float(np.median(newest)))  # one bad sample moves the mean, a bad run the median too
    if now <= most:
        return None
    return _alarm("error", "exploding", f"the training loss explodes, from {lowest:.3g} to {now:.3g}", lower)


def _learning(series: Series, info: RunInfo, facts: Facts) -> Alarm | None:
    """Judge the progress: none at all, or none any more."""
    best, epochs, recipe = series.best, series.num_epochs, facts.recipe
    if best is None or recipe is None:
        return None
    planned = series.planned_steps(info.epochs)
    losses, accs = series.curve("train_loss").y, series.curve("train_acc").y
    live = series.curve("loss").y
    guessing = live[:1][np.isfinite(live[:1])]
    since_warmup = epochs - math.ceil(recipe.num_warmup_epochs)
    if guessing.size and since_warmup >= 5 and accs[-1] < 0.5 and losses[-1] > 0.97 * guessing[0] > 0:
        sentence = f"it does not learn, its training loss is where it began ({losses[-1]:.3g})"
        remedy = f"stop it and lower lr ({recipe.peak_lr:g}), or warm up longer"
        return _alarm("warning", "not_learning", sentence, remedy)
    rates = series.curve("epoch_lr")
    falls = rates.x[1:][rates.y[1:] < 0.5 * rates.y[:-1]]
    since = max(best.epoch, math.ceil(recipe.num_warmup_epochs), int(falls[-1]) if falls.size else 0)
    stuck = epochs - since
    patience = max(_PATIENCE_EPOCHS, math.ceil(_PATIENCE_SHARE * info.epochs))
    if stuck < patience or info.epochs - epochs < patience / 2 or not planned:  # nearly done, it may as well end
        return None
    schedule = make_schedule(recipe, max(1, round(planned / max(1, info.epochs))))
    rate, last_rate = series.lr or 0.0, schedule.lr(schedule.total_steps - 1)
    if last_rate < 0.5 * rate and rate > _SPENT_LR * schedule.peak:
        return None  # it will fall, which is what ends a plateau
    sentence = f"no better validation accuracy since epoch {best.epoch}, and lr ({rate:.2g}) falls no more"
    fall = "; a schedule that falls (cosine) would gain more" if recipe.schedule == "constant" else ""
    return _alarm("warning", "plateau", sentence, f"stop it, the best checkpoint is kept{fall}")


def _devices(series: Series, facts: Facts) -> list[Alarm]:
    """Judge what the hardware does."""
    alarms = []
    batch = f" than {facts.recipe.batch_size}" if facts.recipe else ""
    trains = series.phase is None or series.phase.state == "running"
    for name, samples in series.history.items():
        newest = list(samples)[-_DEVICE_SAMPLES:]
        is_gpu = name.startswith("cuda")
        busy = [sample.busy for sample in newest if sample.busy is not None]
        if is_gpu and trains and len(busy) == _DEVICE_SAMPLES and np.median(busy) < _STARVED:
            remedy = f"train with a larger batch_size{batch}"
            if facts.recipe and facts.recipe.way == "eager":
                remedy += ", or with way auto, which replays the step as a graph"
            sentence = f"the GPU is starved, {np.median(busy):.0%} busy ({name})"
            alarms.append(_alarm("warning", "starved", sentence, remedy))
        shares = [
            sample.memory_bytes / sample.memory_total_bytes
            for sample in newest[-3:]
            if sample.memory_bytes is not None and sample.memory_total_bytes
        ]
        if len(shares) == 3 and min(shares) >= (_GPU_FULL if is_gpu else _CPU_FULL):
            sentence = f"the memory of {name} is nearly full, {shares[-1]:.0%}"
            remedy = f"a smaller batch_size{batch} needs less; `cockpit preflight` measures how much"
            alarms.append(_alarm("warning", "memory", sentence, remedy))
    return alarms


def _disk(facts: Facts) -> Alarm | None:
    """Judge whether the next checkpoint has room."""
    if facts.free_bytes is None or facts.free_bytes >= 2 * facts.checkpoint_bytes + _SPARE_BYTES:
        return None
    sentence = f"the disk is nearly full, {facts.free_bytes / 2**20:,.0f} MiB are free"
    return _alarm("warning", "disk", sentence, "delete what you do not need, or the next checkpoint has no room")
