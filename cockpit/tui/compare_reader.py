"""Follows the runs that are compared, from a thread."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cockpit.provenance import trace
from cockpit.status import RunInfo
from cockpit.store import Run
from cockpit.tui.run_reader import RunReader, RunView

if TYPE_CHECKING:
    from cockpit.series.curves import Metric


class ComparedRun(NamedTuple):
    """One of the runs as it stood at a look."""

    view: RunView
    """Its curves and figures."""
    made: RunInfo
    """Its row as it was first: what it was made with, also when it is deleted meanwhile."""
    devices: str
    """What it was trained on, by every launch that trained, with commas between; empty while that is not known."""


class CompareReader:
    """Reads several runs, of each only what was appended."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """Begin without having read anything."""
        self._readers = {run.id: RunReader(run) for run in runs}
        self._known: dict[str, ComparedRun] = {}
        self._runs = {run.id: run for run in runs}
        self._traced: dict[str, tuple[tuple[object, ...], str]] = {}

    def smooth(self, half_lives: "Mapping[Metric, float]") -> None:
        """Ask for other metrics to be smoothed, from the next look on."""
        for reader in self._readers.values():
            reader.smooth(half_lives)

    def look(self) -> Iterator[tuple[ComparedRun, ...]]:
        """Yield the runs read so far if one changed; a first look tells of each as soon as it is read."""
        changed = False
        for run_id, reader in list(self._readers.items()):
            for view in reader.look():
                changed = True
                made = self._known[run_id].made if run_id in self._known else view.info
                self._known[run_id] = ComparedRun(view, made, self._trace(run_id, view))
                if not self._readers.keys() <= self._known.keys():
                    yield self._found()
        if changed and self._readers.keys() <= self._known.keys():
            yield self._found()

    def forget(self, run_id: str) -> None:
        """Follow a run no more; a look that goes on may still tell of it."""
        self._readers = {known: reader for known, reader in self._readers.items() if known != run_id}

    def _trace(self, run_id: str, view: RunView) -> str:
        """Return what a run was trained on; its records are looked through again only when that may have changed."""
        launched = view.info.launched or 0.0
        resumed = tuple(resume.step for resume in view.resumes)
        step = max(
            (rows["step"][-1] for rows in (view.curves.samples, view.curves.epochs) if rows["step"].size), default=0
        )
        goes_on = bool(step > max(resumed, default=0))  # until then the newest launch has trained nothing
        device = (view.device.name, view.device.time >= launched) if view.device else None
        state = (launched, resumed, goes_on, device)
        known = self._traced.get(run_id)
        if known is None or known[0] != state:
            known = self._traced[run_id] = state, ", ".join(trace(self._runs[run_id]).devices)
        return known[1]

    def _found(self) -> tuple[ComparedRun, ...]:
        return tuple(self._known[run_id] for run_id in self._readers if run_id in self._known)
