"""The charts of a run under its keys: axis, grain, smoothing, cursor, zoom, and that they are remembered."""

import itertools
from typing import get_args

import generator
import numpy as np
import pytest
from folders import epoch_record, finished, launched, live, make_run, phase, screen_text, settle, step, write

from cockpit import records
from cockpit.recipe import usual_recipe
from cockpit.remembered import Remembered
from cockpit.series import Series
from cockpit.series.curves import XAxis
from cockpit.series.smoothing import ema
from cockpit.tui import cursor
from cockpit.tui.chart import Chart
from cockpit.tui.chart_settings import ChartSettings, recall, remember
from cockpit.tui.chartdata import ChartData, Line
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen

RUN_ID = "20251123-141000-resnet20-digits-0001"


def trained(store, *, epochs: int = 6, planned: int = 10):
    """Make a run of which each record has its own values; return it with its records."""
    recipe = usual_recipe("resnet20", "digits", "seed", epochs=planned)
    run = launched(make_run(store, RUN_ID, recipe))
    trainer = generator.Trainer(recipe.complete(), samples_per_epoch=4)
    trainer.launch()
    lines: list = [trainer.phase("running")]
    for _ in range(4 * epochs):
        lines += trainer.sample()
    write(run, *lines, trainer.phase("stopped"))
    return run, Series(lines)


async def opened(app, pilot, run) -> RunScreen:
    app.open_run(run)
    await settle(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen._view)
    return app.screen


def chart(app, name: str) -> Chart:
    return app.screen.query_one(f"#{name}", Chart)


def reading(app) -> str:
    return next(line for line in screen_text(app).splitlines() if line.startswith((" x ", " w ")))


def title(app, name: str) -> str:
    return chart(app, name).render_line(0).text


def data_of(app, name: str) -> ChartData:
    data = chart(app, name).data
    assert data is not None
    return data


def at(screen: RunScreen) -> float:
    assert screen.cursor is not None
    return screen.cursor


def drawn(app, name: str) -> dict[str, Line]:
    return {line.name: line for line in data_of(app, name).lines}


async def test_the_reading_line_tells_the_settings_and_every_key_changes_one(app, store):
    run, _ = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        assert reading(app).split("  ")[:4] == [" x epoch", "g samples", "e smooth light", "y linear"]
        for key, shown in (
            ("x", "x step"),
            ("x", "x time"),
            ("x", "x epoch"),
            ("g", "g epochs"),
            ("g", "g samples"),
            ("e", "e smooth medium"),
            ("e", "e smooth strong"),
            ("e", "e smooth off"),
            ("e", "e smooth light"),
            ("y", "y log"),
            ("y", "y linear"),
        ):
            await pilot.press(key)
            await settle(pilot, lambda shown=shown: shown in reading(app), shown)


async def test_each_axis_has_the_records_and_ends_where_the_run_stands(app, store):
    run, series = trained(store, epochs=6, planned=10)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, run)
        for x, end in zip(get_args(XAxis), (6.0, 120.0, 48.0), strict=True):
            assert data_of(app, "loss").x_limits == (0.0, end)
            np.testing.assert_array_equal(drawn(app, "loss")["train"].x, series.curve("loss", x).x)
            np.testing.assert_array_equal(drawn(app, "accuracy")["val"].x, series.curve("val_acc", x).x)
            await pilot.press("x")
            await pilot.pause()


async def test_the_grain_draws_samples_or_whole_epochs(app, store):
    run, series = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        assert drawn(app, "accuracy")["train"].x.size == series.curve("acc").x.size
        await pilot.press("g")
        await pilot.pause()
        np.testing.assert_array_equal(drawn(app, "loss")["train"].y, series.curve("train_loss").y)
        np.testing.assert_array_equal(drawn(app, "lr")["lr"].y, series.curve("epoch_lr").y)


async def test_smoothing_draws_the_average_over_the_envelope_and_reads_the_records(app, store):
    run, series = trained(store)
    raw = series.curve("loss").y
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        for half_life in (2, 8, 32):
            await settle(pilot, lambda n=half_life: np.allclose(drawn(app, "loss")["train"].y, ema(raw, n)))
            lines = data_of(app, "loss").lines
            assert [line.style for line in lines if line.name != "val"][:2] == ["envelope", "line"]
            assert f"train {raw[-1]:.3f}" in title(app, "loss")
            await pilot.press("e")
        await settle(pilot, lambda: np.array_equal(drawn(app, "loss")["train"].y, raw))
        assert [line.style for line in data_of(app, "loss").lines] == ["line", "line"]


async def test_a_logarithmic_axis_is_for_loss_and_rate_alone(app, store):
    run, _ = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("y")
        await pilot.pause()
        assert [data_of(app, name).log_y for name in ("loss", "accuracy", "lr")] == [True, False, True]


