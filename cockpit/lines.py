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
        self._torn = bool(size) and os.pread(self._handle, 1, size - 1) != b"\n"

    def __enter__(self) -> "LineWriter":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def append(self, line: bytes) -> None:
        """Write one line, newline included.

        Raises:
            OSError: When the disk is full.
        """
        if self._torn:  # the torn line of a killed writer, or of a full disk, must not swallow ours
            line = b"\n" + line
        written = os.write(self._handle, line)
        self._torn = written != len(line) and (self._torn or written > 0)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """See the lines onto the disk."""
        os.fsync(self._handle)


class LineTail:
    """Reads the whole lines that were appended to a file; a torn last line waits for its end."""

    def __init__(self, path: Path, portion_bytes: int = 8 << 20) -> None:
        self._path = path
        self._portion_bytes = portion_bytes
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def read(self) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield (restarted, lines) in portions; restarted says that the file is another one or was cut short.

        What was read before is void then.
        """
        try:
            file = open(self._path, "rb")  # noqa: SIM115 - the with is below, where reading may fail differently
        except OSError:
            return
        with file:
            state = os.fstat(file.fileno())
            identity = (state.st_dev, state.st_ino)
            restarted = self._identity is not None and (identity != self._identity or state.st_size < self._offset)
            self._identity = identity
            if restarted:
                self._offset = 0
                yield True, []
            file.seek(self._offset)
            torn = b""
            while chunk := file.read(self._portion_bytes):
                whole, newline, torn = (torn + chunk).rpartition(b"\n")
                if newline:
                    self._offset += len(whole) + 1
                    yield False, whole.split(b"\n")


def whole_lines(path: Path) -> list[bytes]:
    """Return the whole lines of a file, none when it does not exist."""
    return [line for _, lines in LineTail(path).read() for line in lines]


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
        if not torn:
            yield rest
