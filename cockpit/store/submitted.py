"""What submissions to Slurm leave in a run folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cockpit import durable, files, records
from cockpit.store.entries import append_entry, read_entries
from cockpit.store.lock import hold


class Submitted:
    """A run folder as Slurm's side of the cockpit knows it; `Run` is the whole.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def submissions_path(self) -> Path:
        """The submissions to Slurm, a line for each and another for its outcome."""
        return self.path / "submissions.jsonl"

    @property
    def job_script_path(self) -> Path:
        """The script that was last submitted to Slurm."""
        return self.path / "job.sh"

    @property
    def turn_path(self) -> Path:
        """Holds the name of the one Slurm job that may train the run; a stop takes it away."""
        return self.path / ".turn"

    def submissions(self) -> list[records.Submission]:
        """Return every submission to Slurm as last written, the oldest first; damaged lines are passed over.

        Raises:
            CockpitError: When submissions.jsonl cannot be read, or no line of it is a submission.
        """
        remedy = "see in squeue that no job has the run, move it away, then resume the run"
        entries = read_entries(self.submissions_path, records.Submission, "a submission", remedy)
        return list({entry.name: entry for entry in entries}.values())

    def append_submission(self, submission: records.Submission) -> None:
        """Add a line to submissions.jsonl; only within `submitting`.

        Raises:
            CockpitError: When it cannot be written.
        """
        append_entry(self.submissions_path, submission)

    @contextlib.contextmanager
    def submitting(self) -> Iterator[int]:
        """Be the only one to submit the run. A child that inherits the descriptor holds on to that until it ends.

        Raises:
            RunBusyError: When another process submits it.
            CockpitError: When submissions.jsonl cannot be made or opened.
        """
        handle = hold(self.submissions_path, "is just being submitted by another cockpit; wait for it")
        try:
            yield handle
        finally:
            os.close(handle)

    def is_being_submitted(self) -> bool:
        """Tell whether a process submits the run just now."""
        try:
            with files.open_to_read(self.submissions_path, files.LAUNCHES_BYTES) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def turn(self) -> str:
        """Return the name of the Slurm job whose turn it is; empty when it is nobody's."""
        try:
            return files.read_whole(self.turn_path, files.DOCUMENT_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def give_turn(self, job_name: str) -> None:
        """Let this Slurm job alone train the run."""
        durable.write_atomically(self.turn_path, f"{job_name}\n".encode())

    def take_turn(self) -> None:
        """Let no Slurm job train the run, whichever begins.

        Raises:
            CockpitError: When the folder cannot be written.
        """
        try:
            self.turn_path.unlink(missing_ok=True)
        except OSError as error:
            raise files.unwritable(self.turn_path, error) from error
