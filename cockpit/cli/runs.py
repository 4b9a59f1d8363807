"""The commands that list, show and delete runs; `keeping` has those that note, tag, restore and export them."""

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Annotated

import msgspec
from tyro.conf import Positional, arg

from cockpit import records, status
from cockpit.cli.common import (
    duration,
    open_store,
    percent,
    print_facts,
    print_json,
    print_table,
    say,
    say_outdated,
    tested,
)
from cockpit.cli.fields import RunRef
from cockpit.cli.reading import alarms_of
from cockpit.errors import CockpitError
from cockpit.fields import check_sort, sort_rows
from cockpit.jobs import JobInfo
from cockpit.provenance import Provenance, trace
from cockpit.query import parse
from cockpit.recipe import Recipe
from cockpit.results import told_loss, weights_of
from cockpit.store import Run, RunStore

_WHY_WIDTH = 72
"""Characters; `runs show` tells the whole."""
_LOG_LINES = 8
"""Lines of the log that `runs show` tells of a run in trouble."""


@dataclasses.dataclass(frozen=True)
class ListRuns:
    """List the runs, the newest first, or those that a filter finds.

    A filter has words (they may stand anywhere) and conditions on fields, and all must hold: `model:resnet*`,
    `status:running,failed`, `val>90%`, `took>2h`, `age<3d`, `started>2026-11-20`, `-tag:old`. `cockpit runs fields`
    lists the fields.
    """

    filter: str = ""
    """Show only what this finds."""
    sort: str = ""
    """Sort by this field: numbers from the highest, words from a to z. Default: the newest first."""
    reverse: bool = False
    """The other way round."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the listing."""
        store = open_store(self.runs)
        check_sort(self.sort)
        everything = find_rows(store, self.filter)
        rows = sort_rows(everything, self.sort, reverse=self.reverse)
        if self.json:
            print_json(rows)
        elif not rows and self.filter:
            say(f"no run in {store.root} is found by {self.filter!r}")
        elif not rows:
            say(f"no runs in {store.root}; `cockpit train` makes one, `cockpit` too")
        else:
            with_jobs = any(row.job for row in rows)
            with_tags = any(row.tags for row in rows)
            print_table(
                ["run", "status", "epoch", "best val", "at", "test top-1", "top-5", "recipe"]
                + (["tags"] if with_tags else [])
                + (["job", "why"] if with_jobs else ["why"]),
                [
                    [
                        row.id,
                        f"{row.status}, place {row.place}" if row.place else row.status,
                        "" if row.status == "imported" else f"{row.epoch}/{row.epochs}",
                        percent(row.best_val_acc),
                        str(row.best_epoch or ""),
                        tested(row, "top1"),
                        tested(row, "top5"),
                        row.damage or row.changes or "the seed's",
                        *([" ".join(row.tags)] if with_tags else []),
                        *([_job_line(row.job) if row.job else ""] if with_jobs else []),
                        _why(row),
                    ]
                    for row in rows
                ],
                right=(2, 3, 4, 5, 6),
                order=("run", "status", "best val", "test top-1", "epoch", "why", "at", "recipe", "job", "tags"),
                cut=("recipe", "tags", "job", "why"),
            )
            say_outdated(rows)
        return 0


def find_rows(store: RunStore, filter_text: str) -> list[status.RunInfo]:
    """Return the rows of a folder that a filter finds, the newest first.

    Raises:
        CockpitError: When a term of it cannot be understood.
    """
    query = parse(filter_text)
    return query.select(status.numbered([status.describe(run, number=False) for run in store.list()]))


def _why(row: status.RunInfo) -> str:
    """Return why a run is not under way and not finished, as far as a column has room."""
    if row.status not in status.TROUBLED:
        return ""
    return row.detail if len(row.detail) <= _WHY_WIDTH else row.detail[: _WHY_WIDTH - 1].rstrip() + "…"


