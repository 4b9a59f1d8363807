"""The seed's tables: which networks and datasets they have, the recipe of a row, and what others reached. Pure."""

from typing import Any

from cockpit.errors import CockpitError
from cockpit.recipe import Recipe, usual_recipe
from nets import MODELS
from nets.spec import Published, Source

DATASETS = ("cifar10", "cifar100")
"""Of the tables, in their order."""


def networks() -> list[str]:
    """Return the networks for which the seed's tables have a figure, the later ones among them, in catalogue order."""
    return [name for name, spec in MODELS.items() if any(one.source == "seed" for one in spec.published)]


def seeds_recipe(model: str, dataset: str, seed: int = 0, epochs: int | None = None) -> Recipe:
    """Return the complete recipe of a row of the tables.

    Args:
        model: A network.
        dataset: A dataset.
        seed: What the split, the weights and the order of the images come from.
        epochs: For a rehearsal: another number of them, over which the recipe's schedule is stretched.

    Raises:
        CockpitError: For an unknown name or a value out of range.
    """
    chosen: dict[str, Any] = {"seed": seed} if epochs is None else {"seed": seed, "epochs": epochs}
    return usual_recipe(model, dataset, "seed", **chosen).complete()


def is_seeds(recipe: Recipe) -> bool:
    """Tell whether a complete recipe is the seed's for its network and dataset, whatever its random seed."""
    try:
        return recipe == seeds_recipe(recipe.model, recipe.dataset, recipe.seed)
    except CockpitError:  # of a network or a dataset that is not known here
        return False


def published(model: str, dataset: str, source: Source) -> Published | None:
    """Return the best figure that a source gives for a network on a dataset, or None where it gives none."""
    spec = MODELS.get(model)
    found = [one for one in spec.published if (one.dataset, one.source) == (dataset, source)] if spec else []
    return max(found, key=lambda one: one.top1, default=None)
