"""What is known of a network without building it: the records of the catalogue. No torch."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["seed", "peer"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published test accuracy; fractions of 1."""

    dataset: str
    """`cifar10` or `cifar100`."""
    top1: float
    """Fraction of the 10,000 test images whose first guess is right."""
    top5: float | None
    """Fraction whose five first guesses hold the right one; None where the source gives none."""
    source: Source
    """`seed`: the table of the repository this project began from. `peer`: another well-known public table."""
    note: str | None = None
    """What keeps the figure from being quite like for like; None where nothing does."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What is known of one network without building it."""

    name: str
    """Its name everywhere: recipes, folders, the command line."""
    family: str
    """The family's name as shown to a person, such as ResNet."""
    entry: str
    """`module:function`, called with (name, num_classes, in_channels)."""
    params: int
    """Trainable parameters with 10 classes and 3 channels."""
    flops: int
    """Operations of one forward pass of one 3×32×32 image, two a multiply-add; convolutions and matrix products."""
    paper: str
    """The paper's title."""
    authors: str
    """The paper's authors, comma-separated."""
    year: int
    """The year of the paper's first version."""
    arxiv: str
    """The paper's arXiv identifier."""
    idea: str
    """The architecture's idea in two sentences."""
    published: tuple[Published, ...]
    """Accuracies that others reached on CIFAR; empty where none is known."""
    lr: float | None
    """The peak learning rate it needs in place of the recipe's; None where the recipe's own serves."""
