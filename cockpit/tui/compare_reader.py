"""Follows the runs that are compared, from a thread."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run
from cockpit.tui.watch import RunReader, RunView

if TYPE_CHECKING:
    from cockpit.series.curves import Metric


class ComparedRun(NamedTuple):
    """One of the runs as it stood at a look."""

    view: RunView
    """Its curves and figures."""
    recipe: Recipe | None
    """What it trains; None when that cannot be read."""


class CompareReader:
    """Reads several runs, of each only what was appended."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """Begin without having read anything."""
        self._readers = {run.id: RunReader(run) for run in runs}
        self._runs = {run.id: run for run in runs}
        self._known: dict[str, ComparedRun] = {}

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
                recipe = self._known[run_id].recipe if run_id in self._known else self._recipe(run_id)
                self._known[run_id] = ComparedRun(view, recipe)
                if not self._readers.keys() <= self._known.keys():
                    yield self._found()
        if changed and self._readers.keys() <= self._known.keys():
            yield self._found()

    def forget(self, run_id: str) -> None:
        """Follow a run no more; a look that goes on may still tell of it."""
        self._readers = {known: reader for known, reader in self._readers.items() if known != run_id}

    def _found(self) -> tuple[ComparedRun, ...]:
        return tuple(self._known[run_id] for run_id in self._readers if run_id in self._known)

    def _recipe(self, run_id: str) -> Recipe | None:
        with contextlib.suppress(CockpitError):
            return self._runs[run_id].recipe
        return None
