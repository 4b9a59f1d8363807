"""Reading run folders for the screens: only what changed, never more, and nothing torn."""

import threading
import time

import pytest
from folders import (
    device,
    epoch_record,
    finished,
    launched,
    live,
    log,
    make_run,
    step,
    with_test,
    write,
)
from waiting import wait_for

from cockpit import records
from cockpit.tui import watch
from cockpit.tui.watch import RunReader, RunsReader, poll


def test_nothing_new_is_told_once(store):
    finished(make_run(store))
    reader = RunsReader(store)
    assert [len(look.rows) for look in reader.look()] == [1]
    assert list(reader.look()) == []
    assert [len(look.rows) for look in reader.look(afresh=True)] == [1]


@pytest.mark.parametrize(
    "change",
    [
        lambda run: write(run, epoch_record(1)),
        with_test,
        launched,
        lambda run: (run.path / "recipe.json").unlink(),
        lambda run: run.path.rename(run.path.with_name("20251123-150000-renamed-digits-0000")),
    ],
    ids=["metrics", "test", "first launch", "damage", "rename"],
)
def test_a_change_in_a_folder_is_seen(store, change):
    run = make_run(store)
    reader = RunsReader(store)
    (before,) = reader.look()
    change(run)
    (after,) = reader.look()
    assert after.rows != before.rows


def test_a_run_launched_again_is_seen_before_it_writes(store):
    run = finished(make_run(store), state="stopped")
    reader = RunsReader(store)
    (look,) = reader.look()
    assert look.rows[0].status == "stopped"
    launched(run, attempt=2)
    (look,) = reader.look()
    assert look.rows[0].status == "lost"


def test_many_runs_come_in_instalments_the_newest_first(store, monkeypatch):
    monkeypatch.setattr(watch, "_INSTALMENT_S", 0.0)
    ids = [make_run(store, f"20251123-14000{n}-resnet20-digits-0000").id for n in range(4)]
    looks = list(RunsReader(store).look())
    assert [len(look.rows) for look in looks] == [1, 2, 3, 4, 4]
    assert [look.complete for look in looks] == [False, False, False, False, True]
    assert [row.id for row in looks[-1].rows] == ids[::-1]


def test_polling_ends_at_once_when_cancelled():
    cancelled = threading.Event()
    told = []
    thread = threading.Thread(target=poll, args=(lambda: iter([1]), told.append, cancelled, 60.0))
    thread.start()
    wait_for(lambda: told)
    begun = time.monotonic()
    cancelled.set()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 1
    assert told == [1]


def test_a_run_is_followed(store):
    run = live(make_run(store))
    reader = RunReader(run)
    (view,) = reader.look()
    assert (view.info.status, view.epoch, view.log) == ("running", 0.0, ())
    assert list(reader.look()) == []
    write(run, step(1.0), device(), epoch_record(1), step(2.0))
    log(run, "a\x1b[31mb\n2025-11-23 14:43:01 last\n")
    (view,) = reader.look()
    assert view.epoch == 2.0
    assert view.curves["loss"].y.tolist() == [1.25, 1.25]
    assert view.curves["val_acc"].y.tolist() == [0.9]
    assert view.img_per_s == 1540
    assert view.device is not None
    assert view.device.busy == 0.97
    assert view.log == ("ab", "14:43:01 last")
    assert view.eta_s == pytest.approx(56.0), "28 epochs of 2 s"
    assert not view.diverged


def test_a_torn_record_is_read_when_its_end_is_there(store):
    run = live(make_run(store))
    line = records.encode(step(0.5))
    with open(run.metrics_path, "ab") as file:
        file.write(line[:20])
    reader = RunReader(run)
    (view,) = reader.look()
    assert view.curves["loss"].y.size == 0
    with open(run.metrics_path, "ab") as file:
        file.write(line[20:])
    (view,) = reader.look()
    assert view.curves["loss"].y.tolist() == [1.25]


def test_a_loss_that_is_not_a_number_is_noticed(store):
    run = live(make_run(store))
    write(run, step(0.5), step(1.0, loss=None))
    (view,) = RunReader(run).look()
    assert view.diverged
