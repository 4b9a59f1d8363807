"""Which waiting runs start now, and on which devices: a function of what waits and what is free.

A run is held back by earlier runs only. One on several devices starts once all of them are free for it at the same
moment; until then it keeps those that are, so that small runs behind it cannot starve it, and what it does not need is
given on. A run that cannot start however many of ours end (somebody else's program has its card, or the CPU has too few
slots) keeps nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cockpit import device_names
from cockpit.device_names import CARD, CPU
from cockpit.errors import CockpitError
from cockpit.tickets import Ticket


class Plan(NamedTuple):
    """What a plan comes to; devices of a run have commas between, in the order in which it asks for them."""

    starts: dict[str, str]
    """The devices of each run that starts now, the first first."""
    kept: dict[str, str]
    """The devices that are free and kept for a run that needs more than these, by the run."""


class Demand(NamedTuple):
    """What a run asks of a box."""

    num_slots: int
    """How many slots it takes."""
    most: dict[str, int]
    """How many of them may be on each suitable device, the best first: one on a card, where two would be in the way."""

    def is_met_by(self, slots: Mapping[str, int]) -> bool:
        """Tell whether so many slots are enough for it."""
        return sum(min(most, slots[device]) for device, most in self.most.items()) >= self.num_slots


def demand(wanted: str, devices: Mapping[str, object]) -> Demand:
    """Return what a run asks for; nothing is suitable for one that asks for what there is not.

    Args:
        wanted: "auto" is any GPU, and the CPU only where there is none; "cuda" any CUDA device, "cuda,cuda" any two.
        devices: All devices of the box, the best first.
    """
    try:
        names = device_names.names_of(device_names.normal(wanted))
    except CockpitError:  # tickets can come from anybody
        return Demand(1, {})
    if len(names) == 1:
        return Demand(1, dict.fromkeys(suitable(names[0], devices), 1))
    if {*names} == {CARD}:
        return Demand(len(names), dict.fromkeys(suitable(CARD, devices), 1))
    return Demand(len(names), {name: names.count(name) for name in names if name in devices})


def suitable(wanted: str, devices: Mapping[str, object]) -> list[str]:
    """Return which of a box's devices may train a run that asks for one, the best first; see `demand`."""
    if wanted == "auto":
        return [device for device in devices if device != CPU] or list(devices)
    if wanted == CARD:
        return [device for device in devices if device.startswith(f"{CARD}:")]
    return [device for device in devices if device == wanted]


def plan(
    waiting: Mapping[str, Ticket],
    free: Mapping[str, int],
    slots: Mapping[str, int] | None = None,
    *,
    paused: bool = False,
) -> Plan:
    """Return the runs to start now with the devices of each, and what is kept for others.

    Each run in turn gets as many of the slots that it asks for as are free, unless that would take one from an earlier
    run; for its sake an earlier one may get another that suits it as well. So no slot stays free that some run could
    have (the augmenting paths of bipartite matching). Who has got all starts, the others keep what they got.

    Args:
        waiting: The runs that wait for this box, in the order in which they are to start.
        free: How many slots are free on every device of the box, the best device first.
        slots: How many would be if all runs of ours had ended; None is what is free.
        paused: Whether nothing is to be started.
    """
    if paused:
        return Plan({}, {})
    seats = _Seats(free)
    demands: dict[str, Demand] = {}
    for run_id, ticket in waiting.items():
        if not seats.room:
            break
        wants = demand(ticket.device, free)
        if wants.is_met_by(slots or free):
            demands[run_id] = seats.demands[run_id] = wants
            for _ in range(wants.num_slots):
                if not seats.take(run_id):
                    break
    starts, kept = {}, {}
    for run_id, wants in demands.items():
        found = [device for device in wants.most for _ in range(seats.of[device].count(run_id))]
        if len(found) == wants.num_slots:
            starts[run_id] = ",".join(found)
        elif found:
            kept[run_id] = ",".join(found)
    return Plan(starts, kept)


class _Seats:
    """Who has been given which free slots.

    Attributes:
        of: The runs on each device; one that has several of its slots stands there as often.
        demands: What each run asks for.
        room: How many slots nobody has been given.
    """

    def __init__(self, free: Mapping[str, int]) -> None:
        self._free = free
        self.of: dict[str, list[str]] = {device: [] for device in free}
        self.demands: dict[str, Demand] = {}
        self.room = sum(free.values())

    def take(self, run_id: str) -> bool:
        """Give a run one more slot, whoever has to move for it; False when that would leave another one with fewer."""
        taken = self._find(run_id, set())
        self.room -= taken
        return taken

    def _find(self, run_id: str, tried: set[str]) -> bool:
        for device, most in self.demands[run_id].most.items():
            there = self.of[device]
            if device in tried or there.count(run_id) >= most:
                continue
            tried.add(device)
            if len(there) < self._free[device]:
                there.append(run_id)
                return True
            for other in dict.fromkeys(one for one in there if one != run_id):
                if self._find(other, tried):
                    there.remove(other)
                    there.append(run_id)
                    return True
        return False
