"""Run folders: the only code that knows the names of the files in one.

Everything of a run is in its folder: `cp -r` moves it, `cat` and `jq` read it, `rm -r` deletes it.
"""

import contextlib
import dataclasses
import fcntl
import math
import os
import re
import secrets
import shutil
import tempfile
import time
from functools import cached_property
from pathlib import Path

import msgspec

from cockpit import durable, records
from cockpit.errors import CockpitError, unknown
from cockpit.lines import LineTail, LineWriter, lines_backwards, whole_lines
from cockpit.recipe import Recipe, from_json, to_json

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class RunBusyError(CockpitError):
    """Another process is writing to the run."""


@dataclasses.dataclass(frozen=True)
class Tail:
    """The newest records of a run, read from the end of its metrics."""

    phase: records.Phase | None
    """The last phase."""
    epoch: records.Epoch | None
    """The last epoch, also when a phase stands behind it."""
    step: records.Step | None
    """The last live sample."""


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
        phase: records.Phase | None = None
        epoch: records.Epoch | None = None
        step: records.Step | None = None
        resumed_at = math.inf
        for record in records.decode_lines(lines_backwards(self.metrics_path)):
            match record:
                case records.Phase():
                    phase = phase or record
                    if record.state == "running":
                        resumed_at = min(resumed_at, record.step)
                case records.Epoch() if epoch is None and record.step <= resumed_at:
                    epoch = record
                case records.Step() if step is None and record.step <= resumed_at:
                    step = record
            if phase and epoch:
                break
        return Tail(phase, epoch, step)

    def choice(self, device: str) -> records.Choice | None:
        """Return the newest record of how the run's steps are computed on a device, or None when there is none yet."""
        newest = None
        for line in whole_lines(self.metrics_path):
            if b'"kind":"choice"' in line:
                for record in records.decode_lines([line]):
                    if isinstance(record, records.Choice) and record.device == device:
                        newest = record
        return newest

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


class RunStore:
    """A folder of runs.

    Attributes:
        root: The folder; it need not exist before the first run.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, recipe: Recipe) -> Run:
        """Make a run of a complete recipe: its folder appears with recipe.json in it, or not at all.

        Raises:
            CockpitError: When the folder cannot be written.
        """
        now = time.strftime("%Y%m%d-%H%M%S")
        scratch = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            scratch.chmod(0o755)
            durable.write_atomically(scratch / "recipe.json", to_json(recipe))
            home = self.root / f"{now}-{recipe.model}-{recipe.dataset}-{secrets.token_hex(2)}"
            scratch.rename(home)
            durable.sync_folder(self.root)
        except OSError as error:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)
            raise CockpitError(
                f"no run can be made in {self.root}: {error.strerror}; choose another folder with --runs"
            ) from error
        return Run(home)

    def list(self) -> list[Run]:
        """Return all runs, the newest first."""
        try:
            with os.scandir(self.root) as entries:
                names = [entry.name for entry in entries if _RUN_ID.fullmatch(entry.name)]
        except OSError:
            return []
        runs = (Run(self.root / name) for name in sorted(names, reverse=True))
        return [run for run in runs if (run.path / "recipe.json").is_file()]

    def get(self, ref: str) -> Run:
        """Return the run meant by `ref`: an id, the beginning or end of just one, `last`, or a path in this folder.

        Raises:
            CockpitError: When none or several match.
        """
        runs = self.list()
        if os.sep in ref:
            path = Path(ref)
            ref = path.name if path.parent.resolve() == self.root.resolve() else ref
        if ref == "last" and runs:
            return runs[0]
        exact = [run for run in runs if run.id == ref]
        matches = exact or [run for run in runs if ref and (run.id.startswith(ref) or run.id.endswith(ref))]
        if len(matches) > 1:
            raise CockpitError(f"{ref!r} means {len(matches)} runs: {', '.join(run.id for run in matches[:4])}…")
        if not matches:
            raise unknown("run", ref, [run.id for run in runs], f"cockpit runs --runs {self.root}")
        return matches[0]

    def remove(self, run: Run) -> None:
        """Delete a run's folder. It vanishes from the listing in one step; a symbolic link is only unlinked.

        Raises:
            RunBusyError: While a trainer writes to it.
            CockpitError: When it cannot be deleted.
        """
        if run.path.parent != self.root or not _RUN_ID.fullmatch(run.id):
            raise CockpitError(f"{run.path} is not a run in {self.root}")
        try:
            if run.path.is_symlink():
                run.path.unlink()
                return
            handle = run.lock()
            try:
                trash = Path(tempfile.mkdtemp(prefix=".trash-", dir=self.root))
                run.path.rename(trash / run.id)
            finally:
                os.close(handle)
            shutil.rmtree(trash)
        except OSError as error:
            raise CockpitError(f"{run.path} cannot be deleted: {error.strerror}") from error


class RecordTail:
    """Reads the records that a run gained since the last call."""

    def __init__(self, run: Run) -> None:
        self._lines = LineTail(run.metrics_path)

    def read(self) -> list[records.Record]:
        """Return the new records, oldest first; none while the file does not exist."""
        return [record for _, lines in self._lines.read() for record in records.decode_lines(lines)]
