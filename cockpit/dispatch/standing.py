"""How every ticket of a folder stands: who waits, who is just being launched, and what is left over."""

import time
from typing import NamedTuple

from cockpit import liveness
from cockpit.errors import CockpitError
from cockpit.store import Run, RunStore
from cockpit.tickets import Claim, Ticket, read_tickets

_CLAIM_S = 60.0
"""A claim that is older leads to no launch any more: one takes at most half a minute, see `launch.start`."""


class Queue(NamedTuple):
    """The tickets of a folder by the run's id, each in one of these, in the order in which they are to start."""

    waiting: dict[str, Ticket]
    """For a device of this box."""
    launching: dict[str, Ticket]
    """Claimed by a process that lives."""
    broken: dict[str, Ticket]
    """Claimed by a process that is gone or too slow."""
    refused: dict[str, Ticket]
    """Given up."""
    elsewhere: dict[str, Ticket]
    """For a device of another box."""
    void: dict[str, Ticket]
    """Launched since."""


def read_queue(store: RunStore) -> Queue:
    """Read how the tickets of a folder stand; damaged ones, and those of runs whose launches are, are left out."""
    queue = Queue({}, {}, {}, {}, {}, {})
    here = liveness.host_name()
    for run_id, ticket in read_tickets(store.root).items():
        try:
            launches = len(Run(store.root / run_id).launches())
        except CockpitError:  # the run's row tells of it
            continue
        if launches != ticket.launches:
            queue.void[run_id] = ticket
        elif ticket.host != here:
            queue.elsewhere[run_id] = ticket
        elif ticket.refused:
            queue.refused[run_id] = ticket
        elif ticket.claim is None:
            queue.waiting[run_id] = ticket
        elif _is_alive(ticket.claim):
            queue.launching[run_id] = ticket
        else:
            queue.broken[run_id] = ticket
    return queue


def _is_alive(claim: Claim) -> bool:
    """Tell whether the process that claimed a run may still be launching it."""
    recent = abs(time.time() - claim.time) < _CLAIM_S  # abs: somebody may have set the clock back
    return recent and liveness.life_of(claim.boot_id, claim.pid, claim.process_start_s) != "dead"
