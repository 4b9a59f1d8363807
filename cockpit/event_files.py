"""A run's records as TensorBoard reads them: curves by step and by epoch, the recipe as hyperparameters.

TensorBoard never forgets a point, so what a resume made void cannot be taken back: all is written anew then, into a
file that begins by saying that what came before is void. The old one goes at the end, because a TensorBoard that has it
open and finds it gone stops reading.
"""

import bisect
import contextlib
import functools
import importlib
import os
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from cockpit import durable, records, status, unfinished
from cockpit.errors import CockpitError
from cockpit.files import unwritable
from cockpit.forms import LOG_NAME, require
from cockpit.lines import LineTail
from cockpit.recipe import options
from cockpit.store import Run

PREFIX = "events.out.tfevents."
_OURS = ".cockpit"
"""How our event files end; others that begin so are somebody else's, and stay."""
_PORTION_BYTES = 1 << 20
"""Records are decoded in portions of so much."""
_STEP = {"live/loss": "loss", "live/acc": "acc", "live/lr": "lr", "live/img_per_s": "img_per_s"}
"""Tags of the live samples, whose step is the optimizer's, and the fields of `records.Step`."""
_EPOCH = {
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "acc/train": "train_acc",
    "acc/val": "val_acc",
    "lr": "lr",
    "speed/img_per_s": "img_per_s",
}
"""Tags of the epochs, whose step is the epoch, and the fields of `records.Epoch`."""
_TEST = {"test/top1": "top1", "test/top5": "top5", "test/loss": "loss"}
"""Tags of the test, at the epoch whose weights were tested."""


class EventFolder:
    """The folder of a run's event files, which grows with the run."""

    def __init__(self, run: Run, folder: Path) -> None:
        """Begin anew; `update` writes."""
        self._run = run
        self._folder = folder
        self._lines = LineTail(run.metrics_path, _PORTION_BYTES)
        self._file: _EventFile | None = None
        self._tested: float | None = None
        self._void: set[Path] = set()

    def update(self) -> None:
        """Write what the run has gained.

        Raises:
            CockpitError: When the folder cannot be written.
        """
        try:
            if self._file is None or not self._grow(self._file):
                self._file = self._begin()
            self._append_test(self._file)
            self._file.flush()
        except OSError as error:
            raise unwritable(self._folder, error) from error

    def close(self) -> None:
        """Let the file go, and delete those that are void."""
        if self._file is not None:
            self._file.close()
        for path in self._void:
            with contextlib.suppress(OSError):  # it does no harm
                path.unlink()

    def _grow(self, file: "_EventFile") -> bool:
        """Append the new records; False when they make void what is written."""
        for restarted, lines in self._lines.read():
            if restarted or not all(file.append(record) for record in records.decode_lines(lines)):
                return False
        return True

    def _begin(self) -> "_EventFile":
        """Write all that counts into a new file and give it its name in one step; then the old ones are void."""
        if self._file is not None:
            self._file.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        old = [path for path in self._folder.iterdir() if _is_ours(path.name)]
        handle, made = durable.create_beside(self._folder, unfinished.own_prefix())
        file = _EventFile(handle)
        try:
            for event in _preface(self._run):
                file.put(event)
            self._lines, self._tested = LineTail(self._run.metrics_path, _PORTION_BYTES), None
            for _, lines in self._lines.read():
                for record in records.decode_lines(lines):
                    if not file.append(record):
                        file.cut(record)
            file.flush()
            made.replace(self._folder / f"{PREFIX}{_later(old):010d}{_OURS}")
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                made.unlink()
            raise
        self._void.update(old)
        return file

    def _append_test(self, file: "_EventFile") -> None:
        """Write the test's figures when there are new ones."""
        try:
            report = self._run.test_report()
        except CockpitError:  # a listing tells of it
            return
        if report and report.time != self._tested:
            file.put(_scalars(report, _TEST, report.epoch, report.time))
            self._tested = report.time


