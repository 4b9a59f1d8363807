"""Downloads and imports of datasets in a process of their own, followed and called off from here.

The process gives up when this one closes its standard input, or dies: nothing half-made outlives either. What of a
download has come is kept for the next one, as always.
"""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec

from cockpit import interpreter
from cockpit.datasets import DATASETS, EMBEDDED, check_name, is_packed
from cockpit.errors import CockpitError
from cockpit.progress import Cancelled, Progress, Stop
from cockpit.rehearsal import end

_LOOK_S = 0.1
_PATIENCE_S = 3.0
"""How long a process that was called off may take to clear up; a silent server would keep it for longer."""
_LINE_BYTES = 1 << 20


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that is wanted."""

    name: str
    """What it is or will be called."""
    path: str = ""
    """The folder or archive that it is imported from; empty for a download."""
    skip_unreadable: bool = False
    """Leave out files that are no images."""
    hflip_ok: bool = True
    """Whether a mirrored image is still of its class."""
    replace: bool = False
    """Replace an imported dataset of that name."""

    def command(self) -> str:
        """Return the line of the command line that does the same."""
        import shlex

        if not self.path:
            return f"cockpit data get {self.name}"
        flags = [("--skip-unreadable", self.skip_unreadable), ("--no-mirror", not self.hflip_ok)]
        words = [flag for flag, given in [*flags, ("--replace", self.replace)] if given]
        return " ".join(["cockpit data import", self.name, shlex.quote(self.path), *words])


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the process tells, a line each."""

    done: int = 0
    total: int = 0
    what: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""
    ended: bool = False


def check(errand: Errand) -> None:
    """Raise CockpitError when an errand cannot be run, in the words of the command line."""
    check_name(errand.name)
    if errand.path:
        from cockpit.ingest import check_import

        check_import(errand.name, errand.path, replace=errand.replace)
    elif errand.name == EMBEDDED or is_packed(errand.name):
        raise CockpitError(f"{errand.name} is here already; another name and a path import images of your own")
    elif errand.name not in DATASETS:
        raise CockpitError(f"there is nothing to download for {errand.name!r}; name the folder of its images")


def run(errand: Errand, *, progress: Progress | None = None, stop: Stop | None = None) -> tuple[str, ...]:
    """Get a dataset, and return what the user should know of it, a sentence each.

    Args:
        errand: What is wanted.
        progress: Told done, total (0 while unknown) and what is being done.
        stop: Asked ten times a second whether to give up.

    Raises:
        CockpitError: When it could not be had, in a sentence.
        Cancelled: When `stop()` returned True; the process is gone.
    """
    check(errand)
    argv = [sys.executable, *interpreter.module("cockpit.cli.errand"), msgspec.json.encode(errand).decode()]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    last = Word()
    try:
        for word in _words(process.stdout.fileno(), stop):
            last = word
            if progress is not None and word.what:
                progress(word.done, word.total, word.what)
    except BaseException:
        process.stdin.close()
        deadline = time.monotonic() + _PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S / 2)
        raise
    finally:
        process.stdin.close()
        if not process.stdout.closed:
            process.stdout.close()
        if last.ended:
            process.wait()
        end(process)
    if last.error:
        raise CockpitError(last.error)
    if not last.ended:
        raise CockpitError(f"`{errand.command()}` was killed (exit code {process.returncode}); try it again")
    return last.notes


def _words(pipe: int, stop: Stop | None) -> Iterator[Word]:
    """Yield what comes until the pipe is closed."""
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while True:
            if stop is not None and stop():
                raise Cancelled
            if not ready.select(_LOOK_S):
                continue
            if not (chunk := os.read(pipe, 1 << 16)):
                return
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_LINE_BYTES]
            for line in lines:
                yield msgspec.json.decode(line, type=Word)
