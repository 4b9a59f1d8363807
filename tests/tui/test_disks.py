"""The cockpit over a disk that is full or read-only: it says so, loses nothing, and goes on."""

import sys

import pytest
from disks import contents, fill, make_read_only, mounted
from folders import finished, make_run, screen_text, settle, toasts
from tiny import make_trainer

from cockpit import launch, status
from cockpit.dispatch import order
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from cockpit.tui.app import CockpitApp
from cockpit.tui.ask import AskScreen
from cockpit.tui.confirm import ConfirmScreen
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable


@pytest.fixture
def disk(tmp_path):
    """A file system of 8 MB."""
    with mounted(tmp_path / "disk", size_bytes=8 << 20) as folder:
        yield folder


async def launch_new(app, pilot) -> None:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    await pilot.press("enter")


@pytest.mark.slow
async def test_a_cockpit_that_watches_a_run_fill_the_disk_tells_it_and_lives(disk, tiny, digits):
    store = RunStore(disk / "runs")
    run = store.create(Recipe(dataset="tiny", epochs=2_000, batch_size=16, lr=0.02).complete())
    launch.start(run, device="cpu", sample_s=0)
    app = CockpitApp(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app) and run.last_path.exists(), "the first checkpoint")
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "img/s" in screen_text(app))
        fill(disk, but_bytes=0)
        await settle(pilot, lambda: f"{run.id} failed: " in toasts(app), "the alarm")
        assert "make room, then resume the run" in toasts(app)
        await settle(pilot, lambda: "✗ failed" in screen_text(app))
        await pilot.press("r")
        await settle(pilot, lambda: f"no room to train {run.id}: that takes" in toasts(app))
        await pilot.press("t")
        await settle(pilot, lambda: f"no room to test {run.id}: that takes" in toasts(app))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        await launch_new(app, pilot)
        no_folder = "No space left on device; choose another folder with --runs"
        # The trainer has given up what it had reserved for its last words: a folder fits, and no checkpoint.
        await settle(pilot, lambda: no_folder in toasts(app) or toasts(app).count("no room to train") == 2)
        assert [row.id for row in store.list()] == [run.id]
        (disk / "filler").unlink()
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("r")
        await settle(pilot, lambda: "● running" in screen_text(app), "the resume")
    assert status.describe(run).status == "running"


async def test_every_key_that_writes_is_refused_on_a_read_only_disk_and_nothing_changes(disk, data_dir):
    store = RunStore(disk / "runs")
    trained = finished(make_run(store, "20251123-141000-resnet20-digits-0001"))
    waiting = make_run(store, "20251123-142000-resnet20-digits-0002")
    make_read_only(disk)
    before = contents(disk)
    app = CockpitApp(store)
    cannot = "cannot be written: Read-only file system; make it writable, or copy the run elsewhere"
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: len(app.screen.query_one(RunTable).rows) == 2)
        for key, run in (("r", waiting), ("d", waiting), ("t", trained)):
            app.clear_notifications()
            await pilot.press("home" if run is waiting else "end", key)
            if key == "d":
                await settle(pilot, lambda: isinstance(app.screen, ConfirmScreen))
                await pilot.press("y")
            await settle(pilot, lambda run=run: f"{run.path} {cannot}" in toasts(app), key)
        refused = f"{trained.path}/user.json cannot be written: Read-only file system"
        for key in ("m", "number_sign"):
            app.clear_notifications()
            await pilot.press(key)
            await settle(pilot, lambda: isinstance(app.screen, AskScreen))
            await pilot.press("x", "enter")
            await settle(pilot, lambda: refused in toasts(app), key)
        assert not app.testing
        await launch_new(app, pilot)
        await settle(pilot, lambda: f"no run can be made in {store.root}: Read-only file system" in toasts(app))
        await settle(pilot, lambda: "enter launches this" in screen_text(app))
    assert contents(disk) == before


async def test_a_cockpit_whose_queue_finds_no_room_tells_it_and_goes_on_when_there_is_some(
    disk, data_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    monkeypatch.setattr("cockpit.tui.app._TICK_S", 0.1)
    store = RunStore(disk / "runs")
    (run,) = order.enqueue(store, [Recipe().complete()], device="cpu")
    fill(disk, but_bytes=2 << 20)
    app = CockpitApp(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: f"no room to train {run.id}: that takes" in toasts(app))
        await pilot.press("w")
        await settle(pilot, lambda: "no room to train" in screen_text(app), "the reason in the queue")
        (disk / "filler").unlink()
        await settle(pilot, lambda: f"queue: {run.id} is launched on cpu" in toasts(app))
        assert toasts(app).count("no room") == 1, "once, not at every tick"
