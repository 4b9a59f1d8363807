"""A suite and the queue: look how it stands in a folder of runs, and enqueue what is missing or broke off."""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from cockpit import devices, files, liveness, places, provenance, records, status, tickets
from cockpit.device_names import first_of, may_be_card
from cockpit.dispatch import order
from cockpit.errors import CockpitError
from cockpit.lines import whole_lines
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.suite import is_rehearsal
from cockpit.suite.cost import Pace, pace
from cockpit.suite.plan import MAX_FAILURES, TO_ENQUEUE, Entry, Plan, make_plan

_LOCK = ".suite"
_NONE: Mapping[str, str] = MappingProxyType({})
_LOOKED_AT = 8
"""Runs of a network, the newest, whose speed is looked up: a folder may hold thousands."""


class Filled(NamedTuple):
    """What became of a suite that was put into the queue."""

    runs: list[Run]
    """Those that wait now, in the order in which they are to start."""
    refused: dict[str, str]
    """Those that could not be put there, by id, and why."""
    remarks: list[str]
    """Sentences on what goes on on another device than it had."""


def look(
    store: RunStore,
    recipes: Sequence[Recipe],
    *,
    device: str = "auto",
    retry: bool = False,
    refused: Mapping[str, str] = _NONE,
) -> Plan:
    """Return how a suite stands; nothing is changed.

    Args:
        store: The runs.
        recipes: The suite's rows, complete.
        device: What it is to be trained on, for the estimate.
        retry: Whether to count what failed too often as to be resumed.
        refused: What `fill` just could not put into the queue: left to the user.

    Raises:
        CockpitError: When the device is not here.
    """
    return _survey(store, recipes, device, retry=retry, refused=refused)[0]


def fill(store: RunStore, recipes: Sequence[Recipe], *, device: str = "", retry: bool = False) -> Filled:
    """Put what is missing or broke off into the queue, the cheapest first; a run that cannot be is passed over.

    What was enqueued stays so when it breaks off in the middle: the next time goes on from there.

    Args:
        store: The runs.
        recipes: The suite's rows, complete.
        device: What to train on. Empty: what is resumed goes on on what it had, the rest on `auto`.
        retry: Whether to resume what failed too often.

    Raises:
        CockpitError: When somebody else just does this, the device is not here, or no run can be made.
    """
    with _alone(store):
        plan, ordered = _survey(store, recipes, device or "auto", retry=retry)
        wanted = [pair for pair in zip(plan.entries, ordered, strict=True) if pair[0].state in TO_ENQUEUE]
        filled = Filled([], {}, [])
        for again, group in groupby(wanted, key=_is_begun):
            if again:
                for entry, _ in group:
                    _enqueue_again(store, Run(store.root / entry.run), device, filled)
            else:
                filled.runs.extend(order.enqueue(store, [recipe for _, recipe in group], device=device or "auto"))
        return filled


def _enqueue_again(store: RunStore, run: Run, device: str, filled: Filled) -> None:
    """Let a run that broke off wait again, or note why it cannot: its folder may be somebody else's."""
    try:
        again, remark = (device, "") if device else places.device_again(run, "local")
        order.enqueue_again(store, run, device=again)
    except CockpitError as error:
        filled.refused[run.id] = str(error)
        return
    filled.runs.append(run)
    if remark:
        filled.remarks.append(remark)


def _is_begun(pair: tuple[Entry, Recipe]) -> bool:
    return pair[0].state == "resume"


def _survey(
    store: RunStore, recipes: Sequence[Recipe], device: str, *, retry: bool, refused: Mapping[str, str] = _NONE
) -> tuple[Plan, list[Recipe]]:
    devices.check_device(device)
    infos = [status.describe(run, number=False) for run in store.list()]
    wanted = {(recipe.model, recipe.dataset) for recipe in recipes}
    failures = {
        info.id: count_failures(Run(store.root / info.id))
        for info in infos
        if info.status == "failed" and (info.model, info.dataset) in wanted
    }
    title = title_here(device)
    known = _pace(store, infos, title, recipes[0].batch_size)
    rehearsal = is_rehearsal(recipes)
    return make_plan(recipes, infos, failures, known, device=title, rehearsal=rehearsal, retry=retry, refused=refused)


def title_here(device: str) -> str:
    """Return what a device of this machine is called, as `cockpit.provenance` calls that of a run."""
    first = first_of(device)
    gpus = devices.list_gpus() if may_be_card(first) else []
    known = [name for name, _ in devices.box_devices(gpus)]
    name = known[0] if first in ("auto", "cuda") else first
    product = next((f"{name} {gpu.name}" for gpu in gpus if name == f"cuda:{gpu.index}"), name)
    return provenance.title_of(product, device)


def count_failures(run: Run) -> int:
    """Return how many attempts of a run have failed; one whose launch the queue has given up counts as too many."""
    with contextlib.suppress(CockpitError):
        ticket = run.ticket()
        if ticket and ticket.refused and ticket.launches == len(run.launches()):
            return MAX_FAILURES
    wanted = (line for line in whole_lines(run.metrics_path) if b'"failed"' in line)
    found = records.decode_lines(wanted)
    return len({one.attempt for one in found if isinstance(one, records.Phase) and one.state == "failed"})


def _pace(store: RunStore, infos: Sequence[status.RunInfo], title: str, batch_size: int) -> Pace:
    """Return what runs on hardware of that kind have measured with steps of that size."""
    here = provenance.device_key(title, liveness.host_name())
    speeds: list[tuple[str, float]] = []
    looked = Counter[str]()
    for info in infos:
        if not info.epoch or info.recipe is None or info.recipe.batch_size != batch_size or info.recipe.exact:
            continue
        looked[info.model] += 1
        if looked[info.model] <= _LOOKED_AT:
            traced = provenance.trace(Run(store.root / info.id))
            if traced.img_per_s and traced.key == here:
                speeds.append((info.model, traced.img_per_s))
    return pace(speeds)


@contextlib.contextmanager
def _alone(store: RunStore) -> Iterator[None]:
    """Let nobody else fill the queue of a folder with a suite meanwhile: both would find the same runs missing."""
    path = store.root / _LOCK
    with contextlib.ExitStack() as stack:
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            handle = files.open_to_append(path)
        except OSError as error:
            raise files.unwritable(path, error) from error
        stack.callback(os.close, handle)
        with tickets.told_of(store.root):
            _lock(handle, store)
        yield


def _lock(handle: int, store: RunStore) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise tickets.QueueBusyError(
            f"another `cockpit suite --enqueue` just fills the queue of {store.root}; ask again when it is done"
        ) from None
