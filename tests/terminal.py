"""A real terminal for tests: a program on a pty, and the screen that a terminal would show of what it writes."""

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

import pexpect
import pyte
from waiting import wait_for


class Terminal:
    """A program on a pty of `columns` x `rows`; every byte it writes is counted and drawn.

    Attributes:
        raw: All bytes written so far.
    """

    def __init__(self, *words: str, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = bytearray()
        self._child = pexpect.spawn(
            words[0],
            [*words[1:]],
            dimensions=(rows, columns),
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
            timeout=None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
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
                self._stream.feed(data)

    def text(self) -> str:
        """What the screen shows now, a line a row."""
        with self._lock:
            return "\n".join(self._screen.display)

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


def cockpit_words(runs: Path, *more: str) -> list[str]:
    """The command line that opens the cockpit on a folder of runs."""
    import sys

    return [sys.executable, "-m", "cockpit", "--runs", str(runs), *more]
