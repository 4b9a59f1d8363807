"""From a dataset's name to images on the device: fetch or pack it once, split it by the seed, measure its pixels."""

from typing import NamedTuple

import numpy as np
import torch

from cockpit import datasets
from cockpit.engine.augment import ImageBank, Normalization
from cockpit.engine.guesses import Watched, choose_watched
from cockpit.engine.ranks import Ranks
from cockpit.errors import CockpitError
from cockpit.progress import Progress, Stop
from cockpit.recipe import Recipe, val_images

_CHUNK = 5_000
"""Images whose pixels are summed at a time: float64 sums stay small in memory."""


def prepare(name: str, progress: Progress, stop: Stop) -> None:
    """See that a dataset's images are in the cache.

    Raises:
        CockpitError: When they cannot be fetched or are not what they should be.
        Cancelled: When `stop` said so.
    """
    if datasets.is_packed(name):
        return
    if name == datasets.EMBEDDED:
        from cockpit.ingest import pack_digits

        pack_digits()
    else:
        from cockpit.engine.download import get_dataset

        get_dataset(name, progress=progress, stop=stop)


def check_prepared(name: str) -> None:
    """Raise CockpitError when a dataset's images are not in the cache of this rank's node."""
    if not datasets.is_packed(name):
        raise CockpitError(
            f"{name} is not in {datasets.cache_dir()} here, though it was prepared on the first node; set COCKPIT_DATA "
            "to a folder that all nodes see, then resume the run"
        )


def split_indices(num_images: int, val_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted indices of the training and of the validation part: a permutation seeded by the recipe."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(seed)).numpy()
    num_val = val_images(num_images, val_fraction)
    return np.sort(order[num_val:]), np.sort(order[:num_val])


def measure(images: np.ndarray, kind: str) -> Normalization:
    """Return mean and standard deviation of (N, 32, 32, 3) uint8 images scaled to 0-1.

    A pixel that hardly varies (the border of the digits) would be magnified without bound once a crop or a rotation
    moves ink onto it, so no pixel's deviation is taken as less than half its channel's. CIFAR's pixels are all above.

    Args:
        images: The training part, never validation or test images.
        kind: "pixel" for a (32, 32, 3) image of each, "channel" for (1, 1, 3).

    Returns:
        Deviations of the whole population, at least 1/255, the smallest step a pixel can take.
    """
    mean = np.zeros(images.shape[1:], np.float64)
    square = np.zeros_like(mean)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float64) / 255.0
        mean += chunk.sum(0) / len(images)
        square += np.square(chunk).sum(0) / len(images)
    channel_mean = mean.mean((0, 1), keepdims=True)
    channel_std = _deviation(square.mean((0, 1), keepdims=True), channel_mean)
    if kind == "channel":
        mean, std = channel_mean, channel_std
    else:
        std = np.maximum(_deviation(square, mean), channel_std / 2)
    return Normalization(*(torch.from_numpy(part.astype(np.float32)) for part in (mean, np.maximum(std, 1 / 255))))


def _deviation(mean_square: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(mean_square - np.square(mean), 0.0))


class TrainingData(NamedTuple):
    """The two parts of a training set, on the device."""

    train: ImageBank
    """What the weights learn from."""
    val: ImageBank
    """What the best epoch is chosen by."""
    normalization: Normalization
    """Measured on the training part; the test needs it too."""
    watched: Watched
    """Validation images whose guesses are recorded."""


def load_training_data(recipe: Recipe, device: torch.device, ranks: Ranks | None = None) -> TrainingData:
    """Split a packed dataset's training images by the recipe and put both parts on the device.

    Args:
        recipe: The recipe.
        device: The device.
        ranks: Those who share the validation images, of which this process gets its part; None when it has all.
    """
    images, labels = datasets.load_packed(recipe.dataset, "train")
    train, val = split_indices(len(images), recipe.val_fraction, recipe.seed)
    own = slice(*ranks.share(len(val))) if ranks is not None else slice(None)
    watched = choose_watched(val, labels, recipe.seed, own)
    val = val[own]
    train_images = images[train]
    normalization = measure(train_images, recipe.normalize)
    return TrainingData(
        ImageBank(train_images, labels[train], normalization, device),
        ImageBank(images[val], labels[val], normalization, device),
        normalization,
        watched,
    )
