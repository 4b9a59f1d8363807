"""The seed's whole tables as one queue that can be taken up again: networks × datasets × seeds under its recipe.

No list of it is kept anywhere. Each time it is looked which run folder has the very recipe of a row, and what that run
is doing; so a run counts whoever made it, and one that is deleted is missing again.
"""

import fnmatch
from collections.abc import Sequence

from cockpit import seed_tables
from cockpit.errors import CockpitError, unknown
from cockpit.recipe import Recipe, options
from nets import MODELS


def rows(only: str = "", dataset: str = "", seeds: str = "", epochs: str = "") -> list[Recipe]:
    """Return the recipes that somebody asked for, as text with commas between.

    Args:
        only: Networks of the catalogue, `*` and `?` standing for anything; empty are those of the seed's tables.
        dataset: Datasets; empty are those of the seed's tables.
        seeds: Random seeds; empty is the recipe's.
        epochs: For a rehearsal, another number of epochs.

    Raises:
        CockpitError: For a name or a number that makes no sense.
    """
    models = _networks(split("--only", only)) if only else seed_tables.networks()
    datasets = split("--dataset", dataset) if dataset else list(seed_tables.DATASETS)
    numbers = [_number("seed", word) for word in split("--seeds", seeds)] if seeds else [Recipe().seed]
    return [
        seed_tables.seeds_recipe(model, name, seed, _number("epochs", epochs) if epochs else None)
        for name in datasets
        for model in models
        for seed in numbers
    ]


def is_rehearsal(recipes: Sequence[Recipe]) -> bool:
    """Tell whether these are not the seed's recipe, so that their results are none of its tables."""
    return not all(map(seed_tables.is_seeds, recipes))


def split(flag: str, text: str) -> list[str]:
    """Return the values of a flag that takes several with commas between.

    Raises:
        CockpitError: When one is empty or stands there twice.
    """
    values = [value.strip() for value in text.split(",")]
    if not all(values) or len(set(values)) < len(values):
        raise CockpitError(f"{flag} is {text[:60]!r}; there must be values, each once, with commas between")
    return values


def _networks(patterns: Sequence[str]) -> list[str]:
    found = []
    for pattern in patterns:
        matches = [name for name in MODELS if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise unknown("model", pattern, MODELS, "cockpit models")
        found += matches
    return list(dict.fromkeys(found))


def _number(name: str, text: str) -> int:
    return next(option for option in options() if option.name == name).parse(text)
