"""Which waiting runs start now, and on which device: a function of what waits and what is free."""

from collections.abc import Mapping

from cockpit.tickets import Ticket

CPU = "cpu"


def suitable(wanted: str, devices: Mapping[str, object]) -> list[str]:
    """Return which of a box's devices may train a run, the best first.

    Args:
        wanted: What the run asks for: "auto" is any GPU, and the CPU only where there is none; "cuda" any CUDA device.
        devices: All devices of the box, the best first.
    """
    if wanted == "auto":
        return [device for device in devices if device != CPU] or list(devices)
    if wanted == "cuda":
        return [device for device in devices if device.startswith("cuda:")]
    return [device for device in devices if device == wanted]


def plan(waiting: Mapping[str, Ticket], free: Mapping[str, int], *, paused: bool = False) -> dict[str, str]:
    """Return the runs to start now with the device of each, the first first.

    Each run in turn gets a device unless that would take it from an earlier one; for its sake an earlier one may get
    another that suits it as well. So a run is held back by earlier runs only, and no slot stays free that some run
    could have (the augmenting paths of bipartite matching).

    Args:
        waiting: The runs that wait for this box, in the order in which they are to start.
        free: How many slots are free on every device of the box, the best device first.
        paused: Whether nothing is to be started.
    """
    if paused:
        return {}
    seated: dict[str, list[str]] = {device: [] for device in free}

    def seat(run_id: str, tried: set[str]) -> bool:
        for device in suitable(waiting[run_id].device, free):
            if device in tried:
                continue
            tried.add(device)
            if len(seated[device]) < free[device]:
                seated[device].append(run_id)
                return True
            for other in seated[device]:
                if seat(other, tried):
                    seated[device].remove(other)
                    seated[device].append(run_id)
                    return True
        return False

    room = sum(free.values())
    for run_id in waiting:
        if room == 0:
            break
        room -= seat(run_id, set())
    found = {run_id: device for device, run_ids in seated.items() for run_id in run_ids}
    return {run_id: found[run_id] for run_id in waiting if run_id in found}
