"""What a person does with the queue: put runs into it, take them out, change their order, pause it."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from cockpit import liveness, tickets
from cockpit.device_names import may_be_card, names_of, normal
from cockpit.devices import box_devices, check_device, list_gpus, not_here
from cockpit.dispatch.standing import read_queue
from cockpit.errors import CockpitError
from cockpit.launch import check_placement, check_shared
from cockpit.recipe import Recipe
from cockpit.store import Run, RunBusyError, RunStore
from cockpit.tickets import Ticket


def enqueue(
    store: RunStore,
    recipes: Sequence[Recipe],
    *,
    device: str = "auto",
    sample_s: float | None = None,
    priority: int = 0,
) -> list[Run]:
    """Make a run of each recipe, all waiting behind whatever waits now; when that fails, none of them is left.

    Args:
        store: Where.
        recipes: Complete ones.
        device: See `cockpit.device_names`; a run on several starts once all of them are free.
        sample_s: Seconds between live samples, 0 for every step; None is the trainer's default.
        priority: Runs of a higher one come first.

    Raises:
        CockpitError: When the device is not here or not for these recipes, there is no such priority, or the folder
            cannot be written.
    """
    device = check_device(device)
    for recipe in recipes:
        check_shared(recipe, device)
    _check_priority(priority)
    runs: list[Run] = []
    with tickets.locked(store.root):
        ticket = _ticket_behind_all(store, device, sample_s, priority)
        try:
            for recipe in recipes:
                runs.append(store.create(recipe, ticket))
                ticket = msgspec.structs.replace(ticket, place=ticket.place + 1)
        except BaseException:
            for run in runs:
                with contextlib.suppress(CockpitError):
                    store.remove(run)
            raise
    return runs


def enqueue_again(
    store: RunStore, run: Run, *, device: str = "auto", sample_s: float | None = None, priority: int = 0
) -> None:
    """Let a run that is not training wait behind whatever waits now, to be launched or resumed; see `enqueue`.

    Raises:
        CockpitError: As `enqueue` does, and when the run is just being launched.
    """
    device = check_placement(run.recipe, device)
    _check_priority(priority)
    with tickets.locked(store.root), _kept_from_launching(run, Run.lock_soon):
        ticket = _ticket_behind_all(store, device, sample_s, priority)
        tickets.write_ticket(run.path, msgspec.structs.replace(ticket, launches=len(run.launches())))


def _check_priority(priority: int) -> None:
    if abs(priority) > tickets.MAX_PRIORITY:
        limit = tickets.MAX_PRIORITY
        raise CockpitError(f"priority is {str(priority)[:40]}; it must be {-limit} to {limit}")


def _ticket_behind_all(store: RunStore, device: str, sample_s: float | None, priority: int) -> Ticket:
    places = [ticket.place for ticket in tickets.read_tickets(store.root).values()]
    return Ticket(
        time=time.time(),
        host=liveness.host_name(),
        launches=0,
        place=math.floor(max(places, default=0)) + 1.0,
        priority=priority,
        device=device,
        sample_s=sample_s,
    )


def withdraw(store: RunStore, run: Run) -> bool:
    """Take a run from the queue, to wait for somebody who launches it; False when it was not in there.

    Raises:
        CockpitError: When it is just being launched.
    """
    if not _is_queued(run):  # asked before the lock, which a full or read-only disk may not give
        return False
    with tickets.locked(store.root):
        if not _is_queued(run):
            return False
        try:
            with _kept_from_launching(run):
                tickets.drop_ticket(run.path)  # whoever claimed it asks for it once he has the writer lock
        except _LaunchingError:
            if _is_readable(run):
                raise
            return False  # nobody launches by such a ticket, so it is a trainer that has the run
    return True


def _is_readable(run: Run) -> bool:
    """Tell whether a run's ticket can be read."""
    with contextlib.suppress(CockpitError):
        run.ticket()
        return True
    return False


def _is_queued(run: Run) -> bool:
    """Tell whether a run has a ticket that holds; one of which that cannot be told does."""
    try:
        ticket = run.ticket()
        return ticket is not None and ticket.launches == len(run.launches())
    except CockpitError:
        return True


@contextlib.contextmanager
def _kept_from_launching(run: Run, lock: Callable[[Run], int] = Run.lock) -> Iterator[None]:
    """Hold the writer lock, so that no trainer is on its way whose device a changed ticket would give away."""
    try:
        handle = lock(run)
    except RunBusyError:
        raise _LaunchingError(run) from None
    try:
        yield
    finally:
        os.close(handle)


