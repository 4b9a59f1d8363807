"""The pure plan of a suite: what of it is done, what goes on, what is to be enqueued and in which order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

from cockpit import counting, status
from cockpit.recipe import Recipe
from cockpit.suite.cost import Estimate, Pace, estimate, work

State = Literal["done", "training", "waiting", "resume", "missing", "untested", "left"]
"""done: finished and tested; training: it goes on, as far as can be told; waiting: in the queue; resume: begun, and to
be enqueued again; missing: not run; untested: finished, but its best checkpoint was not tested; left: to its user,
because it failed twice, is Slurm's, cannot be read or was refused by the queue."""

STATES: tuple[State, ...] = ("done", "training", "waiting", "resume", "missing", "untested", "left")
"""Of several runs of one recipe the first of these tells how it stands; `missing` is none."""
TO_ENQUEUE: frozenset[State] = frozenset({"resume", "missing"})
UNDER_WAY: frozenset[State] = frozenset({"training", "waiting"})
MAX_FAILURES = 2
"""A run that has failed so often is not resumed any more, unless that is asked for."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the suite."""

    model: str
    """Network."""
    dataset: str
    """Dataset."""
    seed: int
    """Random seed."""
    epochs: int
    """Epochs planned."""
    state: State
    """How it stands."""
    run: str = ""
    """The run that tells so; empty where there is none."""
    status: str = ""
    """What that is doing, see `cockpit.status`."""
    detail: str = ""
    """Why it failed, stopped or waits."""
    epoch: int = 0
    """Epochs done."""
    elapsed_s: float = 0.0
    """Training seconds so far."""
    top1: float | None = None
    """Of its test, 0-1."""
    left: Estimate | None = None
    """What it will take yet; None when it is done, left to its user or not known."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done yet, one run after another on one device."""

    runs: int
    """Runs that train, wait or are to be enqueued."""
    seconds: float | None
    """None when nothing is known."""
    low_s: float | None
    """See `Estimate`."""
    high_s: float | None
    """See `Estimate`."""
    measured: int
    """Of how many of the runs the network was measured on the device."""
    networks_measured: tuple[str, ...]
    """The networks that were."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole suite at one moment; `cockpit suite --json` prints it."""

    device: str
    """What the estimate is for."""
    rehearsal: bool
    """Whether the recipes are not the seed's."""
    counts: dict[str, int]
    """Entries by state."""
    total: Total
    """What is to be done yet."""
    entries: tuple[Entry, ...]
    """The cheapest first, by what is left of each."""


def make_plan(
    recipes: Sequence[Recipe],
    infos: Sequence[status.RunInfo],
    failures: Mapping[str, int],
    known: Pace,
    *,
    device: str = "",
    rehearsal: bool = False,
    retry: bool = False,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Plan, list[Recipe]]:
    """Return how a suite stands, and the recipes in the order of its entries.

    Args:
        recipes: Its rows, complete.
        infos: The runs there are, the newest first.
        failures: How often each failed run has failed.
        known: What was measured on the device.
        device: What the device is called.
        rehearsal: Whether the recipes are not the seed's.
        retry: Whether to resume what failed too often.
        refused: Runs that were just refused by the queue, and why.
    """
    found: dict[tuple[str, str, int], list[status.RunInfo]] = {}
    for info in infos:
        if info.recipe:
            found.setdefault((info.model, info.dataset, info.recipe.seed), []).append(info)
    judged = []
    for recipe in recipes:
        same = [info for info in found.get((recipe.model, recipe.dataset, recipe.seed), ()) if info.recipe == recipe]
        entry = _judge(recipe, same, failures, retry=retry)
        if entry.state == "resume" and entry.run in refused:
            entry = msgspec.structs.replace(entry, state="left", detail=refused[entry.run])
        if entry.state in TO_ENQUEUE | UNDER_WAY:
            entry = msgspec.structs.replace(entry, left=estimate(recipe, entry.epochs - entry.epoch, known))
        judged.append(
            (work(recipe, entry.epochs - entry.epoch if entry.state != "done" else entry.epochs), recipe, entry)
        )
    judged.sort(key=lambda each: (each[0], each[1].dataset, each[1].model, each[1].seed))
    entries = tuple(entry for _, _, entry in judged)
    counts = Counter(entry.state for entry in entries)
    plan = Plan(
        device=device,
        rehearsal=rehearsal,
        counts={state: counts[state] for state in STATES if counts[state]},
        total=_total(entries, known),
        entries=entries,
    )
    return plan, [recipe for _, recipe, _ in judged]


def _judge(recipe: Recipe, infos: Sequence[status.RunInfo], failures: Mapping[str, int], *, retry: bool) -> Entry:
    """Return the entry of a recipe; of several runs the one that is furthest tells, of equals the first launched.

    So it is the run that counts in a report, too.
    """
    blank = Entry(
        model=recipe.model, dataset=recipe.dataset, seed=recipe.seed, epochs=recipe.num_epochs, state="missing"
    )
    judged = [(info, *state_of(info, failures.get(info.id, 0), retry=retry)) for info in counting.oldest_first(infos)]
    entries = [
        msgspec.structs.replace(
            blank,
            state=state,
            run=info.id,
            status=info.status,
            detail=detail,
            epoch=min(info.epoch, recipe.num_epochs),
            elapsed_s=info.elapsed_s,
            top1=info.test.top1 if info.test else None,
        )
        for info, state, detail in judged
    ]
    return min(entries, key=lambda entry: (STATES.index(entry.state), -entry.epoch), default=blank)


def state_of(info: status.RunInfo, failures: int, *, retry: bool = False) -> tuple[State, str]:
    """Return how a run stands in a suite, and a sentence about it."""
    if info.status == "finished":
        told = counting.strange(info)
        if info.test and not told:
            return "done", info.detail
        return "untested", f"{told}{'; ' if told else ''}`cockpit test {info.id}` tests its best checkpoint"
    if info.status in status.LIVE:
        return "training", info.detail
    if info.status == "waiting":
        return "waiting", info.detail
    if info.status not in status.RESUMABLE:
        return "left", info.detail
    if info.job:
        return "left", f"{info.detail}; it is Slurm's: `cockpit resume {info.id}`"
    if info.status == "failed" and failures >= MAX_FAILURES and not retry:
        return "left", f"failed {'twice' if failures == MAX_FAILURES else f'{failures} times'}: {info.detail}"
    return "resume", info.detail


def _total(entries: Sequence[Entry], known: Pace) -> Total:
    ahead = [entry for entry in entries if entry.state in TO_ENQUEUE | UNDER_WAY]
    left = [entry.left for entry in ahead if entry.left]
    unknown = len(left) < len(ahead)
    return Total(
        runs=len(ahead),
        seconds=None if unknown else sum(each.seconds for each in left),
        low_s=None if unknown else sum(each.low_s for each in left),
        high_s=None if unknown else sum(each.high_s for each in left),
        measured=sum(each.measured for each in left),
        networks_measured=tuple(known.img_per_s),
    )
