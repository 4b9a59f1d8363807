"""Follow a run from the command line: a progress bar on a terminal, a line an epoch elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from cockpit import places, records, status
from cockpit.cli.common import printable, say
from cockpit.kept import KeptRun
from cockpit.store import RecordTail, Run

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm
    from cockpit.series import Series

_POLL_S = 0.25


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
    view = _Bar(run) if sys.stderr.isatty() else _Lines(run)
    tail = RecordTail(run)
    told = ""
    watchman = Watchman(run)
    with view:
        for info in _until_end(run):
            for record in tail.read():
                view.show(record)
                watchman.hear(record)
            for alarm in watchman.begun(info):
                view.tell(f"{alarm.severity}: {alarm.text}")
            waits = info.status in ("pending", "unknown") or info.ticket is not None
            queued = f"{info.status}: {info.detail}" if waits else ""
            if queued not in ("", told):
                view.tell(queued)
            told = queued or told
            if info.status not in status.LIVE and info.ticket is None:
                for record in tail.read():
                    view.show(record)
                return info
    raise AssertionError("a run's statuses never end before the run does")


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
    """A line for every phase and epoch."""

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
                say(
                    f"epoch {record.epoch}/{self._epochs}  train {_scores(record.train_loss, record.train_acc)}  "
                    f"val {_scores(record.val_loss, record.val_acc)}  lr {record.lr:.4g}  {record.img_per_s:,.0f} img/s"
                )


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


def _scores(loss: float | None, acc: float | None) -> str:
    return f"{'NaN' if loss is None else f'{loss:.4f}'} acc {'NaN' if acc is None else f'{acc:.1%}'}"
