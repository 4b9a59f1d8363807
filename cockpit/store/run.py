"""One run folder: the only code, with `submitted` and `tested`, that knows the names of the files in it."""

import contextlib
import os
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import msgspec

from cockpit import durable, files, records, results, tickets
from cockpit.errors import CockpitError
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe, from_json
from cockpit.store.entries import append_entry, read_document, read_entries, write_document
from cockpit.store.lock import RunBusyError, hold
from cockpit.store.metrics import Tail, find_checkpoint_step, find_choice, read_tail
from cockpit.store.remarks import Remarks, check_note, check_tags, read_remarks, write_remarks
from cockpit.store.submitted import Submitted
from cockpit.store.tested import Tested

_UNREAD = frozenset(
    {"last.pt", "last.pt.sha256", "best.safetensors", "best.safetensors.sha256", "log.txt", "test-log.txt"}
    | {"notify-log.txt", "predictions.safetensors"}
    | {".lock", ".reserve", "job.sh", ".turn"}
)
"""Files of a run that a listing does not open, or can do without."""
_LET_GO_S = 2.0
"""How long to wait for a writer lock before the run counts as another trainer's."""


class Run(Submitted, Tested):
    """One run folder.

    Attributes:
        path: The folder.
    """

    def __repr__(self) -> str:
        return f"Run({self.id})"

    @property
    def id(self) -> str:
        """The folder's name: `<yyyymmdd-hhmmss>-<model>-<dataset>-<4 hex>`."""
        return self.path.name

    def is_there(self) -> bool:
        """Tell whether the folder is that of a run, however damaged, or of something that cannot be looked into."""
        for name in ("recipe.json", "launches.jsonl", "metrics.jsonl", "imported.json"):
            try:
                os.lstat(f"{self.path}/{name}")
            except PermissionError:
                return True
            except OSError:
                continue
            return True
        return False

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe, which never changes.

        Raises:
            CockpitError: When recipe.json cannot be read.
        """
        path = self.path / "recipe.json"
        try:
            return from_json(files.read_whole(path, files.DOCUMENT_BYTES), path)
        except FileNotFoundError as error:
            if self.imported() is None:
                raise files.unreadable(path, error) from error
            raise CockpitError(f"run {self.id} was imported, so it has no recipe") from error
        except OSError as error:
            raise files.unreadable(path, error) from error

    @property
    def metrics_path(self) -> Path:
        """The records, one a line."""
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        """What the trainer printed."""
        return self.path / "log.txt"

    @property
    def test_log_path(self) -> Path:
        """What a test started by hand printed."""
        return self.path / "test-log.txt"

    @property
    def notify_log_path(self) -> Path:
        """What the user's command printed at the end of the run."""
        return self.path / "notify-log.txt"

    @property
    def last_path(self) -> Path:
        """The resume state: weights, optimizer, counters, random state."""
        return self.path / "last.pt"

    @property
    def best_path(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.safetensors"

    def weights_digests(self) -> list[str]:
        """Return the SHA-256 of the best weights as their sidecar has it, two while they are replaced; [] without."""
        return durable.digests(self.best_path)

    @property
    def remarks_path(self) -> Path:
        """The user's note and tags."""
        return self.path / "user.json"

    @property
    def estimate_path(self) -> Path:
        """What a preflight found, in the folder that it rehearsed in."""
        return self.path / "estimate.json"

    @property
    def reserve_path(self) -> Path:
        """Room kept for the trainer's last words, given up when the disk is full."""
        return self.path / ".reserve"

    @property
    def launches_path(self) -> Path:
        """The launches, one a line."""
        return self.path / "launches.jsonl"

    def launches(self) -> list[records.Launch]:
        """Return every launch of the trainer, the oldest first; damaged lines are passed over.

        Raises:
            CockpitError: When launches.jsonl cannot be read, or no line of it is a launch.
        """
        return read_entries(self.launches_path, records.Launch, "a launch", "move it away, then resume the run")

    def append_launch(self, launch: records.Launch) -> None:
        """Add a line to launches.jsonl; only the holder of the writer lock may.

        Raises:
            CockpitError: When it cannot be written.
        """
        append_entry(self.launches_path, launch)

    def append_metrics(self) -> LineWriter:
        """Open metrics.jsonl to append to it; only the holder of the writer lock may.

        Raises:
            CockpitError: When it cannot be written.
        """
        try:
            return LineWriter(self.metrics_path)
        except OSError as error:
            raise files.unwritable(self.metrics_path, error) from error

    @property
    def ticket_path(self) -> Path:
        """The ticket of a run that waits in the queue."""
        return tickets.ticket_path(self.path)

    def ticket(self) -> tickets.Ticket | None:
        """Return the run's ticket in the queue, or None when it has none.

        Raises:
            CockpitError: When it cannot be read, or is no ticket.
        """
        return tickets.read_ticket(self.path)

    def is_queued(self) -> bool:
        """Tell whether the run has a ticket in the queue, also one that is damaged."""
        return os.path.lexists(self.ticket_path)

    def waits_to_begin(self) -> bool:
        """Tell whether the run is in the queue and was never launched."""
        try:
            return self.is_queued() and not self.launches()
        except CockpitError:  # something was launched, though it cannot be read what
            return False

    def remarks(self) -> Remarks:
        """Return the user's note and tags.

        Raises:
            CockpitError: When user.json cannot be read, or holds none.
        """
        return read_remarks(self.remarks_path)

    def write_remarks(self, *, note: str | None = None, tags: Iterable[str] | None = None) -> Remarks:
        """Replace the note or the tags, and return what is kept now; anybody may, whether it trains or not.

        Args:
            note: The new note; None leaves it.
            tags: The new tags, all of them; None leaves them.

        Raises:
            CockpitError: When they are too long or no tags, or cannot be written.
        """
        remarks = self.remarks()
        if note is not None:
            remarks = msgspec.structs.replace(remarks, note=check_note(note))
        if tags is not None:
            remarks = msgspec.structs.replace(remarks, tags=check_tags(tags))
        write_remarks(self.remarks_path, remarks)
        return remarks

    def imported(self) -> results.Imported | None:
        """Return where the weights came from if they are foreign ones, else None.

        Raises:
            CockpitError: When imported.json cannot be read, or is not what an import leaves.
        """
        path = self.path / "imported.json"
        return read_document(path, results.Imported, "what an import leaves", "import the weights again")

    def estimate(self) -> results.Estimate | None:
        """Return what a preflight found, or None when it found nothing.

        Raises:
            CockpitError: When estimate.json cannot be read, or is no estimate.
        """
        return read_document(self.estimate_path, results.Estimate, "an estimate", "run the preflight again")

    def write_estimate(self, estimate: results.Estimate) -> None:
        """Write estimate.json."""
        write_document(self.estimate_path, estimate)

    def lock(self) -> int:
        """Take the writer lock and return its file descriptor; it is freed when every copy of that is closed.

        Raises:
            RunBusyError: When another process holds it.
            CockpitError: When the lock file cannot be made or opened.
        """
        return hold(self.path / ".lock", "is being written by another trainer; stop it first")

    def lock_soon(self) -> int:
        """Take the writer lock once it is free, for which it waits two seconds; see `lock`.

        A trainer that was killed counts as gone a moment before the last of its threads has let go of the lock.
        """
        deadline = time.monotonic() + _LET_GO_S
        while True:
            try:
                return self.lock()
            except RunBusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def tail(self) -> Tail:
        """Read the newest records, from the end of metrics.jsonl backwards and no further than needed.

        Raises:
            CockpitError: When metrics.jsonl cannot be read, or no line of it is a record.
        """
        return read_tail(self.metrics_path)

    def checkpoint_step(self) -> int:
        """Return the step from which a resume goes on, 0 when that is the beginning."""
        return find_checkpoint_step(self.metrics_path) if os.path.lexists(self.last_path) else 0

    def choice(self, device: str) -> records.Choice | None:
        """Return the newest record of how the run's steps are computed on a device, or None when there is none yet."""
        return find_choice(self.metrics_path, device)

    def log_tail(self, max_lines: int) -> list[str]:
        """Return the last lines that the trainer printed, as they stand: the caller must neutralise them."""
        return _last_lines(self.log_path, max_lines)

    def test_log_tail(self, max_lines: int) -> list[str]:
        """Return the last lines that a test by hand printed, as they stand: the caller must neutralise them."""
        return _last_lines(self.test_log_path, max_lines)

    def strange_files(self) -> list[str]:
        """Say which of the files that a listing does not read are no files, each in a sentence."""
        try:
            with os.scandir(self.path) as entries:
                others = [entry.name for entry in entries if not entry.is_file(follow_symlinks=False)]
        except OSError:
            return []
        reasons = {self.path / name: files.what_is_wrong(self.path / name) for name in others if name in _UNREAD}
        return [f"{path} cannot be used: {reason}" for path, reason in reasons.items() if reason]

    def size_bytes(self) -> int:
        """Return the bytes of all files in the folder."""
        total = 0
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
        return total


def _last_lines(path: Path, max_lines: int) -> list[str]:
    try:
        text = files.read_end(path, files.LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-max_lines:]
