"""Follow a run from the command line: a progress bar on a terminal, a line an epoch elsewhere."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from cockpit import places, records, status
from cockpit.cli.common import print_json_line, printable, say, show
from cockpit.cli.notify import tell_terminal
from cockpit.errors import CockpitError
from cockpit.kept import KeptRun
from cockpit.notify import read_notify
from cockpit.store import RecordTail, Run

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm
    from cockpit.series import Series

_POLL_S = 0.25
_ENDS = frozenset({"finished", "failed", "stopped"})
"""Phases that are the last of an attempt."""


def follow_own(run: Run) -> status.RunInfo:
    """Follow a run that this command started: Ctrl-C stops it with a checkpoint, a second one kills it."""
    say(f"run {run.id} (Ctrl-C stops it with a checkpoint)")
    with contextlib.suppress(KeyboardInterrupt):
        return follow(run)
    try:
        places.send(run, "stop")
        say("")  # behind the ^C
        say("stopping at the next step, with a checkpoint; Ctrl-C again kills it")
        return wait_for_end(run)
    except KeyboardInterrupt:
        places.send(run, "kill")
        return wait_for_end(run)


def follow(run: Run) -> status.RunInfo:
    """Show a run's progress on stderr until it has ended; return what became of it."""
    has_bar = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _follow(run, _Bar(run) if has_bar else _Lines(run))


def follow_plainly(run: Run, *, json: bool = False) -> status.RunInfo:
    """Write a line an epoch to stdout until a run has ended, and one of what became of it, which is returned.

    Args:
        run: The run.
        json: The lines are JSON objects: the records of the epochs as the trainer wrote them, and at the end the run
            as a listing has it, with the kind "result".
    """
    info = _follow(run, _JsonLines() if json else _PlainLines(run))
    if json:
        print_json_line({"kind": "result", **msgspec.to_builtins(info)})
    else:
        best = f"best val {info.best_val_acc:.1%} @ {info.best_epoch}" if info.best_val_acc is not None else "no epoch"
        test = f"test top-1 {info.test.top1:.2%}" if info.test else "not tested"
        if info.test and info.test.is_outdated(info.best_epoch):
            test += f" at epoch {info.test.epoch}"
        show(f"{info.status} after {info.epoch}/{info.epochs} epochs  {best}  {test}")
    return info


def _follow(run: Run, view: "_View") -> status.RunInfo:
    tail = _Telling(RecordTail(run), view)
    told = ""
    watchman = Watchman(run)
    went_on = False
    with view:
        for info in _until_end(run):
            went_on = went_on or info.status in status.LIVE or info.ticket is not None
            for record in tail.show():
                watchman.hear(record)
            for alarm in watchman.begun(info):
                view.tell(f"{alarm.severity}: {alarm.text}")
            waits = info.status in ("pending", "unknown") or info.ticket is not None
            queued = f"{info.status}: {info.detail}" if waits else ""
            if queued not in ("", told):
                view.tell(queued)
            told = queued or told
            if info.status not in status.LIVE and info.ticket is None:
                tail.show()
                tail.end(info)
                break
        else:
            raise AssertionError("a run's statuses never end before the run does")
    if went_on:
        _tell(info)
    return info


class _Telling:
    """Shows the records as they come, but for the end of an attempt, which who follows is told in the end anyway."""

    def __init__(self, tail: RecordTail, view: "_View") -> None:
        self._tail, self._view = tail, view
        self._end: records.Phase | None = None

    def show(self) -> list[records.Record]:
        """Show what came since the last look, and return it."""
        new = self._tail.read()
        for record in new:
            self._show_end()
            if isinstance(record, records.Phase) and record.state in _ENDS:
                self._end = record
            else:
                self._view.show(record)
        return new

    def end(self, info: status.RunInfo) -> None:
        """Show an end that is another than what became of the run."""
        if self._end is not None and self._end.state != info.status:
            self._show_end()

    def _show_end(self) -> None:
        if self._end is not None:
            self._view.show(self._end)
            self._end = None


def _tell(info: status.RunInfo) -> None:
    """Ring and notify the terminal, if the user's file asks for it."""
    try:
        tell_terminal(read_notify(), info)
    except CockpitError as error:
        say(str(error))


def wait_for_end(run: Run) -> status.RunInfo:
    """Wait until no trainer has the run, and return what became of it."""
    return next(info for info in _until_end(run) if info.status not in status.LIVE)


