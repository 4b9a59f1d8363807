"""Runs over each other: a colour each, only what differs, and the keys of the Run screen."""

import generator
import numpy as np
import pytest
from folders import (
    epoch_record,
    finished,
    imported,
    live,
    make_run,
    screen_text,
    settle,
    step,
    toasts,
    with_test,
    write,
)

from cockpit.compare import differing, figures
from cockpit.recipe import usual_recipe
from cockpit.series import Series
from cockpit.status import describe
from cockpit.store import Run, RunStore
from cockpit.tui.chart import Chart
from cockpit.tui.chart_settings import ChartSettings, recall
from cockpit.tui.compare import CompareScreen
from cockpit.tui.compare_table import CompareTable
from cockpit.tui.run import RunScreen
from cockpit.tui.run_reader import RunReader
from cockpit.tui.runs import RunsScreen

CHOSEN = ({"lr": 0.1}, {"lr": 0.05, "schedule": "cosine"}, {"lr": 0.2})
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=["80x24", "120x40", "160x45"])


def several(store: RunStore, *, num_runs: int = 3, epochs: int = 4) -> list[Run]:
    """Make runs that differ in lr, one in its schedule too, and in how long they are."""
    runs = []
    for index in range(num_runs):
        chosen = CHOSEN[index % len(CHOSEN)]
        recipe = usual_recipe("resnet20", "digits", "seed", epochs=10, seed=index // len(CHOSEN), **chosen)
        run = make_run(store, f"20251123-14100{index}-resnet20-digits-000{index}", recipe)
        trainer = generator.Trainer(recipe.complete(), samples_per_epoch=4, seed=index)
        run.append_launch(trainer.launch())
        lines: list = [trainer.phase("running")]
        for _ in range(4 * (epochs + index)):
            lines += trainer.sample()
        write(run, *lines, trainer.phase("finished"))
        runs.append(run)
    return runs


def series_of(run: Run) -> Series:
    (view,) = RunReader(run).look()
    series = Series()
    from cockpit import records
    from cockpit.lines import whole_lines

    series.extend(records.decode_lines(whole_lines(run.metrics_path)))
    assert view.info.id == run.id
    return series


async def opened(app, pilot, runs) -> CompareScreen:
    app.open_compare(runs)
    await settle(
        pilot, lambda: isinstance(app.screen, CompareScreen) and len(app.screen._compared) == len(runs), "all runs"
    )
    return app.screen


def names(app, chart: str) -> list[str]:
    data = app.screen.query_one(f"#{chart}", Chart).data
    return [line.name for line in data.lines if line.name]


@SIZES
async def test_every_run_has_a_curve_a_row_and_a_colour_of_its_own(app, store, size):
    runs = several(store)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, runs)
        text = screen_text(app)
        assert "3 runs" in text
        assert "they differ in lr, schedule" in text
        data = app.screen.query_one("#loss", Chart).data
        assert [line.name for line in data.lines] == ["A", "B", "C"]
        assert len({line.color for line in data.lines}) == 3
        assert {line.color for line in data.lines} <= app.theme_variables.keys()
        for run, line in zip(runs, data.lines, strict=True):
            np.testing.assert_array_equal(line.y, series_of(run).curve("val_loss").y)
        rows = [line for line in text.splitlines() if line.startswith(" ━ ")]
        assert [row.split()[1:4] for row in rows] == [
            ["A", "0.1", "step"],
            ["B", "0.05", "cosine"],
            ["C", "0.2", "step"],
        ]
        for chart in app.screen.shown:
            assert chart.size.height >= 7


