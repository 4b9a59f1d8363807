"""A run for who looks at it again and again: what has not changed is not read again, nor are records, only new ones."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from cockpit import records, results
from cockpit.durable import sidecar_of
from cockpit.lines import LineTail
from cockpit.store import Run, Tail
from cockpit.store.remarks import Remarks
from cockpit.tickets import Ticket

Value = TypeVar("Value")

Stamp = tuple[int, int, int] | None
"""What changes with a file; None where there is none."""


def stamp(path: str | Path) -> Stamp:
    """Return the stamp of a file or a folder."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


class KeptRun(Run):
    """A run that remembers what its files held; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Begin without having read anything."""
        super().__init__(path)
        self._values: dict[Path, tuple[Stamp, Any]] = {}
        self._tail: Tail | None = None
        self._appended: LineTail | None = None

    def launches(self) -> list[records.Launch]:
        """Return every launch of the trainer, the oldest first."""
        return self._keep(self.launches_path, super().launches)

    def ticket(self) -> Ticket | None:
        """Return the run's ticket in the queue, or None when it has none."""
        return self._keep(self.ticket_path, super().ticket)

    def submissions(self) -> list[records.Submission]:
        """Return every submission to Slurm as last written, the oldest first."""
        return self._keep(self.submissions_path, super().submissions)

    def test_report(self) -> results.TestReport | None:
        """Return the test of the best weights, or None when there is none."""
        return self._keep(self.test_path, super().test_report)

    def weights_digests(self) -> list[str]:
        """Return the SHA-256 of the best weights as their sidecar has it."""
        return self._keep(sidecar_of(self.best_path), super().weights_digests)

    def remarks(self) -> Remarks:
        """Return the user's note and tags."""
        return self._keep(self.remarks_path, super().remarks)

    def tail(self) -> Tail:
        """Return the newest records."""
        return self._keep(self.metrics_path, self._read_tail)

    def _read_tail(self) -> Tail:
        """Look back from the end, and from the second time on only at what was appended: most runs do not grow."""
        tail = self._fold(self._tail, self._appended) if self._tail and self._appended else None
        if tail is None:
            if self._tail:
                self._appended = LineTail(self.metrics_path)
                self._appended.skip()  # before the look back: what comes in between is read twice, which does no harm
            self._tail = None  # if that fails, the next look begins anew
            tail = super().tail()
        self._tail = tail
        return tail

    def _fold(self, tail: Tail, appended: LineTail) -> Tail | None:
        """Return the newest records now, or None when some of these do not count any more."""
        for restarted, lines in appended.read():
            if restarted:
                return None
            for record in records.decode_lines(lines):
                match record:
                    case records.Phase(state="running"):
                        return None
                    case records.Phase():
                        tail = replace(tail, phase=record)
                    case records.Epoch():
                        tail = replace(tail, epoch=record)
                    case records.Step():
                        tail = replace(tail, step=record)
        return tail

    def _keep(self, path: Path, read: Callable[[], Value]) -> Value:
        now = stamp(path)
        known = self._values.get(path)
        if known is None or known[0] != now:
            known = self._values[path] = now, read()
        return known[1]
