"""Waiting for what another process does, without sleeping a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(predicate: Callable[[], Value], timeout_s: float = 60.0, what: str = "", every_s: float = 0.02) -> Value:
    """Return the first true value of `predicate`, asked every 20 ms or so.

    Raises:
        AssertionError: When it stays false for `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what or predicate}")
        time.sleep(every_s)
