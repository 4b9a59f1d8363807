"""One run folder: the only code that knows the names of the files in it."""

import contextlib
import fcntl
import os
from functools import cached_property
from pathlib import Path

import msgspec

from cockpit import durable, records
from cockpit.errors import CockpitError
from cockpit.lines import LineWriter, whole_lines
from cockpit.recipe import Recipe, from_json
from cockpit.store.metrics import Tail, find_choice, read_tail


class RunBusyError(CockpitError):
    """Another process is writing to the run."""


class Run:
    """One run folder.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Run({self.id})"

    @property
    def id(self) -> str:
        """The folder's name: `<yyyymmdd-hhmmss>-<model>-<dataset>-<4 hex>`."""
        return self.path.name

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe, which never changes.

        Raises:
            CockpitError: When recipe.json cannot be read.
        """
        path = self.path / "recipe.json"
        try:
            return from_json(path.read_bytes(), path)
        except OSError as error:
            raise CockpitError(f"{path} cannot be read: {error.strerror}") from error

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
    def last_path(self) -> Path:
        """The resume state: weights, optimizer, counters, random state."""
        return self.path / "last.pt"

    @property
    def best_path(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.safetensors"

    @property
    def test_path(self) -> Path:
        """The test of the best weights."""
        return self.path / "test.json"

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
        """Return every launch of the trainer, the oldest first; damaged lines are passed over."""
        launches = []
        for line in whole_lines(self.launches_path):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                launches.append(msgspec.json.decode(line, type=records.Launch))
        return launches

    def append_launch(self, launch: records.Launch) -> None:
        """Add a line to launches.jsonl; only the holder of the writer lock may."""
        with LineWriter(self.launches_path) as file:
            file.append(records.encode(launch))
            file.sync()

    def test_report(self) -> records.TestReport | None:
        """Return the test of the best weights, or None when there is none or it cannot be read."""
        try:
            return msgspec.json.decode(self.test_path.read_bytes(), type=records.TestReport)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write_test_report(self, report: records.TestReport) -> None:
        """Replace test.json."""
        durable.write_atomically(self.test_path, msgspec.json.format(msgspec.json.encode(report)) + b"\n")

    def estimate(self) -> records.Estimate | None:
        """Return what a preflight found, or None when there is none or it cannot be read."""
        try:
            return msgspec.json.decode(self.estimate_path.read_bytes(), type=records.Estimate)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write_estimate(self, estimate: records.Estimate) -> None:
        """Write estimate.json."""
        durable.write_atomically(self.estimate_path, msgspec.json.format(msgspec.json.encode(estimate)) + b"\n")

    def lock(self) -> int:
        """Take the writer lock and return its file descriptor; it is freed when every copy of that is closed.

        Raises:
            RunBusyError: When another process holds it.
        """
        try:
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CockpitError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise RunBusyError(f"run {self.id} is being written by another trainer; stop it first") from None
        return handle

    def tail(self) -> Tail:
        """Read the newest records, from the end of metrics.jsonl backwards and no further than needed."""
        return read_tail(self.metrics_path)

    def choice(self, device: str) -> records.Choice | None:
        """Return the newest record of how the run's steps are computed on a device, or None when there is none yet."""
        return find_choice(self.metrics_path, device)

    def log_tail(self, max_lines: int, max_bytes: int = 65_536) -> list[str]:
        """Return the last lines that the trainer printed, as they stand: the caller must neutralise them."""
        try:
            with open(self.log_path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - max_bytes))
                text = file.read(max_bytes).decode("utf-8", "replace")
        except OSError:
            return []
        return text.splitlines()[-max_lines:]

    def size_bytes(self) -> int:
        """Return the bytes of all files in the folder."""
        total = 0
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
        return total