async def test_figures_are_those_of_the_runs(app, store):
    runs = several(store)
    with_test(runs[1], top1=0.951, epoch=describe(runs[1]).best_epoch or 0)
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(app, pilot, runs)
        rows = [line.split() for line in screen_text(app).splitlines() if line.startswith(" ━ ")]
        shown = app.screen.query_one(CompareTable).shown
        assert shown == [
            *("lr", "schedule", "best val", "at", "now", "val loss", "lowest", "test", "top-5", "epoch", "time"),
            *("img/s", "params", "status"),
        ]
        for run, row in zip(runs, rows, strict=True):
            series, info = series_of(run), describe(run)
            best = series.best
            assert best is not None
            told = dict(zip(shown, row[2:], strict=False))
            assert told["best val"] == f"{100 * best.val_acc:.1f}"
            assert told["at"] == str(best.epoch)
            assert told["val loss"] == f"{series.curve('val_loss').y[-1]:.3f}"
            assert told["lowest"] == f"{series.curve('val_loss').y.min():.3f}"
            assert told["test"] == ("95.1" if info.test else "—")
            assert told["params"] == "0.27M"


@pytest.mark.parametrize("num_runs", [2, 8])
async def test_two_to_eight_runs_fit_80_columns(app, store, num_runs):
    runs = several(store, num_runs=num_runs)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, runs)
        rows = [line for line in screen_text(app).splitlines() if line.startswith(" ━ ")]
        assert len(rows) == num_runs
        assert all(chart.size.height >= 5 and chart.size.width >= 38 for chart in app.screen.shown)


@pytest.mark.parametrize("num_runs", [0, 1, 9])
async def test_other_numbers_of_runs_are_refused(app, store, num_runs):
    runs = several(store, num_runs=num_runs)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_compare(runs)
        await settle(pilot, lambda: f"{num_runs} runs cannot be compared; choose 2 to 8" in toasts(app))
        assert isinstance(app.screen, RunsScreen)


async def test_the_overlay_is_validation_training_or_both(app, store):
    runs = several(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, runs)
        await pilot.press("w")
        await pilot.pause()
        data = app.screen.query_one("#accuracy", Chart).data
        assert [line.style for line in data.lines] == ["line"] * 3
        np.testing.assert_array_equal(data.lines[1].read, series_of(runs[1]).curve("acc").y)
        await pilot.press("w")
        await pilot.pause()
        data = app.screen.query_one("#accuracy", Chart).data
        assert [line.style for line in data.lines] == ["line", "envelope"] * 3
        assert names(app, "accuracy") == ["A", "B", "C"]


async def test_the_keys_of_the_charts_are_those_of_the_run_screen_and_shared_with_it(app, store):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, runs)
        await pilot.press("x", "x", "e", "y", "w", "g")
        await pilot.pause()
        chosen = ChartSettings(x="time", smoothing="medium", log_y=True, part="train", grain="epoch")
        assert screen.settings == recall(app.remembered) == chosen
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen._view)
        assert app.screen.settings == chosen
        await pilot.press("x")
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.settings.x == "epoch")
        for key, name in (("1", "loss"), ("2", "accuracy"), ("3", "lr")):
            await pilot.press(key)
            await settle(pilot, lambda name=name: [chart.id for chart in app.screen.shown] == [name])
            assert app.screen.query_one(f"#{name}", Chart).size.width >= 78
        await pilot.press("escape")
        await settle(pilot, lambda: [chart.id for chart in app.screen.shown] == ["loss", "accuracy"])
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_time_begins_at_zero_for_every_run(app, store):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, runs)
        await pilot.press("x", "x")
        await pilot.pause()
        data = app.screen.query_one("#loss", Chart).data
        assert data.x_limits == (0.0, max(describe(run).elapsed_s for run in runs))
        assert [line.x[0] for line in data.lines] == [8.0] * 3, "the end of the first epoch, four samples of 2 s"


