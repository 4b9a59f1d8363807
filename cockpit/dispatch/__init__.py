"""The queue of one box: `tick` starts what waits on what is free. No daemon: whoever passes by ticks.

Those are the cockpit, `cockpit queue`, who puts something into the queue, and every trainer when it has ended.

Why a run starts exactly once, whatever ticks at once and whoever is killed in the middle: a ticket says how many
launches the run had had, and a trainer adds one to that as its first act, while it has the run's writer lock. A tick
starts a trainer only by taking that lock, then finding its own claim in the ticket and the launches still as many, and
then leaving the lock to the trainer, which outlives it. So of all who ever try, one gets the launch; all others find
the lock taken, or a launch more, which makes the ticket void.

Why no slot is given twice: planning and claiming happen within the queue's lock, which dies with its process, and a
device is free only if no trainer on it lives and no claim names it. A claim names all devices of a run, so one on
several gets all at once or none. A claim ends with the launch. If there is none, because the claiming process is gone
or slower than a minute, another tick takes the claim back, but only while it has the writer lock itself: a trainer on
its way has that, and who claimed asks for his claim when he gets it. Then the run waits again.

Why nothing trains on the CPU unasked: when the NVIDIA driver fails, what may be meant for a card waits and is told.

What comes first: a run is held back by earlier runs only. One on several devices keeps those that are free until it has
all, see `plan`, and so is not starved by small ones behind it.

Why the queue moves on: a launch that fails costs the run one of three tries, then it is failed with the reason; want of
room on the disk costs none, the run waits until there is some. A tick waits for the queue's lock, so a device that
becomes free while another plans is not overlooked.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import psutil

from cockpit import files, interpreter, launch, liveness, tickets
from cockpit.dispatch.plan import plan
from cockpit.dispatch.slots import read_slots
from cockpit.dispatch.standing import Queue, read_queue
from cockpit.errors import CockpitError
from cockpit.store import Run, RunBusyError, RunStore
from cockpit.tickets import Claim, Ticket


class Attempt(NamedTuple):
    """What came of launching a run."""

    run_id: str
    """The run."""
    device: str
    """The device it was to have; several have commas between."""
    trouble: str
    """Why it was not launched; empty when it was."""

    def __str__(self) -> str:
        """Return a sentence."""
        if self.trouble:
            return f"{self.run_id} could not be launched on {self.device}: {self.trouble}"
        return f"{self.run_id} is launched on {self.device}"


def tick(store: RunStore) -> list[Attempt]:
    """Start what waits on what is free, and return what was tried.

    Raises:
        CockpitError: When a folder cannot be written or has no room, the queue's settings are damaged, another keeps
            its lock or the driver of the cards fails, so that something waits which could start.
    """
    attempts: list[Attempt] = []
    while tickets.any_ticket(store.root):
        try:
            with tickets.locked(store.root):
                claimed = _claim_next(store)
            if claimed is None:
                break
            run, ticket, device = claimed
            trouble = _launch(run, ticket, device)
        except CockpitError:
            if attempts:  # they are to be told; the next tick says what is wrong
                break
            raise
        if trouble is not None:
            attempts.append(Attempt(run.id, device, trouble))
    return attempts


def _claim_next(store: RunStore) -> tuple[Run, Ticket, str] | None:
    """Claim the first run that can start, for all of its devices; within the queue's lock."""
    queue = read_queue(store)
    for run_id in queue.void:
        with contextlib.suppress(CockpitError):
            tickets.drop_ticket(store.root / run_id)
    waiting, launching = _take_back(store, queue)
    settings = tickets.read_settings(store.root)
    box = read_slots(store, launching, settings)
    free, most = {slot.device: slot.free for slot in box.slots}, {slot.device: slot.most for slot in box.slots}
    startable = box.startable(waiting)
    held_up = len(startable) < len(waiting) and not settings.paused
    hindrance = CockpitError(box.trouble) if held_up else None
    waiting = startable
    while starts := plan(waiting, free, most, paused=settings.paused).starts:
        run_id, device = next(iter(starts.items()))
        ticket = msgspec.structs.replace(waiting.pop(run_id), claim=_my_claim(device))
        run = Run(store.root / run_id)
        try:
            launch.check_room(run)
        except launch.NoRoomError as error:  # one folder that cannot be written must not hold up the others
            hindrance = hindrance or error
            continue
        except (CockpitError, OSError):  # deleted meanwhile, or the launch will tell what is wrong
            pass
        try:
            tickets.write_ticket(run.path, ticket)
            return run, ticket, device
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError as error:  # as above
            hindrance = hindrance or files.unwritable(run.path, error)
    if hindrance:
        raise hindrance
    return None


def _take_back(store: RunStore, queue: Queue) -> tuple[dict[str, Ticket], dict[str, Ticket]]:
    """Let runs wait again whose claim came to nothing; return what waits and what is being launched."""
    waiting, launching = dict(queue.waiting), dict(queue.launching)
    for run_id, ticket in queue.broken.items():
        run = Run(store.root / run_id)
        try:
            lock = run.lock()
        except RunBusyError:  # a trainer has it or is on its way
            launching[run_id] = ticket
            continue
        except CockpitError:  # deleted meanwhile, or not ours to write
            continue
        trouble = "whoever launched it was killed before its trainer began"
        failed = msgspec.structs.replace(ticket, claim=None, broken=ticket.broken + 1, trouble=trouble)
        try:
            tickets.write_ticket(run.path, failed)
        except OSError:  # as above
            continue
        finally:
            os.close(lock)
        if not failed.refused:
            waiting[run_id] = failed
    return tickets.in_order(waiting), launching


def _my_claim(device: str) -> Claim:
    me = psutil.Process()
    return Claim(
        device=device,
        time=time.time(),
        boot_id=liveness.boot_id(),
        pid=me.pid,
        process_start_s=liveness.since_boot(me),
    )


def _launch(run: Run, ticket: Ticket, device: str) -> str | None:
    """Launch a claimed run; return what went wrong, nothing if nothing did, or None if it is not to start any more."""

    def still_ours() -> bool:
        try:
            return run.ticket() == ticket and len(run.launches()) == ticket.launches
        except CockpitError:
            return False

    try:
        launch.start(run, device=device, sample_s=ticket.sample_s, provided=still_ours)
        return ""
    except launch.CalledOffError:
        return None
    except (CockpitError, OSError) as error:
        with tickets.locked(run.path.parent):
            if not still_ours():
                return None
            failed = msgspec.structs.replace(ticket, claim=None, tries=ticket.tries + 1, trouble=str(error))
            tickets.write_ticket(run.path, failed)
        return str(error)


def tick_when_gone(store: RunStore, environment: Mapping[str, str] | None = None) -> None:
    """Leave a process behind that ticks once this one is gone and has given its device back; never fail.

    Nothing happens without a queue, and in a Slurm job: what one leaves behind ends with it.

    Args:
        store: The runs.
        environment: What the next trainer finds in its environment; None is this process's own.
    """
    if "SLURM_JOB_ID" in os.environ or not tickets.any_ticket(store.root):
        return
    with contextlib.suppress(OSError):
        words = [
            sys.executable,
            *interpreter.module("cockpit.dispatch"),
            str(store.root.resolve()),
            "--after",
            str(os.getpid()),
        ]
        subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, env=environment)