def move(store: RunStore, run: Run, to: Run | Literal["top", "bottom", "up", "down"]) -> None:
    """Give a waiting run another place in the order.

    It keeps its priority if it may stand there with it, and else takes that of the run behind it, or before it at the
    bottom.

    Args:
        store: Where.
        run: The run.
        to: Before this run, to the top or bottom, or one place up or down.

    Raises:
        CockpitError: When one of them does not wait in the queue.
    """
    with tickets.locked(store.root):
        waiting = _waiting(store, run)
        place = [*waiting].index(run.id)
        ticket = waiting.pop(run.id)
        if isinstance(to, Run):
            index = [*_waiting(store, to)].index(to.id)
            index -= index > place
        else:
            index = {"top": 0, "bottom": len(waiting), "up": max(0, place - 1), "down": place + 1}[to]
            index = min(index, len(waiting))
        others = [*waiting.values()]
        moved = _between(ticket, others[index - 1] if index else None, others[index] if index < len(others) else None)
        if moved is not None:
            tickets.write_ticket(run.path, moved)
            return
        order = [*waiting.items()]
        neighbour = others[min(index, len(others) - 1)]
        order.insert(index, (run.id, msgspec.structs.replace(ticket, priority=neighbour.priority)))
        for number, (run_id, each) in enumerate(order, 1):
            tickets.write_ticket(store.root / run_id, msgspec.structs.replace(each, place=float(number)))


def _between(ticket: Ticket, before: Ticket | None, behind: Ticket | None) -> Ticket | None:
    """Return the ticket with a place between two others; None when there is no number between theirs."""
    priority = ticket.priority
    if (before and before.priority < priority) or (behind and behind.priority > priority):
        neighbour = behind or before
        assert neighbour is not None
        priority = neighbour.priority
    low = before.place if before and before.priority == priority else -math.inf
    high = behind.place if behind and behind.priority == priority else math.inf
    if math.isinf(high):
        place = max(ticket.place, low + 1) if math.isfinite(low) else ticket.place
    else:
        place = high - 1 if math.isinf(low) else (low + high) / 2
    if not low < place < high:
        return None
    return msgspec.structs.replace(ticket, priority=priority, place=place)


def set_priority(store: RunStore, run: Run, priority: int) -> None:
    """Let a waiting run come before all of a lower priority.

    Raises:
        CockpitError: When it does not wait in the queue or there is no such priority.
    """
    _check_priority(priority)
    with tickets.locked(store.root):
        ticket = _waiting(store, run)[run.id]
        tickets.write_ticket(run.path, msgspec.structs.replace(ticket, priority=priority))


def pause(store: RunStore, paused: bool) -> None:
    """Start nothing any more, or go on starting; what trains goes on training."""
    with tickets.locked(store.root):
        settings = tickets.read_settings(store.root)
        tickets.write_settings(store.root, msgspec.structs.replace(settings, paused=paused))


def set_slots(store: RunStore, device: str, slots: int) -> None:
    """Let a device, or each of several, train so many runs of the queue at once.

    Raises:
        CockpitError: When a device is not here or the number makes no sense.
    """
    wanted = normal(device)
    names = names_of(wanted)
    known = [name for name, _ in box_devices(list_gpus() if may_be_card(wanted) else [])]
    for name in names:
        if name not in known:
            raise not_here(name, known)
    if not 0 <= slots <= tickets.MAX_SLOTS:
        raise CockpitError(f"slots is {slots}; it must be 0 to {tickets.MAX_SLOTS}")
    with tickets.locked(store.root):
        settings = tickets.read_settings(store.root)
        slots_of = settings.slots | dict.fromkeys(names, slots)
        tickets.write_settings(store.root, msgspec.structs.replace(settings, slots=slots_of))


def _waiting(store: RunStore, run: Run) -> dict[str, Ticket]:
    """Return all that waits for this box, in order, if the run is among it."""
    queue = read_queue(store)
    if run.id in queue.launching or run.id in queue.broken:
        raise _LaunchingError(run)
    if run.id not in queue.waiting:
        raise CockpitError(f"run {run.id} does not wait in the queue; `cockpit queue` lists what does")
    return queue.waiting


class _LaunchingError(CockpitError):
    """A run cannot be changed while somebody launches it."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"run {run.id} is just being launched; ask again in a moment")
