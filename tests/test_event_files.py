"""TensorBoard reads a run as its records have it, also while it trains and when a resume took steps back."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_for

from cockpit import records, status
from cockpit.errors import CockpitError
from cockpit.event_files import EventFolder, check_folder, write_events
from cockpit.forms import LOG_NAME
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

LIVE = {"live/loss": "loss", "live/acc": "acc", "live/lr": "lr", "live/img_per_s": "img_per_s"}
EPOCH = {"loss/train": "train_loss", "loss/val": "val_loss", "acc/train": "train_acc", "acc/val": "val_acc", "lr": "lr"}


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def points(found: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)] if tag in found.Tags()["scalars"] else []


def lines_of(run: Run, kind: str) -> list[dict]:
    rows = map(json.loads, run.metrics_path.read_text().splitlines())
    return [row for row in rows if row["kind"] == kind]


def as_written(rows: list[dict], step: str, name: str) -> list[tuple[int, float]]:
    return [(row[step], float(np.float32(row[name]))) for row in rows]


def make_run(folder: Path) -> Run:
    return RunStore(folder).create(Recipe(epochs=3).complete())


def append(run: Run, *found: records.Record) -> None:
    with run.append_metrics() as file:
        for record in found:
            file.append(records.encode(record))


def begin(step: int, attempt: int = 1) -> records.Phase:
    return records.Phase(time=1e9, state="running", attempt=attempt, step=step)


def sample(step: int, loss: float | None) -> records.Step:
    return records.Step(
        time=1e9 + step, epoch=step / 10, step=step, loss=loss, acc=0.5, lr=0.1, img_per_s=9.0, elapsed_s=step
    )


def test_every_value_is_that_of_the_records(tiny_run, tmp_path):
    write_events(tiny_run, tmp_path / "events", force=False)
    found = read(tmp_path / "events")
    for tag, name in LIVE.items():
        assert points(found, tag) == as_written(lines_of(tiny_run, "step"), "step", name)
    epochs = lines_of(tiny_run, "epoch")
    assert len(epochs) == 2
    for tag, name in EPOCH.items():
        assert points(found, tag) == as_written(epochs, "epoch", name)
    report = tiny_run.test_report()
    assert report
    assert points(found, "test/top1") == [(report.epoch, float(np.float32(report.top1)))]
    written = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"weight_decay" in written
    assert b"tiny" in written


def test_what_a_resume_took_back_is_not_there(tmp_path):
    run = make_run(tmp_path / "runs")
    append(run, begin(0), sample(1, 3.0), sample(4, 2.0), sample(7, 1.0))
    append(run, begin(4, attempt=2), sample(5, 1.5), sample(6, None))
    write_events(run, tmp_path / "events", force=False)
    first, second, third, last = points(read(tmp_path / "events"), "live/loss")
    assert [first, second, third] == [(1, 3.0), (4, 2.0), (5, 1.5)]
    assert last[0] == 6
    assert math.isnan(last[1])


def test_an_open_tensorboard_forgets_what_a_resume_took_back(tmp_path):
    run, folder = make_run(tmp_path / "runs"), tmp_path / "events"
    append(run, begin(0), sample(1, 3.0), sample(4, 2.0))
    events = EventFolder(run, folder)
    events.update()
    opened = read(folder)
    append(run, sample(7, 1.0))
    events.update()
    opened.Reload()
    assert points(opened, "live/loss") == [(1, 3.0), (4, 2.0), (7, 1.0)]
    append(run, begin(4, attempt=2), sample(6, 1.5))
    events.update()
    opened.Reload()
    assert points(opened, "live/loss") == [(1, 3.0), (4, 2.0), (6, 1.5)]
    assert points(read(folder), "live/loss") == [(1, 3.0), (4, 2.0), (6, 1.5)]
    events.close()
    assert points(read(folder), "live/loss") == [(1, 3.0), (4, 2.0), (6, 1.5)]
    assert len(list(folder.iterdir())) == 1


def test_a_torn_line_waits(tmp_path):
    run, folder = make_run(tmp_path / "runs"), tmp_path / "events"
    line = records.encode(sample(4, 2.0))
    append(run, begin(0))
    run.metrics_path.open("ab").write(line[:20])
    events = EventFolder(run, folder)
    events.update()
    assert points(read(folder), "live/loss") == []
    run.metrics_path.open("ab").write(line[20:])
    events.update()
    assert points(read(folder), "live/loss") == [(4, 2.0)]
    events.close()


def test_a_second_export_needs_force_and_other_files_stay(tiny_run, tmp_path):
    folder = tmp_path / "events"
    write_events(tiny_run, folder, force=False)
    with pytest.raises(CockpitError, match="--replace"):
        write_events(tiny_run, folder, force=False)
    write_events(tiny_run, folder, force=True)
    assert len(list(folder.iterdir())) == 1
    foreign = folder / "events.out.tfevents.1700000000.myhost.42.0"
    foreign.write_bytes(b"mine")
    with pytest.raises(CockpitError, match=r"other files than events that cockpit wrote .*myhost"):
        write_events(tiny_run, folder, force=True)
    with pytest.raises(CockpitError, match="other files"):
        check_folder(folder, force=True)
    events = EventFolder(tiny_run, folder)
    events.update()
    events.close()
    assert foreign.read_bytes() == b"mine"
    assert len(list(folder.iterdir())) == 2
    foreign.unlink()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(CockpitError, match="other files"):
        write_events(tiny_run, folder, force=True)
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.slow
def test_train_writes_events_until_the_run_ends(tmp_path, tiny, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "--dataset", "tiny", "--epochs", "3", "--batch-size", "16", "--lr", "0.02", "--sample-s", "0"]
    cockpit = [sys.executable, "-m", "cockpit"]
    subprocess.run([*cockpit, *words, "--device", "cpu", "--tensorboard", "--detach"], check=True, env=os.environ)
    (run,) = RunStore(tmp_path / "runs").list()
    folder = tmp_path / "tensorboard" / run.id
    wait_for(lambda: status.describe(run).status not in status.LIVE, what="the end of the training")
    wait_for(lambda: len(points(read(folder), "test/top1")) == 1, what="the test in the events")
    found = read(folder)
    assert points(found, "live/loss") == as_written(lines_of(run, "step"), "step", "loss")
    assert points(found, "loss/val") == as_written(lines_of(run, "epoch"), "epoch", "val_loss")
    assert "writing" in (folder / LOG_NAME).read_text()
