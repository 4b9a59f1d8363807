"""What a run is doing, derived anew each time: from its last phase, its launches and the life of its process.

A run that waits is in the queue and is launched by itself; one that is created is not, and waits for its user.

Nothing here is stored, and exit codes play no part: a status that is written down lies after a kill -9.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from cockpit import causes, jobs, liveness, records, tickets
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe, changes
from cockpit.results import TestReport
from cockpit.store import Run, Tail
from cockpit.store.remarks import NO_REMARKS

Status = Literal[
    "created",
    "waiting",
    "pending",
    "starting",
    "running",
    "stopped",
    "finished",
    "failed",
    "lost",
    "stale",
    "unknown",
    "damaged",
    "imported",
]

Value = TypeVar("Value")

LIVE: frozenset[str] = frozenset({"pending", "starting", "running", "stale", "unknown"})
"""Statuses of a run whose trainer holds the folder, or will by itself (pending in Slurm), or may (Slurm is silent)."""
RESUMABLE: frozenset[str] = frozenset({"created", "waiting", "stopped", "failed", "lost"})
"""Statuses from which `resume` makes sense."""
TROUBLED: frozenset[str] = frozenset({"stopped", "failed", "lost", "stale", "unknown", "damaged"})
"""Statuses of a run that does not go on by itself, or may not; its detail says why."""
OUTDATED = "°"
"""Beside the figures of a test of another checkpoint than the best."""


class TestScores(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing shows of a test."""

    __test__ = False

    top1: float
    """0-1."""
    top5: float
    """0-1."""
    loss: float | None
    """Mean cross-entropy an image; None where the network's outputs are not finite."""
    epoch: int
    """The epoch of the checkpoint that was tested."""
    run: str
    """The run that it says it is of."""
    dataset: str
    """The dataset whose test part was used."""
    images: int
    """Number of test images."""
    of_weights: bool | None = None
    """Whether it is of the very weights in the folder; None where there are none."""

    def is_outdated(self, best_epoch: int | None) -> bool:
        """Return whether the best checkpoint is of another epoch by now: the figures are not those of it."""
        return best_epoch is not None and self.epoch != best_epoch


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a listing; `cockpit runs --json` prints these."""

    id: str
    """The folder's name."""
    path: str
    """The folder."""
    status: str
    """One of `Status`."""
    detail: str
    """Why it failed, stopped or is damaged; what it prepares."""
    model: str
    """Architecture."""
    dataset: str
    """Dataset."""
    epoch: int
    """Epochs done."""
    epochs: int
    """Epochs planned."""
    best_val_acc: float | None
    """The highest validation top-1 so far, 0-1."""
    best_epoch: int | None
    """The epoch of it."""
    test: TestScores | None
    """The newest test, once there is one; its epoch is not `best_epoch` when there is a better checkpoint since."""
    elapsed_s: float
    """Training seconds so far."""
    launched: float | None
    """Wall clock of the newest launch, or of the import, unix seconds."""
    begun: float | None = None
    """Wall clock of the first launch, unix seconds."""
    changes: str
    """What its recipe sets apart from the seed's, for example "preset fast · lr 0.05"; empty when nothing."""
    damage: str = ""
    """Which of its files cannot be used and why; empty when all can."""
    ticket: tickets.Ticket | None = None
    """What it waits for in the queue; None when it is not in there."""
    place: int | None = None
    """Its place in the queue, from 1; None when it is not in there or being launched."""
    job: jobs.JobInfo | None = None
    """Its Slurm job; None when it has none."""
    note: str = ""
    """The user's note; empty when there is none."""
    tags: tuple[str, ...] = ()
    """The user's tags, sorted."""
    recipe: Recipe | None = None
    """Its recipe; None when that cannot be read."""
    checkpoint_step: int = 0
    """The step from which a resume goes on, of a run that ended before its first epoch did; else 0."""
    source: str = ""
    """Name of the file that its weights came from, if they were imported."""


