"""The files of a box's queue: a ticket in each waiting run's folder, and what holds for all of them.

Which runs train, and where, is not kept: that is derived anew each time, see `cockpit.dispatch`.
"""

import contextlib
import errno
import fcntl
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from cockpit import durable, files
from cockpit.errors import CockpitError
from cockpit.records import UNREADABLE, Amount, Count, Moment, Pid

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""How a run's folder may be called; what is called otherwise is none."""
MAX_TRIES = 3
"""A run whose trainer did not start so often is not launched again by itself."""
_MAX_BROKEN = 10
"""Nor is one whose launch so often killed who launched it; once or twice that was somebody else."""
MAX_SLOTS = 64
"""So many runs a device trains at once at most."""
MAX_PRIORITY = 1_000_000
"""The highest priority; the lowest is as far below 0."""
_TICKET = "queued.json"
_SETTINGS = "queue.json"
_LOCK = ".queue.lock"
_LOCK_S = 30.0
"""How long to wait for whoever has the queue; planning takes a tenth of a second with a thousand runs."""
_LAST_LOCK_S = 1.0
"""How long to wait when somebody waits for this process to end: enough to get through what was just asked for."""
LEAVING = threading.Event()
"""Set once this process is to end, whatever its threads wait for."""

Content = TypeVar("Content", bound=msgspec.Struct)
Place = Annotated[float, msgspec.Meta(ge=-(2**53), le=2**53)]
Priority = Annotated[int, msgspec.Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
Slots = Annotated[int, msgspec.Meta(ge=0, le=MAX_SLOTS)]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A process said that it launches the run now."""

    device: str
    """The device that is kept for the run meanwhile: "cpu", "mps" or "cuda:<n>"; several with commas between."""
    time: Moment
    """Wall clock, unix seconds."""
    boot_id: str
    """Identity of the host's boot."""
    pid: Pid
    """The launching process."""
    process_start_s: Amount
    """Its start in seconds since boot."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What queued.json holds: the run waits for a device."""

    time: Moment
    """When it was queued, unix seconds."""
    host: str
    """The box whose devices it waits for."""
    launches: Count
    """How many launches the run had had. Once it has had another the ticket is void, whoever launched it."""
    place: Place
    """The lower the sooner, among runs of one priority; a run that is moved gets a number between two others."""
    priority: Priority = 0
    """Runs of a higher priority come first."""
    device: str = "auto"
    """What was asked for, in the normal form of `cockpit.device_names`."""
    sample_s: Amount | None = None
    """Seconds between live samples; None is the trainer's default."""
    claim: Claim | None = None
    """Who launches it just now."""
    tries: Count = 0
    """How often its trainer did not start."""
    broken: Count = 0
    """How often who had claimed it was gone before its trainer began."""
    trouble: str = ""
    """What went wrong last."""

    @property
    def order(self) -> tuple[int, float]:
        """Sorts tickets as the runs are to start."""
        return -self.priority, self.place

    @property
    def refused(self) -> bool:
        """Whether the queue has given the run up."""
        return self.tries >= MAX_TRIES or self.broken >= _MAX_BROKEN


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What queue.json holds, for all runs of a folder."""

    paused: bool = False
    """Whether no run is to be started; those that train go on."""
    slots: dict[str, Slots] = {}
    """How many runs a device trains at once, by its name; 1 where it is not named."""


class QueueBusyError(CockpitError):
    """Another process does not let go of the queue."""


def ticket_path(home: Path) -> Path:
    """Return where the ticket of the run in a folder is."""
    return home / _TICKET


def read_ticket(home: Path) -> Ticket | None:
    """Return the ticket in a run's folder, or None when there is none.

    Raises:
        CockpitError: When it is damaged.
    """
    return _read(ticket_path(home), Ticket, "`cockpit queue remove` takes the run from the queue")


def write_ticket(home: Path, ticket: Ticket) -> None:
    """Replace the ticket in a run's folder; only within `locked`, unless nobody knows the folder yet.

    Raises:
        OSError: When it cannot be written.
    """
    durable.write_atomically(ticket_path(home), _encode(ticket))


def drop_ticket(home: Path) -> None:
    """Take a run from the queue; only within `locked`.

    Raises:
        CockpitError: When its ticket cannot be deleted.
    """
    try:
        (ticket_path(home)).unlink(missing_ok=True)
    except OSError as error:
        raise files.unwritable(ticket_path(home), error) from error


def read_tickets(root: Path) -> dict[str, Ticket]:
    """Return the tickets in a folder of runs by the run's id, as the runs are to start; damaged ones are left out."""
    found = {}
    for name in _names(root):
        with contextlib.suppress(CockpitError):
            ticket = read_ticket(root / name)
            if ticket is not None:
                found[name] = ticket
    return in_order(found)


def places(tickets: Mapping[str, Ticket]) -> dict[str, int]:
    """Return the places, from 1, of tickets that are in the order in which their runs are to start.

    A run that is just being launched has none, and the runs of each box are counted for themselves.
    """
    found, taken = {}, Counter[str]()
    for run_id, ticket in tickets.items():
        if ticket.claim is None and not ticket.refused:
            taken[ticket.host] += 1
            found[run_id] = taken[ticket.host]
    return found


def in_order(tickets: Mapping[str, Ticket]) -> dict[str, Ticket]:
    """Return tickets as their runs are to start."""
    return dict(sorted(tickets.items(), key=lambda item: (item[1].order, item[0])))


def any_ticket(root: Path) -> bool:
    """Tell whether anything may be waiting in a folder of runs; costs a few milliseconds with a thousand of them."""
    return any(os.path.lexists(f"{root}/{name}/{_TICKET}") for name in _names(root))


def read_settings(root: Path) -> Settings:
    """Return what holds for all runs of a folder.

    Raises:
        CockpitError: When it is damaged.
    """
    return _read(root / _SETTINGS, Settings, "correct it or delete it") or Settings()


def write_settings(root: Path, settings: Settings) -> None:
    """Replace what holds for all runs of a folder; only within `locked`."""
    durable.write_atomically(root / _SETTINGS, _encode(settings))


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Be the only process that plans or changes the queue of a folder of runs; the lock dies with the process.

    Raises:
        QueueBusyError: When another process keeps it.
        CockpitError: When it cannot be written.
    """
    with told_of(root), contextlib.ExitStack() as stack:
        root.mkdir(parents=True, exist_ok=True)
        handle = files.open_to_append(root / _LOCK)
        stack.callback(os.close, handle)
        _wait_for_lock(handle, root)
        yield


@contextlib.contextmanager
def told_of(root: Path) -> Iterator[None]:
    """Turn what a disk refuses, locks too, into a sentence on the queue of a folder of runs.

    Raises:
        CockpitError: For every OSError within.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room there" if error.errno == errno.ENOSPC else "choose another folder with --runs"
        raise CockpitError(f"the queue of {root} cannot be written: {error.strerror}; {remedy}") from error


def _wait_for_lock(handle: int, root: Path) -> None:
    deadline, hurries = time.monotonic() + _LOCK_S, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if LEAVING.is_set() and not hurries:
                hurries = True
                deadline = min(deadline, time.monotonic() + _LAST_LOCK_S)
            if time.monotonic() > deadline:
                raise QueueBusyError(
                    f"another process has kept the queue of {root} for {_LOCK_S:.0f} s; end or continue it"
                ) from None
            time.sleep(0.01)


def _names(root: Path) -> list[str]:
    try:
        return [name for name in os.listdir(root) if RUN_ID.fullmatch(name)]
    except OSError:
        return []


def _read(path: Path, kind: type[Content], remedy: str) -> Content | None:
    try:
        return msgspec.json.decode(files.read_whole(path, files.DOCUMENT_BYTES), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CockpitError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    except UNREADABLE as error:
        raise CockpitError(f"{path} is damaged: {error}; {remedy}") from error


def _encode(content: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"