def expected(series: Series, x: float) -> tuple[str, str, str]:
    """Return what the legends must read at an epoch: the newest records not behind it."""

    def at(metric):
        curve = series.curve(metric)
        row = int(np.searchsorted(curve.x, x, side="right")) - 1
        return float(curve.y[row])

    return f"train {at('loss'):.3f}", f"train {100 * at('acc'):.1f}%", f"val {100 * at('val_acc'):.1f}%"


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_cursor_reads_the_records_it_stands_on(app, store, size):
    run, series = trained(store)
    samples = series.curve("loss").x
    async with app.run_test(size=size) as pilot:
        screen = await opened(app, pilot, run)
        await pilot.press("left")
        assert screen.cursor == samples[-1], "it enters at the newest record"
        for key in ("left", "left", "shift+left", "right", "shift+right", "left", "left"):
            await pilot.press(key)
            await pilot.pause()
            assert screen.cursor in samples
            if at(screen) < 1:
                continue
            loss, acc, val = expected(series, at(screen))
            assert loss in title(app, "loss")
            assert acc in title(app, "accuracy")
            assert val in title(app, "accuracy")
            place = series.snapshot().place(at(screen), "epoch")
            assert f"epoch {screen.cursor:.2f}".removesuffix(".00") in reading(app)
            assert f"step {place.step:.0f} · {place.time:.0f}s" in reading(app)
        await pilot.press("home")
        assert screen.cursor == samples[0]
        assert "val –" in title(app, "accuracy"), "no epoch was done then"
        await pilot.press("end")
        assert screen.cursor == samples[-1]
        await pilot.press("escape")
        assert screen.cursor is None
        assert isinstance(app.screen, RunScreen), "esc took away the cursor only"
        assert "step" not in reading(app)
        assert "│" not in chart(app, "accuracy").render_line(2).text[8:]


async def test_every_record_can_be_reached_one_by_one(app, store):
    run, series = trained(store)
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await opened(app, pilot, run)
        await pilot.press("home")
        seen = [screen.cursor]
        while len(seen) < 100:
            await pilot.press("right")
            if screen.cursor == seen[-1]:
                break
            seen.append(screen.cursor)
        assert seen == series.curve("loss").x.tolist()


async def test_the_cursor_stays_at_its_moment_when_the_axis_changes(app, store):
    run, series = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run)
        await pilot.press("left", "shift+left")
        row = int(np.flatnonzero(series.curve("loss").x == screen.cursor)[0])
        before = title(app, "loss")
        for x in ("step", "time"):
            await pilot.press("x")
            await pilot.pause()
            assert screen.cursor == series.curve("loss", x).x[row]
            assert title(app, "loss") == before


async def test_a_click_sets_the_cursor_on_the_nearest_record(app, store):
    run, series = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run)
        x = chart(app, "loss").x_at(20)
        assert x is not None
        await pilot.click("#loss", offset=(20, 3))
        await pilot.pause()
        nearest = min(series.curve("loss").x, key=lambda one: abs(one - x))
        assert screen.cursor == nearest