def describe(run: Run, *, number: bool = True) -> RunInfo:
    """Read what a listing shows of a run; a damaged folder gives a row that says what is wrong.

    Without recipe, launches or records its status cannot be told, and is "damaged", nor can that of a run never
    launched without its ticket; it can without any other file.

    Args:
        run: The run.
        number: Whether to look into the other folders for its place in the queue; who reads them all has `numbered`.
    """
    damage: list[str] = []
    spoiled: list[str] = []
    recipe = _read(lambda: run.recipe, None, damage)
    imported = _read(run.imported, None, []) if recipe is None else None
    if imported:
        damage.clear()  # it has no recipe, and none is missed
    model, dataset, epochs, apart = _read(lambda: _facts(recipe), ("?", "?", 0, ""), damage)
    if imported:
        model, dataset, apart = imported.model, imported.dataset, f"imported {imported.source}"
    ticket = _read(run.ticket, None, spoiled)  # before the launches: it goes after a launch
    launches = _read(run.launches, [], damage)
    tail = _read(run.tail, Tail(None, None, None), damage)
    submission = _read(lambda: jobs.current(run, launches), None, damage)
    if ticket and ticket.launches != len(launches):
        ticket = None
    untold = damage + ([] if launches else spoiled)  # a run that was launched needs no ticket
    status, detail = ("damaged", _listed(untold, run)) if untold else judge(run, launches, tail, ticket)
    if imported and not untold:
        status, detail = "imported", f"weights of {imported.source}, SHA-256 {imported.sha256[:12]}"
    damage += spoiled
    epoch = tail.epoch
    report = _read(run.test_report, None, damage)
    remarks = _read(run.remarks, NO_REMARKS, damage)
    damage += run.strange_files()
    info = RunInfo(
        id=run.id,
        path=str(run.path),
        status=status,
        detail=detail,
        model=model,
        dataset=dataset,
        epoch=epoch.epoch if epoch else 0,
        epochs=epochs,
        best_val_acc=epoch.best_val_acc if epoch else None,
        best_epoch=epoch.best_epoch if epoch and epoch.best_val_acc is not None else None,
        test=_scores(report, run.weights_digests()) if report else None,
        elapsed_s=max(record.elapsed_s for record in (tail.phase, tail.epoch, tail.step) if record)
        if tail.phase
        else 0.0,
        launched=launches[-1].time if launches else imported.time if imported else None,
        begun=launches[0].time if launches else None,
        changes=apart,
        damage=_listed(damage, run),
        ticket=ticket if status == "waiting" else None,
        job=jobs.show(submission, live=status in LIVE) if submission else None,
        note=remarks.note,
        tags=remarks.tags,
        recipe=recipe,
        checkpoint_step=run.checkpoint_step() if launches and not epoch and status in RESUMABLE else 0,
        source=imported.source if imported else "",
    )
    if info.ticket is None or not number:
        return info
    return _placed(info, tickets.places(tickets.read_tickets(run.path.parent)).get(run.id))


def _scores(report: TestReport, digests: Sequence[str]) -> TestScores:
    return TestScores(
        top1=report.top1,
        top5=report.top5,
        loss=report.loss,
        epoch=report.epoch,
        run=report.run,
        dataset=report.dataset,
        images=report.images,
        of_weights=report.sha256 in digests if digests else None,
    )


def numbered(rows: Sequence[RunInfo], places: Mapping[str, int] | None = None) -> list[RunInfo]:
    """Return the rows, those that wait in the queue with their places.

    Args:
        rows: Rows of a folder.
        places: The place of each run that waits; None counts them among the rows, which are all there are then.
    """
    if places is None:
        places = tickets.places(tickets.in_order({row.id: row.ticket for row in rows if row.ticket}))
    return [_placed(row, places.get(row.id)) if row.ticket else row for row in rows]


def _placed(info: RunInfo, place: int | None) -> RunInfo:
    if place is None:
        return info
    return msgspec.structs.replace(info, place=place, detail=f"queued, place {place}")


def _read(read: Callable[[], Value], instead: Value, damage: list[str]) -> Value:
    """Return what `read` gives; where it cannot, note why and return something instead."""
    try:
        return read()
    except CockpitError as error:
        damage.append(str(error))
        return instead


def _listed(damage: list[str], run: Run) -> str:
    """Join what is wrong in a run, files by their names alone: the row tells the folder."""
    return "; ".join(damage).replace(f"{run.path}/", "")


@functools.lru_cache(maxsize=4096)  # a listing of live runs asks twice a second, and it takes a third of its time
def _facts(recipe: Recipe | None) -> tuple[str, str, int, str]:
    if recipe is None:
        return "?", "?", 0, ""
    try:
        apart = changes(recipe)
    except CockpitError:  # a network of a newer cockpit, say: the run is told of all the same
        apart = ""
    return recipe.model, recipe.dataset, recipe.num_epochs, apart


def judge(
    run: Run,
    launches: list[records.Launch],
    tail: Tail,
    ticket: tickets.Ticket | None = None,
    *,
    submitting: bool = False,
) -> tuple[str, str]:
    """Return the status, one of `Status`, and a sentence about it.

    Args:
        run: The run.
        launches: Its launches.
        tail: Its newest records.
        ticket: Its ticket in the queue, if that holds.
        submitting: Whether it may be the caller who submits it just now.
    """
    if ticket is not None:
        if ticket.refused:
            return "failed", f"it could not be launched: {ticket.trouble}"
        return "waiting", f"queued, being launched on {ticket.claim.device}" if ticket.claim else "queued"
    own = _judge_trainer(run, launches, tail)
    submission = jobs.current(run, launches)
    if submission is None:
        return own
    return jobs.judge(run, submission, launches[-1] if launches else None, own, submitting=submitting)


def _judge_trainer(run: Run, launches: list[records.Launch], tail: Tail) -> tuple[Status, str]:
    """Judge by the folder and the process alone."""
    if not launches:
        return "created", "not launched yet"
    launch = launches[-1]
    phase = tail.phase if tail.phase and tail.phase.attempt == launch.attempt else None
    if phase is not None:
        match phase.state:
            case "finished" | "failed" | "stopped":
                return phase.state, phase.detail
    life = liveness.find_life(launch, run.metrics_path)
    if life == "dead":
        return "lost", causes.explain(run, launch, phase, restarted=launch.boot_id != liveness.boot_id())
    if life == "frozen" and liveness.is_elsewhere(launch):
        return "stale", f"{launch.host}, where it was started, has written nothing for minutes; see there how it is"
    if life == "frozen":
        return "stale", f"its process is suspended; `kill -CONT {launch.pid}` on {launch.host} lets it go on"
    if phase is None:
        return "starting", "the trainer starts"
    if phase.state == "preparing":
        return "starting", phase.detail
    return "running", phase.detail
