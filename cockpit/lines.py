"""Files of lines: one process appends whole lines, others read them while it does; a torn last line is no line yet."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK_BYTES = 16_384


class LineWriter:
    """Append whole lines to a file, each in one unbuffered write, so that a kill tears at most the last."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")  # a torn line of a killed writer must not swallow ours

    def __enter__(self) -> "LineWriter":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def append(self, line: bytes) -> None:
        """Write one line, newline included.

        Raises:
            OSError: When the disk is full.
        """
        written = os.write(self._handle, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """See the lines onto the disk."""
        os.fsync(self._handle)


def lines_after(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Return the whole lines from a byte offset on, and the offset behind them; none while the file does not exist."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except OSError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    return data[:whole].split(b"\n")[:-1], offset + whole


def lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a file, the last first; a torn last line is left out."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError:
            return
        position = file.seek(0, os.SEEK_END)
        rest, torn, block_bytes = b"", True, _BLOCK_BYTES
        while position > 0:
            start = max(0, position - block_bytes)
            file.seek(start)
            block = file.read(position - start) + rest
            position, block_bytes = start, 2 * block_bytes
            rest, *lines = block.split(b"\n")
            if lines and torn:
                lines, torn = lines[:-1], False
            yield from reversed(lines)
        if rest and not torn:
            yield rest