async def test_the_cursor_reads_every_run_in_the_table(app, store):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, runs)
        await pilot.press("home", "right")
        await pilot.pause()
        assert screen.cursor == 2.0
        assert "epoch 2" in screen_text(app)
        rows = [line.split() for line in screen_text(app).splitlines() if line.startswith(" ━ ")]
        assert app.screen.query_one(CompareTable).shown[:2] == ["│ loss", "│ top-1"]
        for run, row in zip(runs, rows, strict=True):
            series = series_of(run)
            assert row[2:4] == [
                f"{series.curve('val_loss').y[1]:.3f}",
                f"{100 * series.curve('val_acc').y[1]:.1f}%",
            ]
        await pilot.press("end")
        await pilot.pause()
        assert screen.cursor == 6.0, "the end of the longest"
        rows = [line.split() for line in screen_text(app).splitlines() if line.startswith(" ━ ")]
        assert [row[2] == "—" for row in rows] == [True, True, False], "the others had ended"
        await pilot.press("escape")
        await pilot.pause()
        assert "│ loss" not in app.screen.query_one(CompareTable).shown


@pytest.mark.parametrize("key", ["space", "delete"])
async def test_a_run_is_taken_out_and_the_others_keep_their_colours(app, store, key):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, runs)
        await pilot.press("down")
        await settle(pilot, lambda: f"B {runs[1].id}" in screen_text(app))
        await pilot.press(key)
        await settle(pilot, lambda: names(app, "loss") == ["A", "C"])
        assert "they differ in lr" in screen_text(app)
        assert "schedule" not in screen_text(app).splitlines()[0], "only one of them had another"
        await pilot.press(key)
        await settle(pilot, lambda: "Two runs are the least to compare" in toasts(app))
        assert names(app, "loss") == ["A", "C"]
        assert runs[1].path.exists()
        write(runs[2], epoch_record(9, val_acc=0.999))
        await settle(pilot, lambda: "99.9" in screen_text(app))
        assert len(screen._compared) == 2


async def test_a_live_run_goes_on_in_the_comparison(app, store):
    runs = [*several(store, num_runs=1), live(make_run(store, "20251123-150000-resnet20-digits-0009"))]
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, runs)
        write(runs[1], step(1.0), epoch_record(1, val_acc=0.123))
        await settle(pilot, lambda: "12.3" in screen_text(app))
        assert app.screen.query_one("#loss", Chart).data.lines[1].x.tolist() == [1.0]


async def test_clicking_a_row_chooses_the_run(app, store):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, runs)
        await pilot.click(CompareTable, offset=(10, 4))
        await settle(pilot, lambda: f"C {runs[2].id}" in screen_text(app))


async def test_hostile_names_and_damaged_runs_are_compared_as_they_stand(app, store):
    good, bad = several(store, num_runs=2)
    (bad.path / "recipe.json").write_text('{"model": "[/x]", "dataset": "\\u001b[2J"}')
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, [good, bad])
        assert "[/x]" in screen_text(app)
        assert "\x1b" not in screen_text(app)
        assert "\x1b" not in app.screen.query_one("#chosen").render().plain


def test_only_fields_that_differ_are_told_with_every_value(store):
    recipes = [usual_recipe("resnet20", "digits", "seed", lr=lr) for lr in (0.1, 0.1, 0.3)]
    infos = [describe(make_run(store, recipe=recipe)) for recipe in recipes]
    assert differing(infos) == {"lr": ["0.1", "0.1", "0.3"]}
    assert differing(infos[:2]) == {}
    (broken := make_run(store)).path.joinpath("recipe.json").write_text("{")
    assert differing([infos[0], describe(broken)]) == {"model": ["resnet20", "?"], "dataset": ["digits", "?"]}


async def test_an_imported_run_differs_in_what_is_known_of_it(app, store):
    runs = [*several(store, num_runs=1), imported(store)]
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, runs)
        assert "nothing known differs" in screen_text(app)


def test_a_run_that_has_done_nothing_has_figures(store):
    run = make_run(store)
    found = figures(describe(run), Series().snapshot().epochs)
    assert (found.best_val_acc, found.final_val_loss, found.img_per_s, found.params) == (None, None, None, 269_722)


async def test_a_run_that_is_deleted_meanwhile_does_no_harm(app, store):
    runs = several(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, runs)
        store.remove(runs[0])
        finished(make_run(store))
        await settle(pilot, lambda: "✗ damaged" in screen_text(app) or "?" in screen_text(app))
        assert app.is_running
