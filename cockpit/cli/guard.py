"""Puts the terminal in order when the cockpit is killed, which a killed process cannot do itself.

A child waits on a pipe. When the pipe closes without the word that the cockpit ended by itself, the child leaves the
full screen, restores the terminal's settings and says what happened. It knows nothing of runs.
"""

import contextlib
import os
import signal
import termios
import tty
from typing import Any

_INPUT, _OUTPUT = 0, 2
"""The descriptors whose terminal Textual sets up and draws on."""
_OPENED, _CLOSED = b"o", b"c"
_LEAVE = (
    "\x1b\\"  # ends a sequence that the kill cut off
    "\x1b[?2026l"  # no more waiting for the end of an update
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b]22;default\x07"  # mouse
    "\x1b[?2004l\x1b[?1004l\x1b[?2048l"  # bracketed paste, reports of focus and size
    "\x1b[0m\x1b[?7h"  # no colour, long lines wrap
    "\x1b[<u"  # kitty's keyboard protocol, on the full screen's own stack
    "\x1b[?1049l\x1b[?25h"  # the main screen, its cursor
)
"""Undoes what textual/drivers/linux_driver.py turns on."""
_LAST_WORDS = "The cockpit was killed; runs go on."
_TOO_LATE = " Press enter for the prompt."


class TerminalGuard:
    """Restores the terminal if this process is killed inside the `with` block.

    Make it while the process is small and has one thread, because it forks; enter it when Textual begins.
    """

    def __init__(self) -> None:
        """Remember the terminal's settings and start the child."""
        settings = termios.tcgetattr(_INPUT)
        reader, self._pipe = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _watch(reader, settings)
            finally:
                os._exit(0)  # also when the terminal is gone: there is nobody to tell
        os.close(reader)

    def __enter__(self) -> "TerminalGuard":
        self._tell(_OPENED)
        return self

    def __exit__(self, *_: object) -> None:
        self._tell(_CLOSED)
        os.close(self._pipe)
        with contextlib.suppress(ChildProcessError):  # whoever ignores SIGCHLD has no children to wait for
            os.waitpid(self._pid, 0)

    def _tell(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody killed the child, and nothing is guarded any more
            os.write(self._pipe, word)


def _watch(pipe: int, settings: list[Any]) -> None:
    """Wait, in the child, until the cockpit's end of the pipe closes, and do what it could not."""
    os.setsid()  # out of reach of the terminal's keys and of its hangup
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor not in (_INPUT, _OUTPUT, pipe):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    said = b""
    while word := os.read(pipe, 1):
        said += word
    if said == _OPENED:
        _restore(settings)


def _restore(settings: list[Any]) -> None:
    """Leave the full screen and restore the settings, unless a shell was quicker and has made its own for a prompt."""
    words = _LEAVE + _LAST_WORDS
    if termios.tcgetattr(_INPUT)[tty.LFLAG] & termios.ISIG:  # Textual turns this off, a shell's line editor does not
        words += _TOO_LATE  # its prompt stood on the full screen
    else:
        termios.tcsetattr(_INPUT, termios.TCSANOW, settings)
        termios.tcflush(_INPUT, termios.TCIFLUSH)  # what the mouse reported and nobody read
    os.write(_OUTPUT, f"{words}\r\n".encode())
