"""Why a run that waits for devices of this box does not start: in words, from the plan and from who has the devices."""

from collections.abc import Mapping

from cockpit.device_names import CPU, count, is_open, names_of
from cockpit.dispatch.plan import Demand, Plan, demand
from cockpit.dispatch.slots import Slot

_MOST_RUNS = 3
"""Runs that are named as having a device."""


def explain(run_id: str, device: str, devices: Mapping[str, Slot], planned: Plan) -> str:
    """Return why a run does not start now.

    Args:
        run_id: The run.
        device: What it asks for.
        devices: Those of the box, the best first, each with who has it and who keeps it.
        planned: What starts now, and what is kept for whom; the run is not among the first.
    """
    wants = demand(device, devices)
    slots = [devices[name] for name in wants.most]
    if not slots or (wants.num_slots > len(slots) and slots[0].device != CPU):
        return _say_missing(device, len(slots), devices)
    if wants.num_slots > 1 and is_open(device):
        return _say_how_many(run_id, wants, slots, planned) + _say_kept(run_id, wants, planned)
    if wants.num_slots > 1:
        return _say_several(run_id, wants, slots) + _say_kept(run_id, wants, planned)
    if any(slot.free for slot in slots):
        return _say_earlier(run_id, slots)
    if len(slots) == 1:
        return _say_taken(slots[0])
    strangers = sum(bool(slot.stranger) for slot in slots)
    return f"all {len(slots)} devices are busy" + (f", {strangers} with other programs" if strangers else "")


def _say_missing(device: str, num_cards: int, devices: Mapping[str, Slot]) -> str:
    if is_open(device):
        return f"it takes {count(device)} cards, and this machine has {num_cards or 'none'}"
    missing = [name for name in dict.fromkeys(names_of(device)) if name not in devices]
    return f"{','.join(missing) or device} is not on this machine"


def _say_how_many(run_id: str, wants: Demand, slots: list[Slot], planned: Plan) -> str:
    """Explain why so many cards are not free together."""
    usable = sum(bool(slot.most) for slot in slots)
    if usable < wants.num_slots:
        strangers = sum(bool(slot.stranger) for slot in slots)
        why = f"{strangers} busy with other programs" if strangers else "the others have no slots"
        return f"it takes {wants.num_slots} cards, and of {len(slots)} only {usable} can be had, {why}"
    return f"it takes {wants.num_slots} cards at once" + ("" if run_id in planned.kept else ", and none is free for it")


def _say_several(run_id: str, wants: Demand, slots: list[Slot]) -> str:
    """Explain which of the devices that it names are not free for it; first of all those that cannot become free."""
    found = [_say_hopeless(slot, wants.most[slot.device]) for slot in slots if slot.most < wants.most[slot.device]]
    if not found:
        found = [
            _say_taken(slot) if slot.free < wants.most[slot.device] else _say_earlier(run_id, [slot])
            for slot in slots
            if slot.kept.count(run_id) < wants.most[slot.device]
        ]
    return ", ".join(dict.fromkeys(found)) or "its devices are just becoming free"


def _say_hopeless(slot: Slot, most: int) -> str:
    if slot.stranger or not slot.slots:
        return _say_taken(slot, most)
    have = f"{slot.device} has {slot.slots} slot{'s' if slot.slots != 1 else ''} and it takes {most}"
    return f"{have}; `cockpit queue slots {slot.device} {most}` gives it them"


def _say_kept(run_id: str, wants: Demand, planned: Plan) -> str:
    kept = planned.kept.get(run_id, "")
    if not kept:
        return ""
    if len(wants.most) == 1:
        return f"; {count(kept)} of its {wants.num_slots} slots is kept for it"
    names = names_of(kept)
    return f"; {', '.join(names)} {'is' if len(names) == 1 else 'are'} kept for it"


def _say_earlier(run_id: str, slots: list[Slot]) -> str:
    """Explain why a device that is free is not for this run."""
    for slot in slots:
        others = [keeper for keeper in slot.kept if keeper != run_id]
        if slot.free and others:
            return f"{slot.device} is kept for {others[0]}"
    return "earlier runs come first"


def _say_taken(slot: Slot, most: int = 1) -> str:
    if slot.stranger:
        return f"{slot.device} is busy with {slot.stranger}"
    if not slot.slots:
        given = "one" if most == 1 else "them"
        return f"{slot.device} has no slots; `cockpit queue slots {slot.device} {most}` gives it {given}"
    return f"{slot.device} is busy with {', '.join([*dict.fromkeys(slot.runs)][:_MOST_RUNS])}"
