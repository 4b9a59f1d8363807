"""The command that runs the seed's whole tables: shows how they stand, and enqueues what is missing."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from cockpit import suite
from cockpit.cli.common import duration, open_store, percent, print_json, print_table, say
from cockpit.cli.fields import DeviceName
from cockpit.cli.queue import say_absent, tick
from cockpit.export import counted
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from cockpit.suite import fill
from cockpit.suite.plan import TO_ENQUEUE, Entry, Plan

_WORDS = {
    "done": "done",
    "training": "training",
    "waiting": "waits",
    "resume": "to resume",
    "missing": "not run",
    "untested": "not tested",
    "left": "left to you",
}
_DAY_S = 86_400.0
_UNITS = (
    (100.0, 1.0, "{:.0f} s"),
    (6_000.0, 60.0, "{:.0f} min"),
    (2 * _DAY_S, 3_600.0, "{:.1f} h"),
    (21 * _DAY_S, _DAY_S, "{:.1f} days"),
    (91 * _DAY_S, 7 * _DAY_S, "{:.0f} weeks"),
    (730 * _DAY_S, 365.25 / 12 * _DAY_S, "{:.0f} months"),
    (math.inf, 365.25 * _DAY_S, "{:,.1f} years"),
)
"""Up to how many seconds a unit of so many is used, and how."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suite:
    """Show how the seed's tables stand here, network by network; `--enqueue` trains what is missing or broke off.

    Every network of the tables on CIFAR-10 and CIFAR-100 under the seed's recipe, each tested at its end. A finished
    and tested run of the very recipe counts, whoever made it; what trains or waits is not enqueued again; what was
    stopped, failed or lost is resumed, once more after a failure.
    """

    only: Annotated[str, arg(metavar="GLOB[,GLOB]")] = ""
    """Networks of the whole catalogue: resnet18,vgg*. Default: those for which the tables have a figure."""
    dataset: Annotated[str, arg(metavar="NAME[,NAME]")] = ""
    """Datasets. Default: cifar10,cifar100."""
    seeds: Annotated[str, arg(metavar="N[,N]")] = ""
    """A run of each. Default: 0, the recipe's own; 1,2,3 gives a spread."""
    epochs: Annotated[str, arg(metavar="N")] = ""
    """A rehearsal of so many epochs: another recipe, whose results count for no table. Default: the seed's 200."""
    device: DeviceName = ""
    """What to train on and to estimate for, as `cockpit train` takes it. Default: auto, and what is resumed goes on on
    what it had."""
    enqueue: bool = False
    """Put what is missing or broke off into the queue, the cheapest first."""
    retry: bool = False
    """Resume what failed twice, too."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Enqueue if that is asked for, then print how everything stands."""
        recipes = suite.rows(self.only, self.dataset, self.seeds, self.epochs)
        store = open_store(self.runs)
        refused = self._enqueue(store, recipes) if self.enqueue else {}
        plan = fill.look(store, recipes, device=self.device or "auto", retry=self.retry, refused=refused)
        if self.json:
            print_json(plan)
            return 0
        _print_entries(plan.entries, with_seed=bool(self.seeds))
        if plan.rehearsal:
            say("a rehearsal: these recipes are not the seed's, and their results count for no table")
        counts = ", ".join(f"{count} {_WORDS[state]}" for state, count in plan.counts.items())
        say(f"{counted(len(plan.entries), 'run')}: {counts}")
        for line in tell_total(plan):
            say(line)
        if plan.total.runs and not self.enqueue:
            _say_what_to_do(plan, [entry.dataset for entry in plan.entries])
        return 0

    def _enqueue(self, store: RunStore, recipes: Sequence[Recipe]) -> dict[str, str]:
        """Fill the queue and start what can start; return the runs that could not be enqueued, and why."""
        try:
            filled = fill.fill(store, recipes, device=self.device, retry=self.retry)
            for line in (*filled.remarks, *(f"{run}: left to you: {why}" for run, why in filled.refused.items())):
                say(line)
            anything = filled.runs or filled.refused
            say(f"{len(filled.runs)} enqueued" if anything else "nothing is to be enqueued")
        finally:  # what waits is to start, whatever cannot be enqueued
            tick(store)
        return filled.refused


def _print_entries(entries: Sequence[Entry], *, with_seed: bool) -> None:
    heads = ["model", "dataset", "seed", "state", "epoch", "time", "top-1", "run", "why"]
    rows = [
        [
            entry.model,
            entry.dataset,
            str(entry.seed),
            _WORDS[entry.state],
            f"{entry.epoch}/{entry.epochs}",
            _time(entry),
            percent(entry.top1),
            entry.run,
            "" if entry.state == "done" else entry.detail,
        ]
        for entry in entries
    ]
    filled = [place for place in range(len(heads)) if any(row[place] for row in rows)]
    right = tuple(new for new, place in enumerate(filled) if heads[place] in ("seed", "epoch", "time", "top-1"))
    order = ("model", "dataset", "state", "time", *(["seed"] if with_seed else []), "epoch", "top-1", "why", "run")
    cells = [[row[place] for place in filled] for row in rows]
    print_table([heads[place] for place in filled], cells, right=right, order=order, cut=("why",))


def _time(entry: Entry) -> str:
    """Return what a run took, or will take yet; what is scaled from other networks has a tilde."""
    if entry.state == "done":
        return duration(entry.elapsed_s)
    if entry.left is None:
        return ""
    return f"{'' if entry.left.measured else '~'}{roughly(entry.left.seconds)} left"


def roughly(seconds: float) -> str:
    """Return an estimated duration as 48 s, 12 min, 17.3 h, 3.9 days, 5 weeks, 14 months or 7.2 years."""
    _, unit_s, shape = next(unit for unit in _UNITS if seconds < unit[0])
    return shape.format(seconds / unit_s)


def tell_total(plan: Plan) -> list[str]:
    """Return in sentences what is to be done yet, and on what that rests; nothing when nothing is."""
    total = plan.total
    if not total.runs:
        return []
    if total.seconds is None or total.low_s is None or total.high_s is None:
        return [
            f"how long that takes is not known: no run of this recipe's batch size has trained an epoch on "
            f"{plan.device} yet"
        ]
    span = f" ({roughly(total.low_s)} to {roughly(total.high_s)})" if total.high_s > 1.05 * total.low_s else ""
    if total.measured == total.runs:
        basis = "from the speed of runs on it"
    else:
        known = f"{', '.join(total.networks_measured[:4])}{' and others' if len(total.networks_measured) > 4 else ''}"
        guessed = total.runs - total.measured
        sure = "the limits are what the fastest and the slowest of these give"
        if len(total.networks_measured) == 1:
            sure = "one network says nothing of how sure that is, and it may be several times as long or as short"
        basis = (
            f"a guess (~): {guessed} of {counted(total.runs, 'run')} {'is' if guessed == 1 else 'are'} of networks "
            f"not measured there, FLOPs at the rate of {known}; {sure}"
        )
    return [f"about {roughly(total.seconds)}{span} for the rest, one after another on {plan.device}; {basis}"]


def _say_what_to_do(plan: Plan, datasets: Sequence[str]) -> None:
    wanted = sum(entry.state in TO_ENQUEUE for entry in plan.entries)
    say_absent(datasets)
    if wanted:
        say(f"`cockpit suite --enqueue`, with the same flags, puts {wanted} into the queue")
