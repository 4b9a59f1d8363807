"""What a run takes: operations from the catalogue, seconds from what was measured on the device, else unknown. Pure."""

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from cockpit.datasets import find_dataset
from cockpit.recipe import Recipe, val_images
from nets import MODELS

_FORWARD = 1 / 3
"""What an image costs that is only looked at, beside one that is learned from: the gradients with respect to inputs and
to weights take as many operations each as the forward pass."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds on one device."""

    seconds: float
    """The likeliest."""
    low_s: float
    """With the fastest rate that was measured there."""
    high_s: float
    """With the slowest."""
    measured: bool
    """Whether this network was measured there; else its FLOPs are scaled by what was."""


class Pace(NamedTuple):
    """What was measured on a device."""

    img_per_s: Mapping[str, float]
    """Training images a second by network."""

    @property
    def rates(self) -> list[float]:
        """Operations of forward passes a second, of each network that was measured, the slowest first."""
        return sorted(MODELS[name].flops * speed for name, speed in self.img_per_s.items())


def pace(speeds: Iterable[tuple[str, float]]) -> Pace:
    """Return the pace of a device: the median of each network's speeds.

    Args:
        speeds: (network, training images a second) of runs on it.
    """
    by_model: dict[str, list[float]] = {}
    for model, img_per_s in speeds:
        if model in MODELS and img_per_s > 0:
            by_model.setdefault(model, []).append(img_per_s)
    return Pace({model: statistics.median(found) for model, found in by_model.items()})


def images(recipe: Recipe, epochs: int) -> float:
    """Return how many images so many epochs and the test are worth, in images that are learned from."""
    dataset = find_dataset(recipe.dataset)
    num_val = val_images(dataset.train_images, recipe.val_fraction)
    return epochs * (dataset.train_images - num_val + _FORWARD * num_val) + _FORWARD * dataset.test_images


def work(recipe: Recipe, epochs: int) -> float:
    """Return what so many epochs and the test take, in operations of forward passes; compares runs."""
    return MODELS[recipe.model].flops * images(recipe, epochs)


def estimate(recipe: Recipe, epochs: int, known: Pace) -> Estimate | None:
    """Return the time of so many epochs and the test, or None where nothing was measured on the device.

    Networks differ in how well they use a device: where this one was not measured, the rates of those that were give
    the likeliest (their median) and the limits.
    """
    speed = known.img_per_s.get(recipe.model)
    if speed:
        seconds = images(recipe, epochs) / speed
        return Estimate(seconds=seconds, low_s=seconds, high_s=seconds, measured=True)
    rates = known.rates
    if not rates:
        return None
    operations = work(recipe, epochs)
    return Estimate(
        seconds=operations / statistics.median(rates),
        low_s=operations / rates[-1],
        high_s=operations / rates[0],
        measured=False,
    )
