"""Writes checkpoints in a thread of its own, so that the step loop never waits for a disk.

The order is what a kill at any moment needs: the best weights, then the record that tells of them, then the state to
resume from. When saves are slower than epochs, what waits is replaced by what is newer; no record is ever left out.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from cockpit import records
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import Snapshot, save_best, save_last
from cockpit.engine.journal import Journal
from cockpit.store import Run


class _Work(NamedTuple):
    best: Snapshot | None
    told: tuple[records.Record, ...]
    last: Snapshot


class Keeper:
    """Keeps a run's snapshots; a context, which ends when all that was given to it is on the disk."""

    def __init__(self, run: Run, journal: Journal, normalization: Normalization, classes: tuple[str, ...]) -> None:
        """Keep the snapshots of a run.

        Args:
            run: Where.
            journal: Who writes its records.
            normalization: What the network's inputs are normalised with; it goes with the best weights.
            classes: Class names; they go with them too.
        """
        self._run, self._journal = run, journal
        self._normalization, self._classes = normalization, classes
        self._changed = threading.Condition()
        self._waiting: _Work | None = None
        self._busy = False
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write_all, name="keeper", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        if error is None:
            self._raise_error()

    def keep(self, last: Snapshot, *, best: bool = False, epoch: Sequence[records.Record] = ()) -> None:
        """Have a snapshot written, soon.

        Args:
            last: What a resume shall begin from.
            best: Whether its weights are the best so far too.
            epoch: The records of an epoch, to write once the best weights are on the disk.

        Raises:
            OSError: When an earlier save failed, because the disk is full for example.
        """
        with self._changed:
            self._raise_error()
            waiting = self._waiting
            self._waiting = _Work(
                best=last if best else waiting and waiting.best,
                told=(*(waiting.told if waiting else ()), *epoch),
                last=last,
            )
            self._changed.notify_all()

    def flush(self) -> None:
        """Return when everything is on the disk.

        Raises:
            OSError: When a save failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error or not (self._waiting or self._busy))
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                work, self._waiting = self._waiting, None
                if work is None:
                    return
                self._busy = True
            try:
                self._write(work)
            except Exception as error:  # handed to the loop, which raises it
                with self._changed:
                    self._error = error
                    self._waiting = None  # nothing newer may be kept without what it follows
                    self._changed.notify_all()

    def _write(self, work: _Work) -> None:
        if work.best is not None:
            save_best(self._run, work.best, self._normalization, self._classes)
        for record in work.told:
            self._journal.write(record, durable=record is work.told[-1])
        save_last(self._run, work.last)
