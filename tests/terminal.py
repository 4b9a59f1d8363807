"""A real terminal for tests: a program on a pty, and the screen that a terminal would show of what it writes."""

import copy
import os
import signal
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pexpect
import pyte
from waiting import wait_for

_ALTERNATE_SCREEN = 1049
_SIZES = frozenset({"COLUMNS", "LINES"})
"""Variables that outdo the size of a terminal; a test that is one of several processes has them."""


class _Screen(pyte.Screen):
    """pyte's screen and what it lacks: the alternate screen, behind which a terminal keeps the main one."""

    _main: tuple[Any, pyte.screens.Cursor] | None = None

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        super().set_mode(*modes, **kwargs)
        if _ALTERNATE_SCREEN in modes and self._main is None:
            self._main = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*modes, **kwargs)
        if _ALTERNATE_SCREEN in modes and self._main is not None:
            (buffer, self.cursor), self._main = self._main, None
            self.buffer.clear()
            self.buffer.update(buffer)


class Terminal:
    """A program on a pty of `columns` x `rows`; every byte it writes is counted and drawn.

    Attributes:
        raw: All bytes written so far.
        arrivals: When bytes came, by the monotonic clock, and how many there were then.
    """

    def __init__(
        self,
        *words: str,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        draws: bool = True,
    ) -> None:
        """Start a program; a terminal that does not draw leaves the processor to it."""
        self._screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = bytearray()
        self.arrivals: list[tuple[float, int]] = []
        self._draws = draws
        self._child = pexpect.spawn(
            words[0],
            [*words[1:]],
            dimensions=(rows, columns),
            env={
                **{name: value for name, value in os.environ.items() if name not in _SIZES},
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                **(env or {}),
            },
            timeout=None,
        )
        self._child.delaybeforesend = None  # pexpect types 50 ms late by default
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The program's process."""
        assert self._child.pid is not None
        return self._child.pid

    def _read(self) -> None:
        while True:
            try:
                data = self._child.read_nonblocking(65_536, timeout=None)
            except (pexpect.EOF, OSError, ValueError):
                return
            with self._lock:
                self.raw += data
                self.arrivals.append((time.monotonic(), len(self.raw)))
                if self._draws:
                    self._stream.feed(data)

    def text(self) -> str:
        """What the screen shows now, a line a row."""
        with self._lock:
            return "\n".join(self._screen.display)

    def modes(self) -> set[int]:
        """Which of the terminal's modes are on, in pyte's numbers."""
        with self._lock:
            return set(self._screen.mode)

    def settings(self) -> list[Any]:
        """What `stty -a` tells of the terminal."""
        return termios.tcgetattr(self._child.fileno())

    def press(self, keys: str) -> None:
        """Type."""
        self._child.send(keys)

    def wait_for_text(self, text: str, timeout_s: float = 20.0) -> str:
        """Wait until the screen shows a text and return the screen."""
        try:
            wait_for(lambda: text in self.text(), timeout_s, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.text()}") from None
        return self.text()

    def kill(self) -> None:
        """Kill -9 the program and forget its terminal, as a lost connection does."""
        if self._child.isalive():
            os.kill(self.pid, signal.SIGKILL)
        self._child.close(force=True)

    def wait(self, timeout_s: float = 20.0) -> int | None:
        """Wait until the program has ended by itself and return its exit code."""
        wait_for(lambda: not self._child.isalive(), timeout_s, "the program's end")
        self._reader.join(timeout_s)
        return self._child.exitstatus


def behind_a_connection(words: list[str]) -> list[str]:
    """The command line of what stands in for a server: it runs a program on a terminal that vanishes with it."""
    import sys

    return [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *words]


def cockpit_words(runs: Path, *more: str) -> list[str]:
    """The command line that opens the cockpit on a folder of runs."""
    import sys

    return [sys.executable, "-m", "cockpit", "--runs", str(runs), *more]
