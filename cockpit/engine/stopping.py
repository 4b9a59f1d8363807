"""Being asked to stop: a signal sets a flag, which the loop looks at between steps.

Where nothing can be left half done, in long work that looks at no flag, a signal ends the work itself.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from cockpit.progress import Cancelled

REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Signals that ask for a stop; USR1 is Slurm's warning."""
BEFORE_STEPS = "before the first step"
"""When a stop came that left nothing to save."""


class Stopped(Exception):  # noqa: N818  not an error
    """The run ends here by request, its checkpoint saved if there was anything to save."""


class StopFlag:
    """True once a signal asked the process to stop; being called makes it a predicate."""

    def __init__(self) -> None:
        self.reason = ""
        self._interrupts = False

    def __call__(self) -> bool:
        return bool(self.reason)

    @property
    def how(self) -> str:
        """How the request came, to stand behind the word stopped. Who sent the signal is not known.

        A stop by the cockpit is a SIGTERM, like that of a shutdown; SIGUSR1 is nobody's wish but Slurm's warning.
        """
        return f"by {self.reason}" if self.reason == "SIGUSR1" else f"when asked ({self.reason})"

    def install(self) -> None:
        """Take TERM, INT and USR1 as requests to stop, and ignore HUP: ssh may drop."""
        for number in REQUESTS:
            signal.signal(number, self._ask)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @contextlib.contextmanager
    def at_once(self, when: str) -> Iterator[None]:
        """Let a request end the work in here without waiting for it, wherever it stands.

        Args:
            when: The end of the sentence that says so, for example "while cifar10 was prepared".

        Raises:
            Stopped: As soon as a request comes, or when there was one already.
        """
        try:
            self._interrupts = True
            if self.reason:
                raise KeyboardInterrupt
            yield
            self._interrupts = False
        except (KeyboardInterrupt, Cancelled):
            if not self.reason:  # a Ctrl-C of a command that takes no requests
                raise
            raise Stopped(f"{self.how} {when}") from None
        finally:
            self._interrupts = False

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.reason = signal.Signals(number).name
        if self._interrupts:
            self._interrupts = False
            raise KeyboardInterrupt  # which nobody takes for an error of the work
