"""Reading run folders for the screens: only what changed, never more, and nothing torn."""

import threading
import time
import tracemalloc
from collections import Counter

import generator
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
from opened import opened_files, read_bytes
from waiting import wait_for

from cockpit import records
from cockpit.store import RunStore
from cockpit.tui import watch
from cockpit.tui.run_reader import RunReader
from cockpit.tui.watch import RunsReader, poll


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


def test_many_runs_are_read_once_and_again_where_they_change(tmp_path):
    store = RunStore(tmp_path / "many")  # the fixture would send signals to the runs of another host
    runs = generator.make_runs(store, 300)
    reader = RunsReader(store)

    def files_opened_by_a_look() -> Counter[str]:
        with opened_files() as opened:
            *_, look = reader.look(afresh=True)
        assert len(look.rows) == 300
        return Counter(path for path in opened if path.startswith(str(store.root)))

    first = files_opened_by_a_look()
    assert {*first.values()} == {1}
    assert not files_opened_by_a_look()
    write(runs[7], step(0.5))
    changed = files_opened_by_a_look()
    assert {*changed.values()} == {1}
    assert all(path.startswith(str(runs[7].path)) for path in changed)


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
    assert view.curves.curve("loss").y.tolist() == [1.25, 1.25]
    assert view.curves.curve("val_acc").y.tolist() == [0.9]
    assert view.img_per_s == 1540
    assert view.device is not None
    assert view.device.busy == 0.97
    assert view.log == ("ab", "14:43:01 last")
    assert view.eta_s == pytest.approx(56.0), "28 epochs of 2 s"
    assert view.alarms == ()


def test_a_torn_record_is_read_when_its_end_is_there(store):
    run = live(make_run(store))
    line = records.encode(step(0.5))
    with open(run.metrics_path, "ab") as file:
        file.write(line[:20])
    reader = RunReader(run)
    (view,) = reader.look()
    assert view.curves.curve("loss").y.size == 0
    with open(run.metrics_path, "ab") as file:
        file.write(line[20:])
    (view,) = reader.look()
    assert view.curves.curve("loss").y.tolist() == [1.25]


def test_a_loss_that_is_not_a_number_is_noticed(store):
    run = live(make_run(store))
    write(run, step(0.5), step(1.0, loss=None))
    (view,) = RunReader(run).look()
    assert [alarm.name for alarm in view.alarms] == ["nan"]


def test_a_long_run_is_followed_by_what_it_gains(store):
    run, trainer = generator.make_long_run(store, 20_000)
    reader = RunReader(run)
    for _ in range(2):
        list(reader.look())
        write(run, *trainer.sample())
    (view,) = reader.look()
    assert view.curves.curve("loss").y.size > 5000
    write(run, *trainer.sample())
    before = read_bytes()
    (last,) = reader.look()
    assert read_bytes() - before < 100_000
    assert last.curves.curve("loss").y.size == view.curves.curve("loss").y.size + 1


def test_of_a_huge_log_only_the_end_is_read(store):
    run = finished(make_run(store))
    generator.make_long_log(run, 1_000_000_000, last_line_bytes=10_000_000)
    before = read_bytes()
    (view,) = RunReader(run).look()
    assert read_bytes() - before < 300_000
    assert [len(line) for line in view.log] == [300]


def test_a_long_line_among_the_records_is_passed_over(store):
    run = finished(make_run(store), epochs=3)
    generator.insert_long_line(run, 10_000_000)
    (view,) = RunReader(run).look()
    assert view.info.status == "finished"
    assert view.curves.curve("loss").y.size == 3


@pytest.mark.parametrize(
    ("num_records", "most_bytes"), [(100_000, 25e6), pytest.param(1_000_000, 150e6, marks=pytest.mark.slow)]
)
def test_a_long_run_takes_little_more_memory_than_its_curves(store, num_records, most_bytes):
    run, _ = generator.make_long_run(store, num_records, live=False)
    reader = RunReader(run)
    tracemalloc.start()
    (view,) = reader.look()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert view.curves.curve("loss").y.size > 0.45 * num_records
    assert peak_bytes < most_bytes
