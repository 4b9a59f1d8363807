"""What goes wrong with a run while somebody watches is told by itself, once, on whichever screen is open."""

import signal
import subprocess
import sys

import psutil
import pytest
from folders import finished, launched, launched_by, live, make_run, phase, screen_text, settle, step, toasts, write

from cockpit import durable, liveness, status, tasks
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from cockpit.tui.app import CockpitApp
from cockpit.tui.run import RunScreen
from cockpit.tui.table import RunTable

FIRST, SECOND = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2))


@pytest.mark.slow
async def test_a_diverging_run_raises_an_alarm_where_it_is_watched_and_keeps_its_best_weights(tmp_path, tiny):
    store = RunStore(tmp_path / "runs")
    # A rate that rises until the weight decay alone makes the weights larger with every step: in the second epoch.
    recipe = Recipe(dataset="tiny", epochs=50, batch_size=16, lr=3e3, warmup_epochs=3.0, precision="fp32").complete()
    app = CockpitApp(store)
    async with app.run_test(size=(120, 40)) as pilot:
        app.launch_new(recipe, "local", "cpu", app.screen)
        await settle(pilot, lambda: store.list() and store.list()[0].launches())
        (run,) = store.list()
        app.open_run(run)
        await settle(pilot, lambda: f"{run.id} failed: loss is NaN at step " in toasts(app), "the alarm")
        assert toasts(app).count("loss is NaN") == 1
        sentence = status.describe(run).detail
        assert sentence.endswith("; try a lower learning rate (--lr) or a longer warm-up")
        await settle(pilot, lambda: "✗ failed" in screen_text(app) and sentence in screen_text(app))
        await pilot.press("escape")
        await settle(pilot, lambda: "✗ failed" in app.screen.query_one(RunTable).texts(run.id))
        assert f"{sentence} · N makes one like it, with other values" in screen_text(app)
        assert toasts(app).count("loss is NaN") == 1, "told once"
    best = run.tail().epoch
    assert best is not None
    assert best.best_val_acc is not None
    durable.read_checked(run.best_path)
    assert tasks.start_test(run, device="cpu").wait(60) == 0


@pytest.mark.parametrize("screen", ["runs", "run"])
async def test_a_trainer_that_is_suspended_or_dies_is_told_on_every_screen(store, app, screen):
    trainer = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    run = launched_by(make_run(store, FIRST), psutil.Process(trainer.pid))
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await settle(pilot, lambda: "● running" in screen_text(app))
            if screen == "run":
                await pilot.press("enter")
                await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "● running" in screen_text(app))
            trainer.send_signal(signal.SIGSTOP)
            await settle(pilot, lambda: f"{FIRST} stale: its process is suspended" in toasts(app))
            assert f"`kill -CONT {trainer.pid}` on {liveness.host_name()} lets it go on" in screen_text(app)
            trainer.send_signal(signal.SIGCONT)
            await settle(pilot, lambda: "● running" in screen_text(app))
            trainer.kill()
            await settle(pilot, lambda: f"{FIRST} lost: it is gone without a word while training" in toasts(app))
            assert "? lost" in screen_text(app)
            assert len(app._notifications) == 2
    finally:
        trainer.kill()
        trainer.wait()
    assert status.describe(run).status == "lost"


async def test_what_was_wrong_before_or_ends_well_is_no_alarm(store, app):
    finished(make_run(store, FIRST), state="failed", detail="long ago")
    run = live(make_run(store, SECOND))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app))
        write(run, phase("stopped", detail="by SIGTERM at step 3"))
        await settle(pilot, lambda: "■ stopped" in screen_text(app))
        assert toasts(app) == ""


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize(
    ("state", "remedy"),
    [("failed", "r tries again from its last checkpoint"), ("stopped", "r resumes it"), ("lost", "press r")],
)
async def test_the_lower_pane_tells_why_a_run_does_not_go_on_in_a_line_of_its_own(store, app, size, state, remedy):
    run = make_run(store, FIRST)
    if state == "lost":
        launched(run)
        write(run, phase("testing"), step(1.0))
        reason = f"it is gone without a word during the test (pid 1 on {liveness.host_name()}); resume tests it"
    else:
        reason = "of a reason in about forty-five characters"
        finished(run, state=state, detail=reason)
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: state in screen_text(app))
        lines = [line.strip() for line in screen_text(app).splitlines()]
        assert any(line.startswith(FIRST) for line in lines)
        shown = next(line for line in lines if line.startswith(reason[:40]))
        assert len(shown) <= size[0]
        assert shown.startswith(f"{reason} · {remedy}"[: size[0] - 3])


def test_an_app_that_saw_nothing_go_on_has_nothing_to_alarm_about(store):
    run = finished(make_run(store, FIRST), state="failed")
    app = CockpitApp(store)
    assert app._alarms.notice([status.describe(run)]) == []
    app._alarms.expect(run.id)
    assert [severity for _, severity in app._alarms.notice([status.describe(run)])] == ["error"]
    assert app._alarms.notice([status.describe(run)]) == []


async def test_an_alarm_of_an_open_run_is_told_once_when_it_begins_and_stands_on_the_screen(store, app):
    run = live(make_run(store, FIRST))
    write(run, step(1.0))
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_run(run)
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "● running" in screen_text(app))
        assert toasts(app) == ""
        write(run, step(2.0, loss=None))
        sentence = "the training loss is not a number any more: stop it and train again with a lower lr than 0.1"
        await settle(pilot, lambda: f"{FIRST}: {sentence}" in toasts(app), "the toast")
        assert "! The training loss is not a number any more: stop it" in screen_text(app)
        write(run, step(3.0))
        await settle(pilot, lambda: "not a number" not in screen_text(app).splitlines()[3])
        write(run, step(4.0, loss=None))
        await settle(pilot, lambda: "! The training loss" in screen_text(app))
        assert len(app._notifications) == 1, "told once"


async def test_what_was_wrong_when_a_run_is_opened_stands_on_the_screen_without_a_toast(store, app):
    run = live(make_run(store, FIRST))
    write(run, step(1.0, loss=None))
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_run(run)
        await settle(pilot, lambda: "! The training loss is not a number" in screen_text(app))
        assert toasts(app) == ""
