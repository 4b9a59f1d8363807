"""Print what a run's network took its pictures for."""

import dataclasses
from pathlib import Path
from typing import Any

from cockpit.cli.common import open_store, percent, print_json, print_table, show
from cockpit.cli.fields import RunRef, Whole
from cockpit.datasets import find_dataset
from cockpit.errors import CockpitError
from cockpit.guesses import GuessHistory, is_right, levels, num_right, right_since, told_of
from cockpit.records import Guesses
from cockpit.store import RecordTail, Run

_MOST_LEVELS = 40


@dataclasses.dataclass(frozen=True)
class Learn:
    """Print what the network took twelve validation pictures for, at the newest epoch or another."""

    run: RunRef = "last"
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    epoch: Whole = 0
    """The epoch to look at. Default: the newest."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print all epochs as JSON; with --epoch, that one."""

    def execute(self) -> int:
        """Read the records and print them."""
        run = open_store(self.runs).get(self.run)
        epochs = GuessHistory(RecordTail(run).read()).epochs
        if not epochs:
            raise CockpitError(f"run {run.id} has no guesses yet: they are recorded at the end of every epoch")
        names = _class_names(run)
        if self.epoch:
            epochs = epochs[: 1 + _find(epochs, self.epoch, run)]
        if self.json:
            print_json([_as_dict(one, names) for one in epochs] if not self.epoch else _as_dict(epochs[-1], names))
            return 0
        shown = epochs[-1]
        show(f"{run.id}  epoch {shown.epoch}  {num_right(shown)} of {len(shown.guesses)} right")
        rows = []
        for guess in shown.guesses:
            history = [told and told.label_share for told in told_of(epochs, guess.image)]
            since = right_since(epochs, guess.image)
            rows.append(
                [
                    str(guess.image),
                    _name(names, guess.label),
                    f"{'✓' if is_right(guess) else '✗'} {_name(names, guess.best)}",
                    percent(guess.best_share) or "NaN",
                    percent(guess.label_share) or "NaN",
                    "" if since is None else str(since),
                    levels(history, _MOST_LEVELS),
                ]
            )
        print_table(
            ["image", "is", "taken for", "with", "truth has", "right since", "truth so far"],
            rows,
            right=(0, 3, 4, 5),
            order=("image", "is", "taken for", "with", "truth has", "truth so far"),
        )
        return 0


def _find(epochs: tuple[Guesses, ...], epoch: int, run: Run) -> int:
    for place, one in enumerate(epochs):
        if one.epoch == epoch:
            return place
    raise CockpitError(
        f"run {run.id} has no guesses of epoch {epoch}; it has those of {epochs[0].epoch} to {epochs[-1].epoch}"
    )


def _class_names(run: Run) -> tuple[str, ...]:
    try:
        return find_dataset(run.recipe.dataset).classes
    except CockpitError:  # the dataset is not on this machine
        return ()


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if label < len(names) else f"class {label}"


def _as_dict(one: Guesses, names: tuple[str, ...]) -> dict[str, Any]:
    guesses = [
        {name: getattr(guess, name) for name in guess.__struct_fields__}
        | {"label_name": _name(names, guess.label), "best_name": _name(names, guess.best)}
        for guess in one.guesses
    ]
    return {"epoch": one.epoch, "step": one.step, "right": num_right(one), "guesses": guesses}
