"""Lists among the values of recipe flags: their product is a sweep."""

import itertools
import math
from collections.abc import Mapping

from cockpit.errors import CockpitError
from cockpit.recipe import options

_MOST_RUNS = 10_000
"""More would be a slip of the pen."""


def spread(typed: Mapping[str, str]) -> list[dict[str, str]]:
    """Return every combination of what was typed for each field, the last field changing fastest.

    Args:
        typed: By field, a value or several with commas between.

    Raises:
        CockpitError: For a list with an empty or a repeated value, or too many combinations.
    """
    names = [option.name for option in options() if option.name in typed]
    lists = [_values(name, typed[name]) for name in names]
    count = math.prod(map(len, lists))
    if count > _MOST_RUNS:
        raise CockpitError(f"{count:,} runs would result from these lists; a sweep is of {_MOST_RUNS:,} at most")
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*lists)]


def _values(name: str, text: str) -> list[str]:
    if "," not in text:
        return [text]
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise CockpitError(f"{name} is {text[:40]!r}; there must be a value on both sides of every comma")
    for value in values:
        if values.count(value) > 1:
            raise CockpitError(f"{name} is {text[:40]!r}; {value!r} must stand there only once")
    return values
