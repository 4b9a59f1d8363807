"""What stands in the tables of the queue, and beside them."""

import re
from collections import Counter
from typing import NamedTuple

from textual.content import Content

from cockpit.device_names import count, short
from cockpit.dispatch.look import Look, Training, Waiting
from cockpit.dispatch.slots import Slot
from cockpit.jobs import JobInfo, span
from cockpit.status import RunInfo
from cockpit.tui.columns import Column
from cockpit.tui.text import SYMBOLS, plain, words


class QueueRow(NamedTuple):
    """A run that trains or waits."""

    run: RunInfo
    """The run."""
    place: str
    """Its place, or a sign."""
    device: str
    """Where it trains, or what it asks for."""
    priority: int
    """Runs of a higher one come first."""
    state: str
    """Why it waits, or how far it is."""
    ticket: bool
    """Whether it waits."""

    @property
    def id(self) -> str:
        """The run."""
        return self.run.id

    @property
    def status(self) -> str:
        """Colours the place."""
        return self.run.status


class SlurmRow(NamedTuple):
    """A run whose job lives in Slurm."""

    run: RunInfo
    """The run."""

    @property
    def id(self) -> str:
        """The run."""
        return self.run.id

    @property
    def status(self) -> str:
        """Colours the number of the job."""
        return self.run.status

    @property
    def job(self) -> JobInfo:
        """The job."""
        return self.run.job or JobInfo(id="")

    @property
    def state(self) -> str:
        """What is to be known of it, in a sentence."""
        return self.run.detail


_DATE = re.compile(r"\b\d{8}-\d{6}-(?=\S)")
"""Of a run's id; without it the rest says in a column which run is meant, and any command takes it for the id."""

COLUMNS = (
    Column("place", 5, 0, lambda row: row.place),
    Column("model", 11, 1, lambda row: row.run.model, right=False, tail=7),
    Column("dataset", 8, 2, lambda row: row.run.dataset, right=False),
    Column("device", 8, 3, lambda row: short(row.device), right=False),
    Column("prio", 4, 4, lambda row: str(row.priority or "")),
    Column("recipe", 30, 6, lambda row: row.run.changes or "the seed's", right=False),
    Column("why it waits", 30, 5, lambda row: _DATE.sub("", row.state), right=False, most=70),
    Column("run", 40, 7, lambda row: row.run.id, right=False),
)
"""All columns, in their order."""

SLURM_COLUMNS = (
    Column("job", 7, 0, lambda row: row.job.id or "?", most=10),
    Column("state", 8, 1, lambda row: row.job.state or row.status, right=False, most=10),
    Column("why it waits", 16, 2, lambda row: row.job.reason, right=False, most=24),
    Column("model", 11, 3, lambda row: row.run.model, right=False, tail=7),
    Column("node", 8, 4, lambda row: row.job.node, right=False, most=16),
    Column("time/limit", 15, 5, lambda row: _times(row.job), right=False, most=18),
    Column("dataset", 8, 6, lambda row: row.run.dataset, right=False),
    Column("epoch", 7, 7, lambda row: f"{row.run.epoch}/{row.run.epochs}"),
    Column("run", 40, 8, lambda row: row.run.id, right=False),
)
"""The same for what Slurm has, in its words."""


def queue_rows(look: Look) -> list[QueueRow]:
    """Return what trains and what waits, in that order."""
    return [*map(_training_row, look.training), *map(_waiting_row, look.waiting)]


def _times(job: JobInfo) -> str:
    """Return how long it has run and may run, in minutes: seconds would be painted again all the time."""
    limit = "" if job.limit_s is None else f"/{span(job.limit_s)}"
    return f"{span(job.elapsed_s)}{limit}" if job.elapsed_s or limit else ""


def _training_row(training: Training) -> QueueRow:
    run = training.run
    return QueueRow(
        run, SYMBOLS[run.status], training.device, 0, f"{run.status}, epoch {run.epoch}/{run.epochs}", False
    )


def _waiting_row(waiting: Waiting) -> QueueRow:
    place = str(waiting.place or SYMBOLS["starting" if waiting.run.status == "waiting" else "failed"])
    return QueueRow(waiting.run, place, waiting.device, waiting.priority, waiting.why, True)


def describe_row(row: QueueRow | SlurmRow) -> Content:
    """Return the lines about the chosen run: what it waits for, and what its recipe changes."""
    recipe = f"recipe: {plain(row.run.changes)}" if row.run.changes else "recipe: the seed's"
    several = f"on {plain(row.device, 80)}" if isinstance(row, QueueRow) and count(row.device) > 1 else ""
    name = words((plain(row.id), "bold"), (several, "dim") if several else "", between="  ")
    return words(name, plain(row.state), (recipe, "dim"), between="\n")


def device_line(slot: Slot) -> Content:
    """Return who has a device, or keeps it."""
    taken = f"{len(slot.runs)} of {slot.slots} slots taken" if slot.slots != 1 else "taken" if slot.runs else "free"
    kept = f"kept for {', '.join(dict.fromkeys(slot.kept))}" if slot.kept else ""
    if slot.stranger:
        state, style = f"busy with {slot.stranger}", "$text-warning"
    elif kept and taken == "free":
        state, style = kept, "$text-warning"
    else:
        state, style = f"{taken}, {kept}" if kept else taken, "$text-success"
    return words(f"{slot.device:<8}", (plain(state), style), (plain(slot.title), "dim"), between="  ")


def slurm_title(look: Look) -> Content:
    """Return how many jobs there are in which state, or that Slurm does not say."""
    counts = Counter(info.job.state for info in look.slurm if info.job and info.job.state)
    states = "  ".join(f"{number:,} {plain(state, 20).lower()}" for state, number in sorted(counts.items()))
    trouble = (plain(look.slurm_trouble), "$text-warning") if look.slurm_trouble else ""
    told = states or f"{len(look.slurm):,} jobs"
    return words(("slurm", "bold $text-accent"), told, trouble, ("tab goes there", "dim"), between="  ")
