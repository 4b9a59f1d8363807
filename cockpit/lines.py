"""Files of lines: one process appends whole lines, others read them while it does; a torn last line is no line yet."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from cockpit.files import LINE_BYTES, RECORDS_BYTES, open_to_append, open_to_read

_BLOCK_BYTES = 16_384
_LARGEST_BLOCK_BYTES = 1 << 20
_EMPTY_LINES = re.compile(rb"\n\n+")


class LineWriter:
    """Append whole lines to a file, each in one unbuffered write, so that a kill tears at most the last."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            OSError: When it is something else than a file or cannot be written.
        """
        self._handle = open_to_append(path)
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
    """Reads the whole lines that were appended to a file; a torn last line waits for its end.

    A line longer than `LINE_BYTES` is passed over, and never held whole; so is an empty one.
    """

    def __init__(self, path: Path, portion_bytes: int = 8 << 20) -> None:
        self._path = path
        self._portion_bytes = portion_bytes
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._in_long_line = False

    def skip(self) -> None:
        """Pass over what is there, up to the last line if that may still be going on."""
        try:
            file = open_to_read(self._path, RECORDS_BYTES)
        except OSError:
            return
        with file:
            state = os.fstat(file.fileno())
            self._identity = (state.st_dev, state.st_ino)
            start = max(0, state.st_size - LINE_BYTES)
            file.seek(start)
            end = file.read(state.st_size - start)
            last_line = end.rfind(b"\n") + 1
            self._in_long_line = start > 0 and not last_line
            self._offset = start + (len(end) if self._in_long_line else last_line)

    def read(self) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield (restarted, lines) in portions; restarted says that the file is another one or was cut short.

        What was read before is void then. A file that cannot be read gives nothing.
        """
        try:
            file = open_to_read(self._path, RECORDS_BYTES)
        except OSError:
            return
        with file:
            state = os.fstat(file.fileno())
            identity = (state.st_dev, state.st_ino)
            restarted = self._identity is not None and (identity != self._identity or state.st_size < self._offset)
            self._identity = identity
            if restarted:
                self._offset, self._in_long_line = 0, False
                yield True, []
            file.seek(self._offset)
            torn = b""
            while chunk := file.read(self._portion_bytes):
                whole, newline, torn = (torn + chunk).rpartition(b"\n")
                if newline:
                    self._offset += len(whole) + 1
                    lines = _split(whole)
                    if self._in_long_line:
                        lines, self._in_long_line = lines[1:], False
                    yield False, _without_long(lines) if _has_long(whole) else _without_empty(lines)
                if len(torn) > LINE_BYTES:
                    self._offset += len(torn)
                    torn, self._in_long_line = b"", True


def whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a file that are neither too long nor empty, none when it cannot be read."""
    for _, lines in LineTail(path).read():
        yield from lines


def lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield what `whole_lines` yields, the last first; a torn last line is left out.

    Raises:
        FileNotFoundError: When there is no file.
        OSError: When it cannot be read.
    """
    with open_to_read(path, RECORDS_BYTES) as file:
        position = file.seek(0, os.SEEK_END)
        rest, unwanted, block_bytes = b"", True, _BLOCK_BYTES  # what stands behind the last newline is no line
        while position > 0:
            start = max(0, position - block_bytes)
            file.seek(start)
            block = file.read(position - start) + rest
            position, block_bytes = start, min(2 * block_bytes, _LARGEST_BLOCK_BYTES)
            rest, *lines = _split(block)
            if lines and unwanted:
                lines, unwanted = lines[:-1], False
            yield from reversed(_without_long(lines) if _has_long(block) else _without_empty(lines))
            if unwanted or len(rest) > LINE_BYTES:
                rest, unwanted = b"", True
        if rest and not unwanted:
            yield rest


def _split(block: bytes) -> list[bytes]:
    """Split at newlines, many in a row taken for one: a file full of them must not become a list of as many lines."""
    return (_EMPTY_LINES.sub(b"\n", block) if b"\n\n" in block else block).split(b"\n")


def _without_empty(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line]


def _without_long(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if 0 < len(line) <= LINE_BYTES]


def _has_long(block: bytes) -> bool:
    """Tell whether a line of a block is too long, without counting each: such a line crosses one of a few places."""
    for place in range(LINE_BYTES, len(block), LINE_BYTES):
        end = block.find(b"\n", place)
        if (end if end >= 0 else len(block)) - block.rfind(b"\n", 0, place) - 1 > LINE_BYTES:
            return True
    return False