def _until_end(run: Run) -> Iterator[status.RunInfo]:
    kept = KeptRun(run.path)
    while True:
        yield status.describe(kept)
        time.sleep(_POLL_S)


class Watchman:
    """Tells what begins to go wrong with a run, each alarm once."""

    def __init__(self, run: Run) -> None:
        """Begin without having heard of the run."""
        self._run = run
        self._unheard: list[records.Record] = []
        self._series: Series | None = None
        self._told: set[str] = set()

    def hear(self, record: records.Record) -> None:
        """Take in a record."""
        self._unheard.append(record)

    def begun(self, info: status.RunInfo) -> "list[Alarm]":
        """Return the alarms that were not there before; without a new record nothing is judged again."""
        if not self._unheard and info.status == "running":
            return []
        from cockpit.diagnose import diagnose, gather
        from cockpit.series import Series

        self._series = self._series or Series()
        self._series.extend(self._unheard)
        self._unheard.clear()
        alarms = [alarm for alarm in diagnose(self._series, info, gather(self._run)) if alarm.name not in self._told]
        self._told |= {alarm.name for alarm in alarms}
        return alarms


class _Lines(contextlib.AbstractContextManager["_Lines"]):
    """A line for every phase and epoch, as narration."""

    def __init__(self, run: Run) -> None:
        self._epochs = run.recipe.num_epochs

    def __exit__(self, *_: object) -> None:
        """Leave nothing to undo."""

    def tell(self, sentence: str) -> None:
        say(sentence)

    def show(self, record: records.Record) -> None:
        match record:
            case records.Phase():
                self.tell(f"{record.state}: {record.detail}")
            case records.Epoch():
                self.show_epoch(record)

    def show_epoch(self, record: records.Epoch) -> None:
        say(self._line(record))

    def _line(self, record: records.Epoch) -> str:
        return (
            f"epoch {record.epoch}/{self._epochs}  train {_scores(record.train_loss, record.train_acc)}  "
            f"val {_scores(record.val_loss, record.val_acc)}  lr {record.lr:.4g}  {record.img_per_s:,.0f} img/s"
        )


class _PlainLines(_Lines):
    """The same, with the epochs as data."""

    def show_epoch(self, record: records.Epoch) -> None:
        show(self._line(record))


class _JsonLines(_Lines):
    """The same, as JSON."""

    def __init__(self) -> None:
        """Need nothing of the run."""

    def show_epoch(self, record: records.Epoch) -> None:
        print_json_line(record)


class _Bar(contextlib.AbstractContextManager["_Bar"]):
    """One line that is redrawn when a record comes."""

    def __init__(self, run: Run) -> None:
        self._epochs = run.recipe.num_epochs
        self._first: tuple[float, float] | None = None
        self._progress = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[scores]}"),
            TextColumn("{task.fields[speed]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("", total=self._epochs, epoch="starting", scores="", speed="")

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, sentence: str) -> None:
        self._progress.console.print(Text(printable(sentence)))

    def show(self, record: records.Record) -> None:
        match record:
            case records.Phase():
                self.tell(f"{record.state}: {record.detail}")
            case records.Step():
                self._first = self._first or (record.epoch, record.elapsed_s)
                self._progress.update(
                    self._task,
                    completed=record.epoch,
                    epoch=f"epoch {int(record.epoch) + 1}/{self._epochs}",
                    scores=f"loss {_scores(record.loss, record.acc)}",
                    speed=f"{record.img_per_s:,.0f} img/s{self._left(record)}",
                )
            case records.Epoch():
                self._progress.update(
                    self._task, completed=record.epoch, scores=f"val {_scores(record.val_loss, record.val_acc)}"
                )
        self._progress.refresh()

    def _left(self, record: records.Step) -> str:
        assert self._first is not None
        epochs, seconds = record.epoch - self._first[0], record.elapsed_s - self._first[1]
        if epochs <= 0:
            return ""
        left_s = int((self._epochs - record.epoch) * seconds / epochs)
        return f"  {left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d} left"


_View = _Lines | _Bar


def _scores(loss: float | None, acc: float | None) -> str:
    return f"{'NaN' if loss is None else f'{loss:.4f}'} acc {'NaN' if acc is None else f'{acc:.1%}'}"
