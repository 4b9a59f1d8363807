"""Progress and cancellation of long jobs, through two callables that the caller gives. Draws and prints nothing."""

import time
from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total (0 while unknown) and what is being done, for example "reading images"."""
Stop = Callable[[], bool]
"""Returns True once the job is no longer wanted."""

INTERVAL_S = 0.2
"""Least time between two calls of `Progress` for the same kind of work."""


class Cancelled(Exception):  # noqa: N818 - the user's wish, not an error
    """The caller's `stop()` returned True; what was half done has been taken away."""


class Ticker:
    """Passes progress on, five times a second at most, and asks at every tick whether to stop."""

    def __init__(self, progress: Progress | None = None, stop: Stop | None = None) -> None:
        self._progress = progress
        self._stop = stop
        self._told_at = float("-inf")
        self._told_what = ""

    def tick(self, done: int, total: int, what: str) -> None:
        """Tell the state of the work; its beginning and its end are always passed on.

        Raises:
            Cancelled: When `stop()` returns True.
        """
        if self._stop is not None and self._stop():
            raise Cancelled
        now = time.monotonic()
        if self._progress is None:
            return
        if done == total or what != self._told_what or now - self._told_at >= INTERVAL_S:
            self._told_at, self._told_what = now, what
            self._progress(done, total, what)
