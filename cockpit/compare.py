"""Runs side by side: the fields in which their recipes differ, and what each has reached. For screen and command."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from cockpit.recipe import options
from cockpit.status import RunInfo, TestScores
from nets.catalog import MODELS

if TYPE_CHECKING:
    import numpy as np

MAX_RUNS = 8
"""So many curves can be told apart."""
UNKNOWN = "?"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has reached; what it has not measured is None."""

    id: str
    """The run."""
    status: str
    """What it is doing, see `cockpit.status`."""
    epoch: int
    """Epochs done."""
    epochs: int
    """Epochs planned."""
    best_val_acc: float | None
    """The highest validation top-1, 0-1."""
    best_epoch: int | None
    """The epoch of it."""
    best_val_loss: float | None
    """The lowest validation loss, whatever its epoch."""
    final_val_acc: float | None
    """Validation top-1 of the newest epoch, 0-1."""
    final_val_loss: float | None
    """Validation loss of the newest epoch."""
    test: TestScores | None
    """The newest test, see `cockpit.status.RunInfo`."""
    elapsed_s: float
    """Training seconds."""
    img_per_s: float | None
    """Training images a second in the newest epoch."""
    params: int | None
    """Parameters of the network, as the catalogue counts them."""
    device: str = ""
    """What it was trained on, for example "NVIDIA H200", or "cpu, NVIDIA H200" where it was resumed on something else;
    empty while that is not known."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `cockpit compare --json` prints."""

    differing: dict[str, list[str]]
    """By field of the recipe, the value of each run, in the order of the runs; "?" where one has no recipe."""
    runs: list[Figures]
    """What each has reached."""


def differing(infos: Sequence[RunInfo]) -> dict[str, list[str]]:
    """Return the fields in which the recipes of runs differ, with the value of each.

    Network and dataset are known of an imported run, too. In the other fields one without a recipe is not compared; it
    has a `UNKNOWN` there where others differ.
    """
    found = {}
    for option in options():
        texts = [option.text(getattr(info.recipe, option.name)) if info.recipe else UNKNOWN for info in infos]
        known = {text for text, info in zip(texts, infos, strict=True) if info.recipe}
        if option.name in ("model", "dataset"):
            texts = [
                text if info.recipe else getattr(info, option.name) for text, info in zip(texts, infos, strict=True)
            ]
            known = {*texts}
        if len(known) > 1:
            found[option.name] = texts
    return found


def figures(info: RunInfo, epochs: "Mapping[str, np.ndarray]", device: str = "") -> Figures:
    """Return what a run has reached.

    Args:
        info: Its row.
        epochs: The columns of its whole epochs, see `cockpit.series.curves.Snapshot`.
        device: What it was trained on, see `cockpit.provenance.Provenance`; several with commas between.
    """

    def newest(column: str) -> float | None:
        values = epochs[column]
        return float(values[-1]) if values.size and math.isfinite(values[-1]) else None

    losses = [loss for loss in epochs["val_loss"].tolist() if math.isfinite(loss)]
    return Figures(
        id=info.id,
        status=info.status,
        epoch=info.epoch,
        epochs=info.epochs,
        best_val_acc=info.best_val_acc,
        best_epoch=info.best_epoch,
        best_val_loss=min(losses, default=None),
        final_val_acc=newest("val_acc"),
        final_val_loss=newest("val_loss"),
        test=info.test,
        elapsed_s=info.elapsed_s,
        img_per_s=newest("img_per_s"),
        params=MODELS[info.model].params if info.model in MODELS else None,
        device=device,
    )