@dataclasses.dataclass(frozen=True)
class ShowRun:
    """Show one run: status, recipe, launches, test."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the run."""
        run = open_store(self.runs).get(self.run)
        info = status.describe(run)
        recipe: Recipe | None = None
        launches: list[records.Launch] = []
        submissions: list[records.Submission] = []
        with contextlib.suppress(CockpitError):  # the row tells of it
            recipe = run.recipe
        with contextlib.suppress(CockpitError):
            launches = run.launches()
        with contextlib.suppress(CockpitError):
            submissions = run.submissions()
        made = trace(run)
        alarms = alarms_of(run, info)
        whole = msgspec.to_builtins(info) | {
            "alarms": alarms,
            "recipe": recipe,
            "launches": launches,
            "device": ", ".join(made.devices),
            "submissions": submissions,
            "size_bytes": run.size_bytes(),
            "log": run.log_tail(_LOG_LINES),
        }
        if self.json:
            print_json(whole)
            return 0
        facts = [
            ("run", info.id),
            ("folder", info.path),
            ("status", f"{info.status}, {info.detail}" if info.detail else info.status),
            *([("job", _job_line(info.job))] if info.job else []),
            *(_imported_facts(run) if info.status == "imported" else _trained_facts(info, len(launches))),
            ("test", _test_line(info)),
            *([] if info.status == "imported" else [("recipe", info.changes or "the seed's")]),
            *([("tags", " ".join(info.tags))] if info.tags else []),
            *([("note", info.note)] if info.note else []),
            *([("device", _device_line(made, launches[-1]))] if launches else []),
            ("size", f"{whole['size_bytes'] / 1e6:.1f} MB"),
        ]
        if info.launched:
            begun = "imported" if info.status == "imported" else "launched"
            facts.insert(3, (begun, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.launched))))
        if info.damage:
            facts.insert(3, ("damage", info.damage))
        facts[3:3] = [("alarm", alarm.text) for alarm in alarms]
        if recipe is not None:
            facts += [(name, str(value)) for name, value in dataclasses.asdict(recipe).items()]
        if info.status in status.TROUBLED:
            facts += zip(["its log ends", *[""] * _LOG_LINES], whole["log"], strict=False)
        print_facts(facts)
        return 0


def _job_line(job: JobInfo) -> str:
    place = f" on {job.node}" if job.node else ""
    elapsed = f", {duration(job.elapsed_s)}" if job.elapsed_s else ""
    reason = f" ({job.reason})" if job.reason else ""
    return f"{job.id or 'of unknown number'}{place}{', ' if job.state else ''}{job.state}{reason}{elapsed}"


def _imported_facts(run: Run) -> list[tuple[str, str]]:
    """Return what is known of weights from elsewhere, which the recipe tells of others."""
    imported = run.imported()
    if imported is None:
        return []
    facts = [("model", imported.model), ("dataset", imported.dataset), ("mean, deviation", imported.normalization)]
    return facts + [("changed", note) for note in imported.notes]


def _trained_facts(info: status.RunInfo, num_launches: int) -> list[tuple[str, str]]:
    """Return what weights from elsewhere have not: epochs, and the time that they took."""
    return [
        ("epoch", f"{info.epoch} of {info.epochs}"),
        ("best val", f"{percent(info.best_val_acc)} at epoch {info.best_epoch}" if info.best_epoch else "none yet"),
        ("trained", f"{duration(info.elapsed_s)} in {num_launches:,} launch{'' if num_launches == 1 else 'es'}"),
    ]


def _device_line(made: Provenance, launch: records.Launch) -> str:
    """Return the hardware as people know it, what was last asked for where that is something else, and the machines."""
    title = ", ".join(made.devices)
    asked = f" ({launch.device})" if title and launch.device not in (title, "") else ""
    return f"{title or launch.device}{asked} on {', '.join(made.hosts) or launch.host}"


def _test_line(info: status.RunInfo) -> str:
    test = info.test
    if test is None:
        return "not tested"
    outdated = f"; `cockpit test {info.id}` tests epoch {info.best_epoch}" if test.is_outdated(info.best_epoch) else ""
    return (
        f"top-1 {test.top1:.2%}, top-5 {test.top5:.2%}, {told_loss(test.loss, 4)} at {weights_of(test.epoch)}{outdated}"
    )


@dataclasses.dataclass(frozen=True)
class RemoveRun:
    """Delete runs for good, folder and all. (`d` in the cockpit can be undone, see `cockpit runs restore`.)"""

    run: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN [RUN ...]")]
    """Runs: ids, or beginnings or ends of them."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the ids of the deleted runs as JSON."""

    def execute(self) -> int:
        """Delete them; every name is looked up before the first is deleted."""
        if not self.run:
            raise CockpitError("name the runs to delete; `cockpit runs` lists them")
        store = open_store(self.runs)
        found = [store.get(ref) for ref in self.run]
        if "last" in self.run and (last := store.get("last").id) != store.list()[0].id:  # deleted for good, so no guess
            raise CockpitError(f"last is {last}, and newer runs wait in the queue; name the run to delete by its id")
        for run in found:
            info = status.describe(run)
            if info.job and info.job.state and info.status in status.LIVE:
                raise CockpitError(f"run {run.id} is {info.status} in Slurm; `cockpit stop {run.id}` comes first")
            store.remove(run)
            say(f"deleted {run.id}")
        if self.json:
            print_json([run.id for run in found])
        return 0
