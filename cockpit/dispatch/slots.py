"""The devices of this box as slots, and who has them: derived from the launches that live and from NVML, never kept."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import psutil

from cockpit import device_names, liveness, records
from cockpit.device_names import CARD, MOST, is_open
from cockpit.devices import DriverError, Gpu, box_devices, list_gpus
from cockpit.dispatch.plan import suitable
from cockpit.errors import CockpitError
from cockpit.store import RunStore
from cockpit.tickets import Settings, Ticket

_IDLE_BYTES = 2 << 30
"""Memory in use on a card on which nobody is seen to compute: the driver's share and a desktop stay below it."""


class Holder(NamedTuple):
    """A run that has a device, or is just being given one."""

    run_id: str
    """The run."""
    device: str
    """What its trainer was asked for."""
    pid: int | None = None
    """Its trainer; None while it has none yet."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A device of this box."""

    device: str
    """"cpu", "mps" or "cuda:<n>"."""
    title: str
    """What it is."""
    slots: int
    """How many runs it trains at once."""
    runs: tuple[str, ...]
    """The runs that it trains; one that has several of its slots stands there as often."""
    stranger: str
    """Who else computes on it, so that no run is started there; empty when nobody is seen to."""
    kept: tuple[str, ...] = ()
    """The runs that wait for more than this device and keep a free slot of it until they have all."""

    @property
    def free(self) -> int:
        """How many runs could be started on it now."""
        return max(0, self.most - len(self.runs))

    @property
    def most(self) -> int:
        """How many runs could be started on it if all of ours had ended."""
        return 0 if self.stranger else self.slots


class Box(NamedTuple):
    """The devices of this box."""

    slots: list[Slot]
    """The best first."""
    trouble: str = ""
    """Why its cards are not among them though it may have some; empty when all are known."""

    def startable(self, waiting: Mapping[str, Ticket]) -> dict[str, Ticket]:
        """Return which of what waits may be started: what may be meant for a card is not, while those are not known."""
        return {
            run_id: ticket
            for run_id, ticket in waiting.items()
            if not (self.trouble and device_names.may_be_card(ticket.device))
        }


def read_slots(store: RunStore, launching: Mapping[str, Ticket], settings: Settings) -> Box:
    """Return the devices of this box, the best first, as they are now.

    Args:
        store: The runs that count as ours.
        launching: Those that are just being launched.
        settings: How many runs a device trains at once.
    """
    claims = [Holder(run_id, ticket.claim.device) for run_id, ticket in launching.items() if ticket.claim]
    try:
        gpus, trouble = list_gpus(), ""
    except DriverError as error:
        gpus, trouble = [], str(error)
    return Box(make_slots(gpus, [*find_holders(store), *claims], settings.slots), trouble)


def find_holders(store: RunStore) -> list[Holder]:
    """Return the runs of a folder whose trainers live on this host, whatever they last said.

    A trainer that has said its last word has its device until it is gone.
    """
    here, boot = liveness.host_name(), liveness.boot_id()
    holders = []
    for run in store.list():
        try:
            launch = next(reversed(run.launches()), None)
        except CockpitError:  # whose process it had nobody can tell
            continue
        if launch and (launch.host, launch.boot_id) == (here, boot) and _lives(launch):
            holders.append(Holder(run.id, launch.device or "auto", launch.pid))
    return holders


def _lives(launch: records.Launch) -> bool:
    return (
        psutil.pid_exists(launch.pid) and liveness.life_of(launch.boot_id, launch.pid, launch.process_start_s) != "dead"
    )


def ancestors(pid: int) -> set[int]:
    """Return a process and all it descends from; itself alone when it cannot be seen from here."""
    try:
        return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    except psutil.Error:
        return {pid}


def make_slots(
    gpus: Sequence[Gpu],
    holders: Collection[Holder],
    counts: Mapping[str, int],
    ancestors: Callable[[int], set[int]] = ancestors,
) -> list[Slot]:
    """Return the devices of this box, the best first, with the runs on each.

    Args:
        gpus: Its NVIDIA cards.
        holders: The runs that have a device.
        counts: How many runs a device trains at once, where that is not 1.
        ancestors: A process and all it descends from.
    """
    titles = dict(box_devices(gpus))
    cards = {f"cuda:{gpu.index}": gpu for gpu in gpus}
    lines = {device: [ancestors(pid) for pid in gpu.pids or ()] for device, gpu in cards.items()}
    runs: dict[str, list[str]] = {device: [] for device in titles}
    for holder in holders:
        found = [device for device, seen in lines.items() if any(holder.pid in line for line in seen)]
        for device in _devices_of(holder.device, found, titles):
            runs[device].append(holder.run_id)
    ours = {holder.pid for holder in holders}
    return [
        Slot(
            device=device,
            title=title,
            slots=counts.get(device, 1),
            runs=tuple(runs[device]),
            stranger=_stranger(cards[device], lines[device], ours, alone=not runs[device]) if device in cards else "",
        )
        for device, title in titles.items()
    ]


def _devices_of(asked: str, found: Sequence[str], devices: Mapping[str, object]) -> list[str]:
    """Return the devices of a run, one for each of its processes; of several cards one may not show it yet, or not now.

    Args:
        asked: What its trainer was asked for.
        found: The cards where it is seen.
        devices: All devices of the box.
    """
    names = asked.split(",", MOST)[:MOST]
    if len(names) == 1:
        return [*found] or suitable(asked, devices)[:1]
    if is_open(asked):
        unseen = [device for device in suitable(CARD, devices) if device not in found]
        return [*found, *unseen[: max(0, len(names) - len(found))]]
    named = [name for name in names if name in devices]
    return [*named, *(device for device in found if device not in named)]


def _stranger(gpu: Gpu, lines: Sequence[set[int]], ours: set[int | None], *, alone: bool) -> str:
    """Return who computes on a card beside our runs; without any, its memory tells of those whom nobody can see."""
    others = [str(pid) for pid, line in zip(gpu.pids or (), lines, strict=True) if not line & ours]
    if others:
        return f"another program (pid {', '.join(others)})"
    if alone and (gpu.memory_bytes or 0) > _IDLE_BYTES:
        return f"another program ({(gpu.memory_bytes or 0) / 2**30:.1f} GiB)"
    return ""
