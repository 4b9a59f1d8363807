"""What this process opens and reads, as the interpreter and the kernel tell it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_LISTENERS: list[list[str]] = []


def _hear(event: str, arguments: tuple) -> None:
    if event == "open" and _LISTENERS and not isinstance(arguments[0], int):
        for paths in _LISTENERS:
            paths.append(os.fsdecode(arguments[0]))


sys.addaudithook(_hear)  # it can never be taken away again, so it costs nothing while nobody listens


@contextlib.contextmanager
def opened_files() -> Iterator[list[str]]:
    """Collect the paths of the files that are opened meanwhile, in their order."""
    paths: list[str] = []
    _LISTENERS.append(paths)
    try:
        yield paths
    finally:
        _LISTENERS.remove(paths)


def read_bytes() -> int:
    """Return how many bytes this process has read so far, from files and elsewhere."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("only Linux tells what a process has read")
    return int(next(line for line in counters.read_text().splitlines() if line.startswith("rchar")).split()[1])
