"""The catalogue as test parameters: costly networks are left to the slow suite where a test really computes."""

import functools
from collections.abc import Collection

import pytest
import torch
from torch import nn

from nets import MODELS, build

FAMILIES = sorted({spec.family for spec in MODELS.values()})
SLOW_FLOPS = 2.2e9
"""Above this one forward and backward pass in float64 takes seconds on a laptop's core."""


@functools.cache
def build_shapes(name: str, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """Build a network that has shapes but no memory."""
    with torch.device("meta"):
        return build(name, num_classes, in_channels=in_channels)


def smallest_of(family: str) -> str:
    """Return the family's network of the fewest operations."""
    return min((spec.flops, spec.name) for spec in MODELS.values() if spec.family == family)[1]


def by_cost(names: Collection[str]) -> list:
    """Return the names as parameters, the costly ones marked slow unless their family has none cheaper."""
    quick = {smallest_of(family) for family in FAMILIES}
    slow = {name for name in names if MODELS[name].flops > SLOW_FLOPS and name not in quick}
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]
