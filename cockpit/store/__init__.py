"""The runs of a folder: made whole, found by name, deleted only there.

Everything of a run is in its folder: `cp -r` moves it, `cat` and `jq` read it, `rm -r` deletes it.
"""

import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cockpit import durable
from cockpit.errors import CockpitError, unknown
from cockpit.recipe import Recipe, to_json
from cockpit.results import Imported
from cockpit.store.entries import write_document
from cockpit.store.lock import RunBusyError
from cockpit.store.metrics import RecordTail, Tail
from cockpit.store.run import Run
from cockpit.store.trash import discard
from cockpit.tickets import RUN_ID, Ticket, write_ticket

__all__ = ["RecordTail", "Run", "RunBusyError", "RunStore", "Tail"]


class RunStore:
    """A folder of runs.

    Attributes:
        root: The folder; it need not exist before the first run.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, recipe: Recipe, ticket: Ticket | None = None) -> Run:
        """Make a run of a complete recipe: its folder appears with recipe.json in it, or not at all.

        Args:
            recipe: The recipe.
            ticket: Its ticket, if it is to wait in the queue from the first moment.

        Raises:
            CockpitError: When the folder cannot be written.
        """

        def fill(folder: Path) -> None:
            durable.write_atomically(folder / "recipe.json", to_json(recipe))
            if ticket is not None:
                write_ticket(folder, ticket)

        return self._make(f"{recipe.model}-{recipe.dataset}", fill)

    def create_imported(self, imported: Imported, save_weights: Callable[[Run], None]) -> Run:
        """Make a run of foreign weights: its folder appears with them and with where they come from, or not at all.

        Args:
            imported: Where they come from.
            save_weights: Writes the best checkpoint of the run that it is given, which has another name yet.

        Raises:
            CockpitError: When the folder cannot be written.
        """

        def fill(folder: Path) -> None:
            save_weights(Run(folder))
            write_document(folder / "imported.json", imported)

        return self._make(f"{imported.model}-{imported.dataset}", fill)

    def _make(self, of: str, fill: Callable[[Path], None]) -> Run:
        began = f"{time.strftime('%Y%m%d-%H%M%S')}-{of}"
        if not RUN_ID.fullmatch(f"{began}-0000"):
            raise CockpitError(f"{began[:80]!r} is no name for a run; complete the recipe first")
        scratch = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            scratch.chmod(0o755)
            fill(scratch)
            home = _settle(scratch, self.root, began)
            durable.sync_folder(self.root)
        except OSError as error:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)
            raise CockpitError(
                f"no run can be made in {self.root}: {error.strerror}; choose another folder with --runs"
            ) from error
        except durable.NoRoomError:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)
            raise
        return Run(home)

    def list(self) -> list[Run]:
        """Return all runs, the newest first."""
        try:
            with os.scandir(self.root) as entries:
                names = [entry.name for entry in entries if RUN_ID.fullmatch(entry.name)]
        except OSError:
            return []
        runs = (Run(self.root / name) for name in sorted(names, reverse=True))
        return [run for run in runs if run.is_there()]

    def get(self, ref: str, *, waiting: bool = False) -> Run:
        """Return the run meant by `ref`: an id, the beginning or end of just one, `last`, or a path in this folder.

        Args:
            ref: The name. `last` is the newest run but for those that wait in the queue for their first launch, of
                which nothing can be watched or tested; where there are no others, the newest of them.
            waiting: Whether `last` is the newest that waits in the queue instead, if any does.

        Raises:
            CockpitError: When none or several match.
        """
        runs = self.list()
        if os.sep in ref and "\0" not in ref:
            home, name = os.path.split(ref.rstrip(os.sep))
            ref = name if os.path.realpath(home) == os.path.realpath(self.root) else ref
        if ref == "last" and runs:
            meant = (run for run in runs if (run.is_queued() if waiting else not run.waits_to_begin()))
            return next(meant, runs[0])
        exact = [run for run in runs if run.id == ref]
        matches = exact or [run for run in runs if ref and (run.id.startswith(ref) or run.id.endswith(ref))]
        if len(matches) > 1:
            raise CockpitError(f"{ref!r} means {len(matches)} runs: {', '.join(run.id for run in matches[:4])}…")
        if not matches:
            raise unknown("run", ref, [run.id for run in runs], f"cockpit runs --runs {self.root}")
        return matches[0]

    def remove(self, run: Run) -> None:
        """Delete a run's folder for good. It vanishes from the listing in one step; a symbolic link is only unlinked.

        Raises:
            RunBusyError: While a trainer writes to it.
            CockpitError: When it cannot be deleted.
        """
        if run.path.parent != self.root or not RUN_ID.fullmatch(run.id):
            raise CockpitError(f"{run.path} is not a run in {self.root}")
        try:
            if run.path.is_symlink():
                run.path.unlink()
                return
            handle = run.lock_soon()
            try:
                discard(run.path)
            finally:
                os.close(handle)
        except OSError as error:
            raise CockpitError(f"{run.path} cannot be deleted: {error.strerror}") from error


def _settle(scratch: Path, root: Path, began: str) -> Path:
    """Give a run's folder its name: the beginning and four digits that no other run has."""
    while True:
        home = root / f"{began}-{secrets.token_hex(2)}"
        try:
            return scratch.rename(home)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
