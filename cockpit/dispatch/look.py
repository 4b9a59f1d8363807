"""The queue as people see it: what waits and why, what trains where, the devices, and what Slurm has of ours."""

import os
from collections.abc import Callable, Mapping, Sequence

import msgspec

from cockpit import launch, squeue, status, tickets
from cockpit.device_names import names_of
from cockpit.dispatch.obstacles import explain
from cockpit.dispatch.plan import Plan, plan
from cockpit.dispatch.slots import Slot, read_slots
from cockpit.dispatch.standing import Queue, read_queue
from cockpit.errors import CockpitError
from cockpit.numerals import whole
from cockpit.store import Run, RunStore
from cockpit.tickets import Settings


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A run with a ticket."""

    run: status.RunInfo
    """The run."""
    place: int | None
    """From 1; None for one that is just being launched, was given up or waits for another box."""
    priority: int
    """Runs of a higher one come first."""
    device: str
    """What it asks for."""
    why: str
    """Why it does not train yet."""
    kept: str = ""
    """Which of its several devices are free and kept for it until it has all."""


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose trainer lives on this box."""

    run: status.RunInfo
    """The run."""
    device: str
    """Where it trains; several with commas between."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The queue at one moment; `cockpit queue --json` prints it."""

    paused: bool
    """Whether nothing is started."""
    trouble: str
    """What keeps the whole queue from moving; empty when nothing does."""
    waiting: tuple[Waiting, ...]
    """Those being launched first, then in the order in which they are to start, then those that cannot."""
    training: tuple[Training, ...]
    """By device."""
    devices: tuple[Slot, ...]
    """The best first."""
    slurm: tuple[status.RunInfo, ...] = ()
    """The runs whose jobs live in Slurm, which decides their order: those that have begun first, then by number."""
    slurm_trouble: str = ""
    """Why Slurm does not say how they are; empty when it does, or there are none."""


def look(store: RunStore, describe: Callable[[Run], status.RunInfo] | None = None) -> Look:
    """Return how the queue of a folder stands; nothing is changed.

    Args:
        store: The folder.
        describe: How a run is read, for a reader that keeps what it has read.
    """
    describe = describe or (lambda run: status.describe(run, number=False))
    try:
        settings, trouble = tickets.read_settings(store.root), ""
    except CockpitError as error:
        settings, trouble = Settings(paused=True), str(error)
    queue = read_queue(store)
    box = read_slots(store, queue.launching, settings)
    hopeful = tickets.in_order(queue.broken | queue.waiting)
    startable = box.startable(hopeful)
    held_up = {run_id: box.trouble for run_id in hopeful if run_id not in startable}
    slots = box.slots
    free, most = {slot.device: slot.free for slot in slots}, {slot.device: slot.most for slot in slots}
    planned = plan(startable, free, most, paused=settings.paused)
    slots = _with_keepers(slots, planned)
    hindrances = _hindrances(store, planned.starts) | ({} if settings.paused else held_up)
    reasons = _explain(queue, slots, planned, paused=settings.paused) | hindrances
    standing = queue.launching | hopeful | queue.refused | queue.elsewhere
    infos = {run_id: describe(Run(store.root / run_id)) for run_id in standing}
    rows = {info.id: info for info in status.numbered([*infos.values()])}
    held: dict[str, list[str]] = {}
    for slot in slots:
        for run_id in slot.runs:
            held.setdefault(run_id, []).append(slot.device)
    in_slurm = _in_slurm(store, describe)
    return Look(
        paused=settings.paused,
        trouble=trouble,
        waiting=tuple(
            Waiting(
                run=rows[run_id],
                place=rows[run_id].place,
                priority=ticket.priority,
                device=ticket.device,
                why=reasons[run_id],
                kept=planned.kept.get(run_id, ""),
            )
            for run_id, ticket in standing.items()
        ),
        training=tuple(
            Training(run=describe(Run(store.root / run_id)), device=",".join(devices))
            for run_id, devices in held.items()
            if run_id not in queue.launching and run_id not in in_slurm
        ),
        devices=tuple(slots),
        slurm=tuple(in_slurm.values()),
        slurm_trouble=squeue.QUEUE.answer().trouble if in_slurm else "",
    )


def _in_slurm(store: RunStore, describe: Callable[[Run], status.RunInfo]) -> dict[str, status.RunInfo]:
    """Return the runs that Slurm has, or may have; only folders of which something was submitted are read."""
    submitted = (run for run in store.list() if os.path.lexists(run.submissions_path))
    infos = [info for info in map(describe, submitted) if info.job and info.status in status.LIVE]
    return {info.id: info for info in sorted(infos, key=_rank)}


def _rank(info: status.RunInfo) -> tuple[bool, int, str]:
    number = whole(info.job.id) if info.job else None
    return info.status == "pending", number or 0, info.id


def _with_keepers(slots: Sequence[Slot], planned: Plan) -> list[Slot]:
    """Return the devices with the runs that keep slots of them."""
    keepers: dict[str, list[str]] = {slot.device: [] for slot in slots}
    for run_id, kept in planned.kept.items():
        for device in names_of(kept):
            keepers[device].append(run_id)
    return [msgspec.structs.replace(slot, kept=tuple(keepers[slot.device])) for slot in slots]


def _hindrances(store: RunStore, starts: Mapping[str, str]) -> dict[str, str]:
    """Return which of the runs whose turn it is find no room on their disk, and what they would need."""
    found = {}
    for run_id in starts:
        try:
            launch.check_room(Run(store.root / run_id))
        except launch.NoRoomError as error:
            found[run_id] = str(error)
        except (CockpitError, OSError):  # deleted meanwhile, or the launch will tell what is wrong
            continue
    return found


def _explain(queue: Queue, slots: Sequence[Slot], planned: Plan, *, paused: bool) -> dict[str, str]:
    """Return why each run with a ticket does not train yet.

    Args:
        queue: All tickets.
        slots: The devices.
        planned: The runs whose turn it is, and what is kept for others.
        paused: Whether nothing is started.
    """
    devices = {slot.device: slot for slot in slots}
    reasons = {run_id: f"being launched on {t.claim.device}" for run_id, t in queue.launching.items() if t.claim}
    for run_id, ticket in (queue.broken | queue.waiting).items():
        if run_id in planned.starts:
            reason = f"starts next on {planned.starts[run_id]}"
        else:
            reason = "the queue is paused" if paused else explain(run_id, ticket.device, devices, planned)
        if ticket.claim:
            reason = f"its launch on {ticket.claim.device} was broken off; {reason}"
        elif ticket.tries:
            reason += f"; try {ticket.tries} of {tickets.MAX_TRIES} failed: {ticket.trouble}"
        reasons[run_id] = reason
    reasons |= {run_id: f"given up: {ticket.trouble}" for run_id, ticket in queue.refused.items()}
    return reasons | {run_id: f"waits for {ticket.host}" for run_id, ticket in queue.elsewhere.items()}
