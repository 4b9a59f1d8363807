"""The commands that list, order and pause the queue of this box; all but the pause start what can start."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import dispatch, jobs, status, tickets
from cockpit.cli.common import duration, open_store, print_json, print_table, say, show
from cockpit.cli.fields import RunRef, Whole
from cockpit.datasets import is_ready
from cockpit.dispatch import look, order
from cockpit.dispatch.slots import Slot
from cockpit.errors import CockpitError
from cockpit.store import Run, RunStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Command:
    """The flags of all of them."""

    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListQueue(_Command):
    """List what waits and why, what trains where, the devices, and what Slurm has of yours."""

    def execute(self) -> int:
        """Start what can start, then print the listing."""
        store = open_store(self.runs)
        told = tick(store)
        seen = look.look(store)
        if seen.trouble not in ("", told):
            say(seen.trouble)
        elif seen.paused and not seen.trouble:
            say("the queue is paused; `cockpit queue go` continues it")
        if self.json:
            print_json(seen)
            return 0
        if not seen.waiting:
            say("nothing waits; `cockpit train --enqueue` puts something into the queue, `cockpit` too")
        else:
            heads = ["place", "run", "recipe", "device", "priority", "why it waits"]
            print_table(
                heads,
                [_waiting_row(row) for row in seen.waiting],
                right=(0, 4),
                order=("run", "place", "why it waits", "device", "recipe"),
                cut=("recipe", "why it waits"),
            )
        if seen.training:
            rows = [
                [row.device, row.run.id, row.run.status, f"{row.run.epoch}/{row.run.epochs}"] for row in seen.training
            ]
            print_table(["device", "run", "status", "epoch"], rows, right=(3,), order=("run", "status", "device"))
        rows = [[slot.device, slot.title, f"{len(slot.runs)}/{slot.slots}", _beside(slot)] for slot in seen.devices]
        print_table(["device", "what", "slots", ""], rows, right=(2,), cut=("what", ""))
        _print_slurm(seen)
        return 0


def _beside(slot: Slot) -> str:
    if slot.stranger:
        return f"busy with {slot.stranger}"
    return f"kept for {', '.join(dict.fromkeys(slot.kept))}" if slot.kept else ""


def _print_slurm(seen: look.Look) -> None:
    """Print what Slurm has of ours, in its words."""
    if seen.slurm_trouble:
        say(f"Slurm: {seen.slurm_trouble}")
    rows = [_slurm_row(row, row.job) for row in seen.slurm if row.job]
    if rows:
        heads = ["job", "run", "state", "why it waits", "node", "elapsed", "limit"]
        order = ("job", "run", "state", "why it waits", "node", "elapsed")
        print_table(heads, rows, right=(0, 5, 6), order=order, cut=("why it waits",))


def _slurm_row(row: status.RunInfo, job: jobs.JobInfo) -> list[str]:
    times = ["" if seconds is None else duration(seconds) for seconds in (job.elapsed_s, job.limit_s)]
    return [job.id or "?", row.id, job.state or row.status, job.reason, job.node, *times]


def _waiting_row(row: look.Waiting) -> list[str]:
    place, recipe = str(row.place or ""), row.run.changes or "the seed's"
    return [place, row.run.id, recipe, row.device, str(row.priority or ""), row.why]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveRun(_Command):
    """Give a waiting run another place in the order, and the priority that goes with it."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that waits."""
    before: Annotated[str, arg(metavar="RUN")] = ""
    """Put it before this run."""
    top: bool = False
    """Put it first."""
    bottom: bool = False
    """Put it last."""

    def execute(self) -> int:
        """Move it."""
        store = open_store(self.runs)
        run = store.get(self.run, waiting=True)
        if (bool(self.before), self.top, self.bottom).count(True) != 1:
            raise CockpitError(f"say where {run.id} is to go: --before RUN, --top or --bottom")
        order.move(store, run, store.get(self.before, waiting=True) if self.before else "top" if self.top else "bottom")
        return move_on(store, [run], self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetPriority(_Command):
    """Let a waiting run come before all of a lower priority; 0 is usual."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that waits."""
    priority: Positional[Whole]
    """The higher the sooner."""

    def execute(self) -> int:
        """Set it."""
        store = open_store(self.runs)
        run = store.get(self.run, waiting=True)
        order.set_priority(store, run, self.priority)
        return move_on(store, [run], self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithdrawRun(_Command):
    """Take a waiting run from the queue; it waits on, for somebody who launches it."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that waits."""

    def execute(self) -> int:
        """Take it out."""
        store = open_store(self.runs)
        run = store.get(self.run, waiting=True)
        if not order.withdraw(store, run):
            raise CockpitError(f"run {run.id} does not wait in the queue; `cockpit queue` lists what does")
        return move_on(store, [run], self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PauseQueue(_Command):
    """Start nothing any more; what trains goes on training."""

    def execute(self) -> int:
        """Pause."""
        store = open_store(self.runs)
        order.pause(store, True)
        return _tell_settings(store, self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContinueQueue(_Command):
    """Start what waits again, after a pause."""

    def execute(self) -> int:
        """Go on."""
        store = open_store(self.runs)
        order.pause(store, False)
        tick(store)
        return _tell_settings(store, self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetSlots(_Command):
    """Let a device train several runs of the queue at once, or none."""

    device: Annotated[Positional[str], arg(metavar="DEVICE")]
    """cpu, mps or cuda:<n>; several with commas between: 0,1 is cuda:0,cuda:1."""
    slots: Positional[Whole]
    """How many at once."""

    def execute(self) -> int:
        """Set it."""
        store = open_store(self.runs)
        order.set_slots(store, self.device, self.slots)
        tick(store)
        return _tell_settings(store, self.json)


def _tell_settings(store: RunStore, json: bool) -> int:
    seen = look.look(store)
    slots = ", ".join(f"{slot.device} {len(slot.runs)}/{slot.slots}" for slot in seen.devices)
    say(f"the queue {'is paused' if seen.paused else 'goes on'}; {len(seen.waiting)} waiting; busy slots: {slots}")
    if json:
        print_json(seen)
    return 0


def move_on(store: RunStore, runs: Sequence[Run], json: bool) -> int:
    """Start what can start, and print what became of these runs: their ids, or rows of the listing as JSON."""
    tick(store)
    places = tickets.places(tickets.read_tickets(store.root))
    rows = status.numbered([status.describe(run, number=False) for run in runs], places)
    if json:
        print_json(rows)
    else:
        for row in rows:
            say(f"{row.id}: {row.status}, {row.detail}")
            show(row.id)
    return 0


def say_absent(datasets: Iterable[str]) -> None:
    """Say which datasets the first run will have to fetch: without a network each run of them would fail."""
    absent = [name for name in dict.fromkeys(datasets) if not is_ready(name)]
    if absent:
        names = ", ".join(absent)
        say(f"not here yet: {names}; the first run fetches it, and fails offline; `cockpit data get NAME` does it now")


def tick(store: RunStore) -> str:
    """Start what can start and say what came of it; return what keeps the queue from moving.

    That is no error of a command, which has done by then what it was asked for.
    """
    try:
        for attempt in dispatch.tick(store):
            say(f"queue: {attempt}")
    except CockpitError as error:
        say(f"queue: {error}")
        return str(error)
    return ""
