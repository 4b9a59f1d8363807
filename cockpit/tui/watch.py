"""Read the folders of all runs for the screens, from a thread. Nothing here draws, and nothing here writes."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cockpit import jobs
from cockpit.kept import KeptRun, Stamp, stamp
from cockpit.status import LIVE, RunInfo, describe, numbered
from cockpit.store import Run, RunStore

if TYPE_CHECKING:
    from cockpit.dispatch.look import Look

INTERVAL_S = 0.5
"""Seconds between two looks at the folders."""
LOW_BANDWIDTH_INTERVAL_S = 4.0
"""The same for `--low-bandwidth`: a live run of three charts takes a fourth of the bytes."""
_REST_RATIO = 40
"""A look is followed by a rest so many times as long, so that watching costs at most a fortieth of a core."""
_LONGEST_REST_S = 5.0
"""That rest is no longer than this, unless a look takes so long that it would cost more than a twentieth of a core."""
_LEAST_REST_RATIO = 20
_INSTALMENT_S = 0.15
"""A first look at thousands of runs tells what it has so far this often, the newest runs first."""
News = TypeVar("News")


def poll(
    look: Callable[[], Iterator[News]],
    tell: Callable[[News], object],
    cancelled: threading.Event,
    interval_s: float = INTERVAL_S,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Look again and again until cancelled, and tell whatever a look finds that is new."""
    before_s = 0.0
    while not cancelled.is_set():
        begun = clock()
        for news in look():
            if cancelled.is_set():
                return
            tell(news)
        spent_s = clock() - begun
        cancelled.wait(rest_s(min(spent_s, before_s), interval_s))
        before_s = spent_s


def rest_s(spent_s: float, interval_s: float) -> float:
    """Return how long to leave the folders alone.

    Args:
        spent_s: What a look takes, in seconds: of the last two the shorter, for the first one reads everything.
        interval_s: The least.
    """
    return min(max(interval_s, _REST_RATIO * spent_s), max(_LONGEST_REST_S, _LEAST_REST_RATIO * spent_s))


class RunsLook(NamedTuple):
    """The runs as they stood at one look."""

    rows: tuple[RunInfo, ...]
    """The newest first."""
    complete: bool
    """False while older runs are still to be read."""


class OwnBest(NamedTuple):
    """What the user reached with a network on a dataset."""

    top1: float
    """Of tests where there was one, else of validation, 0-1."""
    changes: str
    """What the run's recipe set apart from the seed's; empty when nothing."""
    tested: bool
    """Whether it is a test's; published figures are, and those of validation are not to be set beside them."""


class _Known(NamedTuple):
    """What a look at a run left."""

    paths: tuple[str, ...]
    """What changes with a run; the folder stands for files that are new or replaced."""
    stamps: tuple[Stamp, ...]
    """Of these."""
    row: RunInfo
    """What a listing shows."""
    run: KeptRun | None
    """For the next look, while its trainer lives."""


class RunsReader:
    """Summarises all runs, reading again only those whose files changed or whose trainer lives."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._reading = threading.Lock()
        self._told: RunsLook | None = None

    def own_bests(self) -> dict[tuple[str, str], OwnBest]:
        """Return the best of the runs read so far by (model, dataset); a test goes before any validation."""
        bests: dict[tuple[str, str], OwnBest] = {}
        for known in list(self._known.values()):  # a look may go on in its thread
            row = known.row
            tested = row.test and not row.test.is_outdated(row.best_epoch)
            top1 = row.test.top1 if row.test and tested else row.best_val_acc
            pair = (row.model, row.dataset)
            before = bests.get(pair)
            if top1 is None:
                continue
            best = OwnBest(top1, row.changes, bool(tested))
            if before is None or (best.tested, best.top1) > (before.tested, before.top1):
                bests[pair] = best
        return bests

    def look(self, *, afresh: bool = False) -> Iterator[RunsLook]:
        """Yield the runs if they changed; a long first look comes in instalments.

        Args:
            afresh: Yield them even when nothing changed, for a screen that has forgotten them.
        """
        if afresh:
            self._told = None
        rows: list[RunInfo] = []
        pause_s = _INSTALMENT_S
        due = time.monotonic() + pause_s
        for run in self._store.list():
            rows.append(self.row(run))
            if (self._told is None or not self._told.complete) and time.monotonic() > due:
                pause_s *= 20  # each has the whole table painted
                due = time.monotonic() + pause_s
                self._told = RunsLook(tuple(rows), complete=False)
                yield self._told
        with self._reading:  # another look may have forgotten a run that came after its listing
            self._known = {row.id: self._known[row.id] for row in rows if row.id in self._known}
        found = RunsLook(tuple(numbered(rows)), complete=True)
        if found != self._told:
            self._told = found
            yield found

    def row(self, run: Run) -> RunInfo:
        """Return a run without its place in the queue, read again only if it changed; any thread may ask."""
        with self._reading:
            known = self._known.get(run.id)
            paths = known.paths if known else paths_of(run)
            stamps = tuple(map(stamp, paths))
            if known is None or known.stamps != stamps or _may_change(known):
                kept = (known and known.run) or KeptRun(run.path)
                row = describe(kept, number=False)
                known = _Known(paths, stamps, row, kept if row.status in LIVE else None)
                self._known[run.id] = known
            return known.row


def _may_change(known: _Known) -> bool:
    """Tell whether a run can become another without its files: by its trainer, or by what Slurm does with its job."""
    row = known.row
    if row.status == "pending" and row.job and known.run:
        return not jobs.waits_as_told(known.run, row.job)
    return row.status in LIVE or (row.job is not None and row.status in ("created", "lost"))


def paths_of(run: Run) -> tuple[str, ...]:
    """Return the paths whose stamps tell of a change; as texts: to make a path takes longer than to stat it."""
    own = (run.metrics_path, run.launches_path, run.submissions_path, run.test_path, run.remarks_path, run.path)
    return tuple(map(str, own))


class QueueReader:
    """Follows the queue; what it shows of a run is read again only if that changed."""

    def __init__(self, store: RunStore, runs: RunsReader) -> None:
        self._store = store
        self._runs = runs
        self._told: Look | None = None

    def look(self) -> "Iterator[Look]":
        """Yield the queue if it changed."""
        from cockpit.dispatch.look import look

        found = look(self._store, self._runs.row)
        if found != self._told:
            self._told = found
            yield found
