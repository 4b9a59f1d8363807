"""A suite and the queue: look how it stands in a folder of runs, and enqueue what is missing or broke off."""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from cockpit import devices, files, liveness, provenance, records, status, tickets
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
_LOOKED_AT = 8
"""Runs of a network, the newest, whose speed is looked up: a folder may hold thousands."""


def look(store: RunStore, recipes: Sequence[Recipe], *, device: str = "auto", retry: bool = False) -> Plan:
    """Return how a suite stands; nothing is changed.

    Args:
        store: The runs.
        recipes: The suite's rows, complete.
        device: What it is to be trained on, for the estimate.
        retry: Whether to count what failed too often as to be resumed.

    Raises:
        CockpitError: When the device is not here.
    """
    return _survey(store, recipes, device, retry=retry)[0]


def fill(store: RunStore, recipes: Sequence[Recipe], *, device: str = "auto", retry: bool = False) -> list[Run]:
    """Put what is missing or broke off into the queue, the cheapest first, and return those runs.

    What was enqueued stays so when it breaks off in the middle: the next time goes on from there.

    Raises:
        CockpitError: When somebody else just does this, the device is not here, or the queue cannot be written.
    """
    with _alone(store):
        plan, ordered = _survey(store, recipes, device, retry=retry)
        wanted = [pair for pair in zip(plan.entries, ordered, strict=True) if pair[0].state in TO_ENQUEUE]
        runs: list[Run] = []
        for again, group in groupby(wanted, key=_is_begun):
            pairs = [*group]
            if again:
                for entry, _ in pairs:
                    run = Run(store.root / entry.run)
                    order.enqueue_again(store, run, device=device)
                    runs.append(run)
            else:
                runs += order.enqueue(store, [recipe for _, recipe in pairs], device=device)
        return runs


def _is_begun(pair: tuple[Entry, Recipe]) -> bool:
    return pair[0].state == "resume"


def _survey(store: RunStore, recipes: Sequence[Recipe], device: str, *, retry: bool) -> tuple[Plan, list[Recipe]]:
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
    return make_plan(recipes, infos, failures, known, device=title, rehearsal=is_rehearsal(recipes), retry=retry)


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
