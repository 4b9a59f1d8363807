"""Which of many alike cases are tried each time: the others are left to the slow tests."""

from collections.abc import Iterable
from typing import Any

import pytest


def rest_slow(values: Iterable[Any], *usual: Any) -> list[Any]:
    """Return the values as parameters of a test, all but the usual ones marked slow."""
    return [value if value in usual else pytest.param(value, marks=pytest.mark.slow) for value in values]