async def test_moving_the_cursor_paints_only_where_it_was_and_is(app, store, monkeypatch):
    run, _ = trained(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("left", "left")
        await pilot.pause()
        painted = []
        refresh = Chart.refresh

        def note(self, *regions, **options):
            painted.append(regions)
            return refresh(self, *regions, **options)

        monkeypatch.setattr(Chart, "refresh", note)
        monkeypatch.setattr("cockpit.tui.plot.plot", None)  # whoever draws a chart again fails
        await pilot.press("left")
        await pilot.pause()
        areas = [region.area for regions in painted for region in regions]
        assert all(regions for regions in painted), "never everything"
        canvas = sum(one.size.area for one in app.screen.query(Chart))
        assert 0 < sum(areas) < canvas / 10


@pytest.mark.parametrize(("key", "name"), [("1", "loss"), ("2", "accuracy"), ("3", "lr")])
async def test_a_zoomed_chart_has_all_the_room_and_gives_it_back(app, store, key, name):
    run, _ = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        small = chart(app, name).size
        for leave in (key, "escape"):
            await pilot.press(key)
            await settle(pilot, lambda: chart(app, name).size.width >= 78)
            assert chart(app, name).size.height >= 16
            assert [one.id for one in app.screen.shown] == [name]
            assert not app.screen.query_one("#log").display
            await pilot.press(leave)
            await settle(pilot, lambda: chart(app, name).size == small)
        other = {"1": "2", "2": "3", "3": "1"}[key]
        await pilot.press(key, other)
        await settle(pilot, lambda: [one.id for one in app.screen.shown] != [name])
        assert len(app.screen.shown) == 1, "another number goes straight to another chart"
        await pilot.press("escape", "escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_the_best_epoch_and_resumes_are_marked_on_every_axis(app, store):
    run = live(make_run(store, RUN_ID))
    write(run, step(1.0), epoch_record(1), step(2.0), epoch_record(2))
    write(run, phase("running", attempt=2, step=22, elapsed_s=4.0), step(3.0))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, run)
        for best, joint in ((1.0, 2.0), (11.0, 22.0), (2.0, 4.0)):
            marks = {mark.letter: mark.x for mark in data_of(app, "accuracy").marks}
            assert marks == {"b": best, "r": joint}
            await pilot.press("x")
            await pilot.pause()


async def test_what_was_chosen_is_there_the_next_time(app, store):
    run, _ = trained(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("x", "g", "e", "y")
        await pilot.pause()
    assert recall(Remembered()) == ChartSettings(x="step", grain="epoch", smoothing="medium", log_y=True)


def test_what_is_remembered_badly_is_the_default(tmp_path):
    remembered = Remembered(tmp_path / "screens.json")
    for name in ("x", "grain", "smoothing", "part"):
        remembered.set(f"chart.{name}", "no such thing")
    remembered.set("chart.log_y", "yes")
    assert recall(remembered) == ChartSettings()
    remember(remembered, ChartSettings(x="time", part="both"))
    remembered.flush()
    assert recall(Remembered(tmp_path / "screens.json")) == ChartSettings(x="time", part="both")


@pytest.mark.parametrize("live_samples", [True, False])
def test_every_turn_of_the_smoothing_looks_different_and_comes_round(live_samples):
    seen = [ChartSettings()]
    while len(seen) < 10:
        seen.append(seen[-1].turn_smoothing(live=live_samples))
    metrics = ("loss", "acc") if live_samples else ("val_loss",)
    looks = [tuple(settings.half_lives().get(metric) for metric in metrics) for settings in seen]
    assert all(before != after for before, after in itertools.pairwise(looks))
    assert len(set(looks)) == (4 if live_samples else 3)


def line_over(x) -> ChartData:
    x = np.asarray(x, dtype=float)
    return ChartData(
        title="", lines=(Line(name="", x=x, y=x, color=""),), x_label="", x_limits=(0.0, float(max(x, default=1.0)))
    )


def test_a_cursor_over_dense_records_moves_by_columns_and_over_sparse_ones_by_records():
    dense, sparse = line_over(np.linspace(0, 100, 100_001)), line_over([1, 50, 99])
    assert cursor.moved([dense], 50.0, 1, 2.0) == pytest.approx(52.0)
    assert cursor.moved([dense], 50.0, -10, 2.0) == pytest.approx(30.0)
    assert cursor.moved([sparse], 50.0, 1, 2.0) == 99
    assert cursor.moved([sparse], 50.0, -1, 2.0) == 1
    assert cursor.moved([sparse], 99.0, 1, 2.0) == 99
    assert cursor.moved([sparse], 1.0, 10, 10.0) == 99
    assert cursor.moved([line_over([]), sparse], None, -1, 2.0) == 99
    assert cursor.moved([line_over([])], None, 1, 2.0) is None
    assert cursor.nearest([sparse, line_over([48.0])], 47.0) == 48.0


async def test_a_run_without_records_has_nothing_to_read(app, store):
    run = make_run(store, RUN_ID)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, run)
        await pilot.press("left", "right", "home", "end", "x", "g", "e", "y", "1", "1")
        await pilot.pause()
        assert screen.cursor is None
        assert "no data yet" in screen_text(app)


async def test_hardware_is_told_with_its_history_where_there_is_room(app, store):
    run = live(make_run(store, RUN_ID))
    gpu = {"time": 0.0, "name": "cuda:0 NVIDIA H200", "memory_bytes": 21 << 30, "memory_total_bytes": 140 << 30}
    cards = [records.Device(busy=busy, power_w=412.0, temperature_c=63.0, **gpu) for busy in (0.0, 0.5, 1.0)]
    write(run, step(1.0), *cards)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        assert "cuda:0 100 % 21.0/140 GiB 412 W 63 °C" in screen_text(app)
        await pilot.resize_terminal(140, 40)
        wide = "cuda:0 NVIDIA H200 100 % ▁▅█ 21.0/140 GiB 412 W 63 °C"
        await settle(pilot, lambda: wide in screen_text(app), wide)


async def test_a_finished_run_is_as_long_as_it_took(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("x", "x")
        await pilot.pause()
        assert data_of(app, "loss").x_limits == (0.0, 6.0)
