"""Whether a file says of real images what the run's network says of them."""

from typing import NamedTuple

import numpy as np
import torch

from cockpit import datasets
from cockpit.engine.augment import ImageBank
from cockpit.engine.backend import Backend
from cockpit.engine.checkpoint import Best
from cockpit.engine.data import prepare
from cockpit.engine.evaluate import load_network
from cockpit.engine.portable import Answer
from cockpit.errors import CockpitError
from cockpit.results import Verification

NUM_IMAGES = 400
"""Test images that are compared, of every class as many."""
TOLERANCE = 1e-4
"""The most that two logits may differ, in the largest logit: other kernels add in another order."""
_BATCHES = (1, 127, 128)
"""Sizes of the first batches; no number of images may be special."""


class UnfaithfulError(CockpitError):
    """A file says something else than the network it was made of."""


class Trial(NamedTuple):
    """Real images, and what the network says of them."""

    images: np.ndarray
    """(N, 3, SIZE, SIZE) uint8."""
    labels: np.ndarray
    """(N,) int64."""
    logits: np.ndarray
    """(N, classes) float32, as the engine computes them: on the CPU, in fp32."""


def make_trial(best: Best) -> Trial:
    """Take test images of every class of the run's dataset, and ask the network, as a test does.

    Raises:
        CockpitError: When they are not here or are others, or what the network says of them is not finite.
    """
    if not datasets.is_ready(best.dataset):
        raise CockpitError(
            f"what is exported is compared with the network on the test images of {best.dataset}, which are not on "
            f"this machine; `cockpit data` says how to get them, --unverified exports without"
        )
    prepare(best.dataset, progress=lambda *_: None, stop=lambda: False)
    if datasets.find_dataset(best.dataset).classes != best.classes:
        raise CockpitError(
            f"the weights tell other classes apart than the dataset {best.dataset} has here, so nothing can be "
            "compared on its images; get the right ones, or export with --unverified"
        )
    images, labels = datasets.load_packed(best.dataset, "test")
    places = _spread(labels, NUM_IMAGES)
    backend = Backend(torch.device("cpu"), "fp32", "cpu")
    bank = ImageBank(images[places], labels[places], best.normalization, backend.device)
    model = load_network(best, backend).eval()
    with torch.inference_mode():
        logits = torch.cat([model(bank.plain(start, start + 100)[0]) for start in range(0, len(bank), 100)]).numpy()
    if not np.isfinite(logits).all():
        raise CockpitError("the network's outputs are not finite: its training diverged; there is nothing to export")
    return Trial(np.ascontiguousarray(images[places].transpose(0, 3, 1, 2)), labels[places], logits)


def _spread(labels: np.ndarray, num_images: int) -> np.ndarray:
    """Return the places of the first images of each class, as many of each, in their order."""
    classes = np.unique(labels)
    each = -(-num_images // len(classes))
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:each] for label in classes]))


def compare(trial: Trial, answer: Answer) -> Verification:
    """Ask a file the same.

    Raises:
        UnfaithfulError: When it says something else.
    """
    found = np.concatenate([answer(part) for part in _batched(trial.images)])
    if found.shape != trial.logits.shape:
        raise UnfaithfulError(f"it gives logits of the shape {found.shape}, not {trial.logits.shape}")
    if not np.isfinite(found).all():
        raise UnfaithfulError("what it gives is not finite")
    tolerance = TOLERANCE * float(np.abs(trial.logits).max())
    largest = float(np.abs(found - trial.logits).max())
    if largest > tolerance:
        raise UnfaithfulError(f"its logits differ by up to {largest:.3g}, and {tolerance:.1g} may be rounding")
    best_two = np.sort(trial.logits, axis=1)[:, -2:]
    tied = best_two[:, -1] - best_two[:, 0] <= 2 * tolerance if trial.logits.shape[1] > 1 else np.ones(len(found), bool)
    others = int(((found.argmax(1) != trial.logits.argmax(1)) & ~tied).sum())
    if others:
        raise UnfaithfulError(f"it takes {others} of {len(found)} images for another class")
    return Verification(
        images=len(found),
        classes=len(np.unique(trial.labels)),
        largest_difference=largest,
        tolerance=tolerance,
        ties=int(tied.sum()),
    )


def _batched(images: np.ndarray) -> list[np.ndarray]:
    return [part for part in np.split(images, np.cumsum(_BATCHES)) if len(part)]
