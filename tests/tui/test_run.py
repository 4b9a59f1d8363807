"""The screen of one run: its figures, its curves, what is wrong with it and what helps."""

import pytest
from folders import (
    device,
    epoch_record,
    finished,
    launched,
    live,
    log,
    make_run,
    phase,
    screen_text,
    settle,
    step,
    toasts,
    with_test,
    write,
)

from cockpit.tui.chart import Chart
from cockpit.tui.runs import RunsScreen

RUN_ID = "20251123-141000-resnet20-digits-0001"
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])


async def opened(app, pilot, run, expected: str):
    app.open_run(run)
    await settle(pilot, lambda: expected in screen_text(app), expected)


@SIZES
async def test_a_live_run_shows_its_figures_and_grows(app, store, size):
    run = live(make_run(store, RUN_ID))
    write(run, step(1.0), device(), epoch_record(1), step(2.0))
    log(run, "first\nepoch 1 of 30\n")
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, run, "● running  resnet20 · digits")
        text = screen_text(app)
        assert "epoch 1/30 ━" in text
        assert "ETA 0:56" in text
        assert "best val 90.0 % @ 1 · 1,540 img/s · cpu 97 %" in text
        assert "epoch 1 of 30" in text
        assert "learning rate" in text
        write(run, epoch_record(2, val_acc=0.95))
        await settle(pilot, lambda: "epoch 2/30" in screen_text(app))
        assert "best val 95.0 %" in screen_text(app)


async def test_charts_and_log_stay_readable_at_80_columns(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "✓ finished")
        for chart in app.screen.query(Chart):
            assert chart.size.width >= 38
            assert chart.size.height >= 7
        assert app.screen.query_one("#log-lines").size.height >= 3


async def test_a_run_that_was_not_launched_says_how(app, store):
    run = make_run(store, RUN_ID)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "not launched yet · r launches it")
        assert "no data yet" in screen_text(app)


@pytest.mark.parametrize(
    ("state", "detail", "expected"),
    [
        ("failed", "its disk is full", "its disk is full · r tries again from its last checkpoint"),
        ("failed", "out of memory; 64 fits", "out of memory; 64 fits · N makes one like it, with other values"),
        ("stopped", "stopped by a signal", "stopped by a signal · r resumes it"),
        ("finished", "", "not tested yet · t tests the best checkpoint"),
    ],
)
async def test_an_ended_run_says_why_and_what_helps(app, store, state, detail, expected):
    run = finished(make_run(store, RUN_ID), state=state, detail=detail)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, run, expected)


async def test_a_lost_run_says_that_resume_continues_it(app, store):
    run = launched(make_run(store, RUN_ID))
    write(run, phase("running"), step(1.0))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, run, "resume continues it · press r")


async def test_the_test_result_stands_with_the_run(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "not tested yet")
        with_test(run)
        await settle(pilot, lambda: "test top-1 97.2 % · top-5 99.9 % · loss 0.103 · 359 images" in screen_text(app))


async def test_a_file_that_cannot_be_used_is_named(app, store):
    run = finished(make_run(store, RUN_ID))
    run.best_path.unlink()
    run.best_path.mkdir()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "best.safetensors cannot be used: it is a folder, not a file")


async def test_a_loss_that_is_not_a_number_raises_an_alarm_and_is_a_gap(app, store):
    run = live(make_run(store, RUN_ID))
    write(run, step(1.0), step(2.0, loss=None))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "The training loss is not a number any more: stop it and train again with")


async def test_hostile_log_lines_are_shown_as_they_stand(app, store):
    run = finished(make_run(store, RUN_ID), detail="[/x] \x1b[2J")
    log(run, "[red]not red[/red] [/y]\n\x1b[31mescaped\x1b]0;owned\x07\n" + "x" * 10_000 + "\nlast\n")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "[red]not red[/red] [/y]")
        text = screen_text(app)
        assert "[/x]" in text
        assert "escaped" in text
        assert "owned" not in text
        assert "last" in text


async def test_another_theme_and_another_size_draw_the_same_run(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "✓ finished")
        app.theme = "textual-light"
        await pilot.resize_terminal(160, 45)
        await pilot.pause()
        assert all(chart.size.height >= 15 for chart in app.screen.query("#loss, #accuracy"))
        assert "✓ finished" in screen_text(app)


async def test_an_unchanged_run_is_not_drawn_again(app, store):
    run = live(make_run(store, RUN_ID))
    write(run, step(1.0))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "● running")
        drawn = []
        app.screen.draw = lambda: drawn.append(1)
        looks = 0
        look = app.screen._reader.look

        def count():
            nonlocal looks
            looks += 1
            return look()

        app.screen._reader.look = count
        app.screen._watch_run()
        await settle(pilot, lambda: looks >= 3)
        assert not drawn


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("s", "there is nothing to stop"), ("r", "only a created, waiting, stopped, failed or lost run can be resumed")],
)
async def test_what_cannot_be_done_is_said(app, store, key, sentence):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "✓ finished")
        await pilot.press(key)
        await settle(pilot, lambda: sentence in toasts(app))


async def test_escape_returns_to_the_runs_and_only_they_are_watched(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "✓ finished")
        assert not [worker for worker in app.workers if worker.node is app.screen_stack[0] and not worker.is_cancelled]
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        watching = [worker for worker in app.workers if worker.group == "watch" and not worker.is_cancelled]
        assert [worker.node for worker in watching] == [app.screen]


async def test_an_unexpected_error_of_a_worker_is_a_toast(app, store):
    run = make_run(store, RUN_ID)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "not launched yet")
        app.screen._reader._run = None
        await settle(pilot, lambda: "AttributeError: 'NoneType' object has no attribute" in toasts(app))
        assert app.is_running
