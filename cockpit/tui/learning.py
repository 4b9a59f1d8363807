"""Reads what a run's network made of its pictures, and the pictures, from a thread. Nothing here draws."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit import records
from cockpit.datasets import DATASETS, find_dataset, load_packed
from cockpit.errors import CockpitError
from cockpit.guesses import GuessHistory
from cockpit.kept import KeptRun, Stamp, stamp
from cockpit.lines import LineTail
from cockpit.status import RunInfo, describe
from cockpit.store import Run
from cockpit.tui.text import plain

if TYPE_CHECKING:
    import numpy as np

_PORTION_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnView:
    """All that is shown of what a network made of its pictures."""

    info: RunInfo
    """The run."""
    epochs: tuple[records.Guesses, ...]
    """What it made of them at each epoch."""
    classes: tuple[str, ...]
    """Names of the dataset's classes, made harmless; empty when they are not known here."""
    pictures: "Mapping[int, np.ndarray]"
    """(32, 32, 3) uint8 by their place among the training images; those that are on this machine."""
    lack: str
    """Why there are no pictures; empty when there are."""

    def name_of(self, label: int) -> str:
        """Return the name of a class, or its number."""
        return self.classes[label] if label < len(self.classes) else f"class {label}"


class LearnReader:
    """Follows one run, reading only what was appended."""

    def __init__(self, run: Run) -> None:
        self._run = KeptRun(run.path)
        self._tail = LineTail(run.metrics_path, _PORTION_BYTES)
        self._history = GuessHistory()
        self._stamp: Stamp = None
        self._told: tuple[RunInfo, tuple[records.Guesses, ...]] | None = None
        self._classes: tuple[str, ...] = ()
        self._pictures: dict[int, np.ndarray] = {}
        self._lack = ""

    def look(self) -> Iterator[LearnView]:
        """Yield the run if anything of it that is shown changed."""
        info = describe(self._run)
        now = stamp(self._run.metrics_path)
        if now != self._stamp:
            self._stamp = now
            self._read_guesses()
        if self._told == (info, self._history.epochs):
            return
        if self._history.epochs and (self._told is None or self._told[1] != self._history.epochs):
            self._load(info.dataset, self._history.epochs[-1])
        self._told = info, self._history.epochs
        yield LearnView(
            info=info,
            epochs=self._history.epochs,
            classes=self._classes,
            pictures=dict(self._pictures),
            lack=self._lack,
        )

    def _read_guesses(self) -> None:
        for restarted, lines in self._tail.read():
            if restarted:
                self._history = GuessHistory()
            wanted = [line for line in lines if b'"guesses"' in line or b'"running"' in line]
            if wanted:  # most records are live samples
                self._history.extend(records.decode_lines(wanted))

    def _load(self, dataset: str, newest: records.Guesses) -> None:
        """Read the pictures that are not known yet; where they cannot be read, note why."""
        wanted = [guess for guess in newest.guesses if guess.image not in self._pictures]
        if not wanted:
            return
        self._lack = ""
        try:
            self._classes = self._classes or tuple(plain(name, 40) for name in find_dataset(dataset).classes)
            images, labels = load_packed(dataset, "train")
        except CockpitError:
            remedy = f" · `cockpit data get {dataset}` fetches them" if dataset in DATASETS else ""
            self._lack = f"no pictures: the images of {plain(dataset, 64)} are not on this machine{remedy}"
            return
        if any(guess.image >= len(labels) or int(labels[guess.image]) != guess.label for guess in wanted):
            self._lack = f"no pictures: the {plain(dataset, 64)} on this machine is another than the run's"
            return
        self._pictures = {guess.image: images[guess.image].copy() for guess in newest.guesses}
