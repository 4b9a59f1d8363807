"""The queue on a disk that is full or read-only: it says so, gives no run up for it, and goes on when it can."""

import sys

import pytest
from disks import contents, fill, make_read_only, mounted
from tiny import make_trainer

from cockpit import status, tickets
from cockpit.cli import main
from cockpit.dispatch import Attempt, order, tick, tick_when_gone
from cockpit.dispatch.look import look
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import RunStore


@pytest.fixture
def disk(tmp_path, data_dir, monkeypatch):
    """A file system of 8 MB; trainers are tiny."""
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    with mounted(tmp_path / "disk", size_bytes=8 << 20) as folder:
        yield folder


@pytest.mark.parametrize("left", [2 << 20, 0])
def test_want_of_room_is_told_and_costs_no_try(disk, left, capsys):
    store = RunStore(disk / "runs")
    first, _ = order.enqueue(store, [Recipe(seed=seed).complete() for seed in (1, 2)], device="cpu")
    fill(disk, but_bytes=left)
    for _ in range(tickets.MAX_TRIES + 1):
        with pytest.raises(CockpitError, match=f"no room to train {first.id}: .*; make room there"):
            tick(store)
    tick_when_gone(store)
    assert status.describe(first).detail == "queued, place 1"
    reasons = [row.why for row in look(store).waiting]
    assert reasons[0].startswith(f"no room to train {first.id}: that takes 6.4 MB and")
    assert reasons[1] == "earlier runs come first"
    assert main(["queue", "--runs", str(store.root)]) == 0
    told = capsys.readouterr()
    assert first.id in told.out
    assert "no room to train" in told.err
    (disk / "filler").unlink()
    assert tick(store)[0] == Attempt(first.id, "cpu", "")


def test_a_full_disk_refuses_what_is_new_and_lets_go_of_what_is_there(disk, capsys):
    store = RunStore(disk / "runs")
    first, second = order.enqueue(store, [Recipe(seed=seed).complete() for seed in (1, 2)], device="cpu")
    fill(disk, but_bytes=0)
    before = contents(store.root)
    assert main(["train", "--seed", "3,4", "--enqueue", "--runs", str(store.root)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    with pytest.raises(CockpitError, match="cannot be written: No space left on device; make room there"):
        order.move(store, second, "top")
    assert contents(store.root) == before
    assert order.withdraw(store, first)
    store.remove(second)
    assert [run.id for run in store.list()] == [first.id]
    assert not [*store.root.glob(".trash-*")]


def test_a_read_only_folder_is_told_and_nothing_changes(disk, capsys):
    store = RunStore(disk / "runs")
    queued, _ = order.enqueue(store, [Recipe(seed=seed).complete() for seed in (1, 2)], device="cpu")
    other = store.create(Recipe().complete())
    make_read_only(disk)
    before = contents(disk)
    with pytest.raises(CockpitError, match=r"the queue of .* cannot be written: Read-only file system; choose another"):
        tick(store)
    assert main(["queue", "--runs", str(store.root)]) == 0
    told = capsys.readouterr()
    assert queued.id in told.out
    assert "Read-only file system" in told.err
    assert main(["stop", other.id, "--runs", str(store.root)]) == 2
    assert capsys.readouterr().err == f"cockpit: run {other.id} is not running\n"
    assert contents(disk) == before
