"""Being asked to stop: a signal sets a flag, the loop looks at it between steps."""

import signal
from types import FrameType


class Stopped(Exception):  # noqa: N818  not an error
    """The run ends here by request, its checkpoint saved if there was anything to save."""


class StopFlag:
    """True once a signal asked the process to stop; being called makes it a predicate."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self) -> bool:
        return bool(self.reason)

    def install(self) -> None:
        """Take TERM, INT and USR1 (Slurm's warning) as requests to stop, and ignore HUP: ssh may drop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.reason = signal.Signals(number).name
