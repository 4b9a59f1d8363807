"""Property tests: a few examples by default, the same every time, and many others under the long mark."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from cockpit.errors import CockpitError

Value = TypeVar("Value")

_COMMON = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def examples(few: int, many: int) -> pytest.MarkDecorator:
    """Give a test its argument `examples`: how many cases to look at, once few and once, by hand, many."""
    return pytest.mark.parametrize(
        "examples",
        [
            pytest.param(settings(_COMMON, max_examples=few, derandomize=True), id="few"),
            pytest.param(settings(_COMMON, max_examples=many), id="many", marks=pytest.mark.long),
        ],
    )


def attempt(make: Callable[[], Value]) -> Value | CockpitError | SystemExit:
    """Return what is made, or how it was refused: by a sentence, or as an unreadable command line."""
    try:
        return make()
    except (CockpitError, SystemExit) as refusal:
        return refusal