class _EventFile:
    """One file of events, which knows where each of its steps begins."""

    def __init__(self, handle: int) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._file: BinaryIO = os.fdopen(handle, "wb")
        self._writer = RecordWriter(self._file)
        self._steps, self._places = array("q"), array("q")
        self.flush, self.close = self._file.flush, self._file.close

    def append(self, record: records.Record) -> bool:
        """Write what a record tells; False, and nothing is written, when it makes void what is written."""
        match record:
            case records.Step():
                self._put_at(record.step, _scalars(record, _STEP, record.step, record.time))
            case records.Epoch():
                self._put_at(record.step, _scalars(record, _EPOCH, record.epoch, record.time))
            case records.Phase(state="running"):
                return not self._steps or record.step >= self._steps[-1]
        return True

    def cut(self, resume: records.Record) -> None:
        """Take back what is of a later step than that of a resume; nobody may have read it."""
        assert isinstance(resume, records.Phase)
        first = bisect.bisect_right(self._steps, resume.step)
        self._file.flush()
        self._file.truncate(self._places[first])
        self._file.seek(self._places[first])
        del self._steps[first:], self._places[first:]

    def put(self, event: Any) -> None:
        """Write an event."""
        self._writer.write(event.SerializeToString())

    def _put_at(self, step: int, event: Any) -> None:
        self._steps.append(max(step, self._steps[-1] if self._steps else 0))
        self._places.append(self._file.tell())
        self.put(event)


def write_events(run: Run, folder: Path, *, force: bool) -> None:
    """Write a run as it stands into a folder of its own.

    Raises:
        CockpitError: When there is one already and it is not to be replaced, or it cannot be written.
    """
    require("tensorboard")
    check_folder(folder, force=force)
    events = EventFolder(run, folder)
    events.update()
    events.close()


def check_folder(folder: Path, *, force: bool) -> None:
    """Raise CockpitError when a folder holds something else than event files of ours, or those and they are to stay."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwritable(folder, error) from error
    strange = [
        name for name in names if not _is_ours(name) and not name.startswith(unfinished.PREFIX) and name != LOG_NAME
    ]
    if strange:
        raise CockpitError(
            f"{folder} holds other files than events that cockpit wrote of a run ({strange[0]}); choose another with "
            "--out"
        )
    if names and not force:
        raise CockpitError(f"{folder} is there already; --replace writes it anew")


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(_OURS)


def follow_events(run: Run, folder: Path, poll_s: float) -> None:
    """Write what a run gains until it has ended and nobody is to take it up by himself.

    Raises:
        CockpitError: When the folder cannot be written.
    """
    require("tensorboard")
    events = EventFolder(run, folder)
    try:
        while True:
            info = status.describe(run, number=False)  # before the look: what comes in between is read by the last one
            events.update()
            if info.status not in status.LIVE and info.ticket is None:
                return
            time.sleep(poll_s)
    finally:
        events.close()


def _preface(run: Run) -> Iterator[Any]:
    """Yield what stands at the beginning of a file: its version, that earlier ones are void, and the recipe."""
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    launches = run.launches()
    begun = launches[0].time if launches else time.time()
    pb = _messages()
    yield pb.Event(wall_time=begun, file_version="brain.Event:2")
    yield pb.Event(wall_time=begun, step=0, session_log=pb.SessionLog(status=pb.SessionLog.START))
    try:
        recipe = run.recipe
    except CockpitError:
        return
    values: dict[str, Any] = {option.name: getattr(recipe, option.name) for option in options()}
    known = {name: value for name, value in values.items() if value is not None}
    yield pb.Event(wall_time=begun, summary=hparams_pb(known, trial_id=run.id, start_time_secs=begun))


@functools.cache
def _messages() -> SimpleNamespace:
    """Return the messages of TensorBoard's files, whose modules are made by a compiler and have no types."""
    event = importlib.import_module("tensorboard.compat.proto.event_pb2")
    return SimpleNamespace(Event=event.Event, SessionLog=event.SessionLog)


def _scalars(record: Any, tags: dict[str, str], step: int, wall_time: float) -> Any:
    """Return the values of a record; one that is no number is not a number there, either."""
    event = _messages().Event(wall_time=wall_time, step=step)
    for tag, name in tags.items():
        value = getattr(record, name)
        event.summary.value.add(tag=tag, simple_value=float("nan") if value is None else value)
    return event


def _later(old: list[Path]) -> int:
    """Return a time for a file's name that stands behind those of the old ones: they are read in that order."""
    known = [int(digits) for path in old if (digits := path.name[len(PREFIX) :].partition(".")[0]).isdecimal()]
    return max([int(time.time()), *(number + 1 for number in known if number < 10**10 - 1)])
