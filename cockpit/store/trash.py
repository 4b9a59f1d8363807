"""Deleted runs that can still be brought back: hidden beside the runs, until the cockpit that deleted them is left.

How it stays safe, whoever is killed when:

- A deletion is one rename of the run's folder to `.trash-<cockpit>.<run id>`, in the same folder and so on the same
  file system. A run is there or in the trash, whole, and no listing, queue or filter sees a name that begins with a
  dot. It takes no room, so it works on a full disk; emptying is what makes room.
- `.trash-<cockpit>` is an empty file that its cockpit keeps locked as long as it lives, however it ends. Nobody else
  empties what a living one holds.
- What a killed cockpit left is not emptied by the next one as it starts: a link that drops kills a cockpit too, and its
  user had not left it. The next one takes it over, so that `u` still brings it back, and empties it when it is left.
- Emptying begins with one rename to `.gone-<digits>`. A run that is being brought back at the same moment is renamed
  either before or after that: it is back whole, or gone. Nothing brings `.gone-…` back, so anybody may delete it.
- Who leaves the cockpit does not wait for gigabytes to be deleted: a process of its own does that, and if it is killed,
  the next cockpit sweeps the rest.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from cockpit import durable, interpreter
from cockpit.errors import CockpitError
from cockpit.store.run import Run
from cockpit.tickets import RUN_ID

_PREFIX = ".trash-"
_GONE = ".gone-"
_DIGITS = 16
_HOLDER = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]{{{_DIGITS}}}")
_ENTRY = re.compile(rf"{_HOLDER.pattern}\.({RUN_ID.pattern})")


class Deleted(NamedTuple):
    """A run in the trash."""

    id: str
    """Its name, before and after."""
    path: Path
    """Where it is now."""


def deleted(root: Path) -> list[Deleted]:
    """Return all runs in the trash of a folder, whoever deleted them, the newest run first."""
    found = [Deleted(match[1], root / match[0]) for name in _names(root) if (match := _ENTRY.fullmatch(name))]
    return sorted(found, reverse=True)


def restore(entry: Deleted) -> Run:
    """Bring a run back under its name.

    Raises:
        CockpitError: When it is gone, or another run has its name.
    """
    home = entry.path.with_name(entry.id)
    try:
        if os.path.lexists(home):
            raise CockpitError(f"{entry.id} cannot be brought back: {home} is there already; move that away first")
        entry.path.rename(home)
    except FileNotFoundError:
        raise CockpitError(f"{entry.id} is not in the trash any more") from None
    except OSError as error:
        raise CockpitError(f"{entry.id} cannot be brought back: {error.strerror}") from error
    return Run(home)


def discard(path: Path) -> None:
    """Delete a run's folder for good: it vanishes in one step; a symbolic link is only unlinked.

    Raises:
        OSError: When it cannot be deleted.
    """
    if path.is_symlink():
        path.unlink()
        return
    rest = path.with_name(f"{_GONE}{secrets.token_hex(_DIGITS // 2)}")
    path.rename(rest)
    shutil.rmtree(rest, onerror=_unless_gone)


def _unless_gone(_function: object, _path: object, raised: tuple[type[BaseException], BaseException, object]) -> None:
    """Pass over what a cockpit that sweeps has deleted meanwhile."""
    if not isinstance(raised[1], FileNotFoundError):
        raise raised[1]


def sweep(root: Path) -> None:
    """Delete what is left of runs that are gone; whoever does so at the same time is no hindrance."""
    for name in _names(root):
        if name.startswith(_GONE):
            shutil.rmtree(root / name, ignore_errors=True)


def sweep_in_background(root: Path) -> None:
    """Let a process that outlives us delete what is left of runs that are gone, if there is anything."""
    if not any(name.startswith(_GONE) for name in _names(root)):
        return
    with contextlib.suppress(OSError):  # the next cockpit does it then
        subprocess.Popen(
            [sys.executable, *interpreter.module("cockpit.store"), str(root.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


class Trash:
    """The trash of one cockpit over one folder of runs; any thread may use it."""

    def __init__(self, root: Path) -> None:
        """Begin with nothing in it; no file is made before the first deletion."""
        self._root = root
        self._holders: dict[str, int] = {}
        self._deletions: list[list[Deleted]] = []
        self._using = threading.RLock()

    @property
    def num_runs(self) -> int:
        """How many runs can be brought back."""
        return sum(map(len, self._deletions))

    def adopt(self) -> int:
        """Take over what killed cockpits left, and return how many runs that are; a read-only folder is left alone."""
        with self._using:
            entries = deleted(self._root)
            tokens = {entry.path.name[len(_PREFIX) :][:_DIGITS] for entry in entries}
            tokens |= {name[len(_PREFIX) :] for name in _names(self._root) if _HOLDER.fullmatch(name)}
            adopted: list[Deleted] = []
            for token in tokens - {*self._holders}:
                with contextlib.suppress(OSError):
                    if self._hold(token):
                        adopted += [entry for entry in entries if entry.path.name.startswith(f"{_PREFIX}{token}.")]
            if adopted:
                self._deletions.insert(0, adopted)
            return len(adopted)

    def put(self, runs: list[Run]) -> None:
        """Delete runs, so that one `bring_back` brings them all back; those before a refused one are deleted.

        Raises:
            RunBusyError: While a trainer writes to one.
            CockpitError: When one cannot be deleted.
        """
        with self._using:
            deletion: list[Deleted] = []
            try:
                for run in runs:
                    deletion.append(self._put(run))
            finally:
                if deletion:
                    self._deletions.append(deletion)
                    with contextlib.suppress(OSError):
                        durable.sync_folder(self._root)

    def _put(self, run: Run) -> Deleted:
        if run.path.parent != self._root or not RUN_ID.fullmatch(run.id):
            raise CockpitError(f"{run.path} is not a run in {self._root}")
        try:
            handle = None if run.path.is_symlink() else run.lock_soon()
            try:
                entry = Deleted(run.id, self._root / f"{_PREFIX}{self._token()}.{run.id}")
                run.path.rename(entry.path)
            finally:
                if handle is not None:
                    os.close(handle)
        except OSError as error:
            raise CockpitError(f"{run.path} cannot be deleted: {error.strerror}") from error
        return entry

    def bring_back(self) -> list[Run]:
        """Bring back what was deleted last; none when nothing is left to be brought back.

        Raises:
            CockpitError: When a run of it cannot be; the others are back.
        """
        with self._using:
            while self._deletions:
                back, refused, mistakes = [], [], []
                for entry in self._deletions.pop():
                    if os.path.lexists(entry.path):  # else somebody has brought it back already
                        try:
                            back.append(restore(entry))
                        except CockpitError as error:
                            refused.append(entry)
                            mistakes.append(error)
                if mistakes:
                    self._deletions.insert(0, refused)
                    raise mistakes[0]
                if back:
                    return back
            return []

    def empty(self) -> int:
        """Let everything in it be gone, and return how many runs; `sweep` deletes the rest of them."""
        with self._using:
            num_gone = 0
            own = tuple(f"{_PREFIX}{token}." for token in self._holders)
            for entry in deleted(self._root) if own else ():
                if entry.path.name.startswith(own):
                    with contextlib.suppress(OSError):  # brought back just now, or the disk is read-only: then it stays
                        if entry.path.is_symlink():
                            entry.path.unlink()
                        else:
                            entry.path.rename(self._root / f"{_GONE}{secrets.token_hex(_DIGITS // 2)}")
                        num_gone += 1
            self._deletions.clear()
            return num_gone

    def close(self) -> int:
        """Empty it and let go of it, and return how many runs are gone; they are deleted in the background."""
        with self._using:
            num_gone = self.empty()
            for token, handle in self._holders.items():
                with contextlib.suppress(OSError):
                    (self._root / f"{_PREFIX}{token}").unlink()
                os.close(handle)
            self._holders.clear()
            if num_gone:
                sweep_in_background(self._root)
            return num_gone

    def _token(self) -> str:
        if not self._holders:
            while not self._hold(secrets.token_hex(_DIGITS // 2)):
                pass
        return next(iter(self._holders))

    def _hold(self, token: str) -> bool:
        """Lock the file of a cockpit, this one or a killed one; tell whether that could be done."""
        path = self._root / f"{_PREFIX}{token}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            handle = os.open(path, flags, 0o644)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                return False
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path, follow_symlinks=False).st_ino == os.fstat(handle).st_ino:  # else it was left meanwhile
                self._holders[token] = handle
                return True
        except OSError:
            pass
        os.close(handle)
        return False


def _names(root: Path) -> list[str]:
    try:
        return os.listdir(root)
    except OSError:
        return []
