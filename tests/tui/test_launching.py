"""The promise of the first minute: two keys start a real training, which outlives the cockpit and is tested by one."""

import pytest
from folders import screen_text, settle, toasts
from textual.widgets import Input

from cockpit import launch, status
from cockpit.tui.app import CockpitApp, farewell
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable


@pytest.fixture
def store(store):
    """A folder whose trainers do not outlive the test."""
    yield store
    for run in store.list():
        launch.send(run, "kill")


@pytest.mark.slow
async def test_two_keys_train_on_real_images_and_one_tests_the_best_checkpoint(digits, store):
    app = CockpitApp(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        app.screen.query_one("#epochs", Input).value = "1"
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        await settle(pilot, lambda: "running" in screen_text(app), "the trainer")
        await pilot.press("q")
    (run,) = store.list()
    assert run.id in farewell(app.reader)

    app = CockpitApp(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "finished" in screen_text(app), "the end of the training", timeout_s=240)
        assert status.describe(run).best_epoch == 1
        run.test_path.unlink(missing_ok=True)
        await pilot.press("t")
        await settle(pilot, lambda: "◆ testing" in screen_text(app))
        await settle(pilot, lambda: f"{run.id}: test top-1" in toasts(app), "the test", timeout_s=120)
        report = run.test_report()
        assert report is not None
        table = app.screen.query_one(RunTable)
        await settle(pilot, lambda: f"{100 * report.top1:.1f}*" in table.texts(run.id))  # one epoch is not the seed's
        assert isinstance(app.screen, RunsScreen)


@pytest.mark.slow
async def test_a_run_is_stopped_and_resumed_from_its_screen(digits, store):
    app = CockpitApp(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        await settle(pilot, lambda: "img/s" in screen_text(app), "the first sample", timeout_s=120)
        await pilot.press("s")
        await settle(pilot, lambda: "■ stopped" in screen_text(app), "the stop", timeout_s=60)
        (run,) = store.list()
        assert run.last_path.exists()
        await pilot.press("r")
        await settle(pilot, lambda: "goes on from its last checkpoint" in toasts(app))
        await settle(pilot, lambda: "● running" in screen_text(app), "the resume", timeout_s=60)
        assert len(run.launches()) == 2
