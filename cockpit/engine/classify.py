"""What a run's best network takes image files for."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cockpit import results
from cockpit.engine.augment import ImageBank
from cockpit.engine.backend import Backend
from cockpit.engine.checkpoint import Best, load_best
from cockpit.engine.evaluate import Answers, choose_backend_of, evaluate, load_network
from cockpit.errors import CockpitError
from cockpit.ingest import pictures
from cockpit.store import Run


def classify(run: Run, paths: Sequence[Path], device: str) -> list[results.Classified]:
    """Return what a run's best network takes each image file for; all that can be read go through it together.

    Args:
        run: A run with a checkpoint; nothing else of it is needed.
        paths: Image files of any format, size and mode; see `pictures.read_picture` for what becomes of them.
        device: "auto", "cpu", "mps", "cuda" or "cuda:<n>".

    Raises:
        CockpitError: When there is no undamaged checkpoint, torch has no such device, or the network has diverged.
    """
    best = load_best(run)
    found: dict[int, np.ndarray] = {}
    reasons: dict[int, str] = {}
    for index, path in enumerate(paths):
        try:
            found[index] = pictures.read_picture(Path(os.path.expanduser(path)), formats=pictures.any_formats())
        except pictures.Unusable as error:
            reasons[index] = str(error)
    guesses: dict[int, list[results.Answer]] = {}
    if found:
        told = _ask(best, np.stack([*found.values()]), choose_backend_of(run, best.recipe, device))
        guesses = dict(zip(found, told, strict=True))
    return [
        results.Classified(file=str(path), guesses=guesses.get(index, []), error=reasons.get(index, ""))
        for index, path in enumerate(paths)
    ]


def _ask(best: Best, images: np.ndarray, backend: Backend) -> list[list[results.Answer]]:
    answers: list[Answers] = []
    labels = np.zeros(len(images), np.int64)
    bank = ImageBank(images, labels, best.normalization, backend.device)
    evaluate(load_network(best, backend), bank, backend, answers=answers)
    classes = torch.cat([part.guesses for part in answers]).tolist()
    probabilities = torch.cat([part.probabilities for part in answers])
    if not probabilities.isfinite().all():
        raise CockpitError("the network's outputs are not finite: its training diverged; train it with a lower lr")
    return [
        [
            results.Answer(name=best.classes[index], probability=min(1.0, share))
            for index, share in zip(*one, strict=True)
        ]
        for one in zip(classes, probabilities.tolist(), strict=True)
    ]
