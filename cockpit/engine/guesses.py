"""Which validation images a run is watched by, and the record of what the network takes them for.

Their logits are taken from those of the validation, so that to record them costs no step and changes nothing.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cockpit import records

NUM_IMAGES = 12
_DECIMALS = 4


class Watched(NamedTuple):
    """A few validation images."""

    images: list[int]
    """The place of each among the dataset's training images."""
    labels: list[int]
    """The class of each."""
    here: list[int]
    """Which of them this process validates, by their number among these."""
    places: list[int]
    """The place of each of those among what this process validates."""


def choose_watched(val: np.ndarray, labels: np.ndarray, seed: int, own: slice = slice(None)) -> Watched:
    """Choose images of as many classes as there can be, by the seed alone: a resume and another run choose the same.

    Args:
        val: (N,) places of the validation images among the training images.
        labels: The class of every training image.
        seed: The recipe's.
        own: The part of the validation images that this process has.
    """
    order = torch.randperm(len(val), generator=torch.Generator().manual_seed(seed)).numpy()
    by_class: dict[int, list[int]] = {}
    for image in val[order].tolist():
        by_class.setdefault(int(labels[image]), []).append(image)
    depth = max(map(len, by_class.values()), default=0)
    rounds = (found[row] for row in range(depth) for found in by_class.values() if row < len(found))
    chosen = [image for image, _ in zip(rounds, range(NUM_IMAGES), strict=False)]
    chosen.sort(key=lambda image: (labels[image], image))
    place_of = {image: place for place, image in enumerate(val[own].tolist())}
    here = [number for number, image in enumerate(chosen) if image in place_of]
    places = [place_of[chosen[number]] for number in here]
    return Watched(chosen, [int(labels[image]) for image in chosen], here, places)


def make_record(watched: Watched, logits: Tensor, *, epoch: int, step: int) -> records.Guesses:
    """Return the record of an epoch.

    Args:
        watched: The images.
        logits: (images, classes), on the CPU.
        epoch: Epochs done.
        step: Steps done.
    """
    shares = logits.double().softmax(dim=1)
    best_shares, bests = shares.max(dim=1)
    label_shares = shares[range(len(watched.labels)), watched.labels]
    rows = zip(watched.images, watched.labels, bests.tolist(), best_shares.tolist(), label_shares.tolist(), strict=True)
    guesses = [
        records.Guess(image, label, best, _rounded(best_share), _rounded(label_share))
        for image, label, best, best_share, label_share in rows
    ]
    return records.Guesses(epoch=epoch, step=step, guesses=guesses)


def _rounded(share: float) -> float | None:
    return round(share, _DECIMALS) if share == share else None
