"""Lists among the values of recipe flags: their product is a sweep."""

import itertools
from collections.abc import Mapping

from cockpit.errors import CockpitError
from cockpit.recipe import options


def spread(typed: Mapping[str, str]) -> list[dict[str, str]]:
    """Return every combination of what was typed for each field, the last field changing fastest.

    Args:
        typed: By field, a value or several with commas between.

    Raises:
        CockpitError: For a list with an empty or a repeated value.
    """
    names = [option.name for option in options() if option.name in typed]
    lists = [_values(name, typed[name]) for name in names]
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
