"""Charts show what the curves say, keep still, and repaint only what changed."""

import math
import subprocess
import sys

import numpy as np
import pytest
from charted import NAN, ChartApp, braille, chart_data, painted

from cockpit.tui.chartdata import ChartData, Mark
from cockpit.tui.dots import Canvas


async def test_a_chart_has_a_title_a_legend_with_the_newest_value_axes_and_a_curve():
    app = ChartApp()
    async with app.run_test(size=(60, 12)):
        app.chart().show(chart_data([2.0, 1.0, 0.5]))
        rows = painted(app.chart())
    assert rows[0].startswith("Loss ")
    assert rows[0].endswith("━ val 0.500")
    assert rows[-1].split() == ["epoch", "10", "20", "30"]
    assert rows[-2].strip()[0] == "└"
    assert [row.split("┤")[0].strip() for row in rows if "┤" in row] == ["2", "1", "0"]
    assert braille(rows)
    assert {len(row) for row in rows} == {60}


async def test_nothing_is_repainted_when_nothing_changed():
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart().show(chart_data([2.0, 1.0, 0.5], marks=(Mark(x=2.0, letter="B"),)))
        await pilot.pause()
        app.chart().refreshed.clear()
        app.chart().show(chart_data([2.0, 1.0, 0.5], marks=(Mark(x=2.0, letter="B"),)))
        assert app.chart().refreshed == []


async def test_only_the_changed_spans_are_repainted():
    app = ChartApp()
    async with app.run_test(size=(60, 16)) as pilot:
        chart = app.chart()
        y = 2.0 / np.arange(1.0, 21.0)
        chart.show(chart_data(y[:19]))
        await pilot.pause()
        before = painted(chart)
        chart.refreshed.clear()
        chart.show(chart_data(y))
        after, regions = painted(chart), list(chart.refreshed)
    assert regions
    assert all(region is not None and region.height == 1 for region in regions)
    assert sum(region.area for region in regions if region) < 20
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        spans = [region for region in regions if region and region.y == row]
        for column, (old_cell, new_cell) in enumerate(zip(old, new, strict=True)):
            assert old_cell == new_cell or any(span.contains(column, row) for span in spans)


async def test_the_screen_shows_what_the_chart_has_drawn_after_a_partial_repaint():
    app = ChartApp()
    async with app.run_test(size=(60, 16)) as pilot:
        app.chart().show(chart_data([2.0, 1.0]))
        await pilot.pause()
        app.chart().show(chart_data([2.0, 1.0, 0.7, 0.6]))
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        assert [strip.text for strip in strips] == painted(app.chart())


async def test_a_spike_among_many_points_is_drawn():
    y = np.full(200_000, 1.0)
    y[123_456] = 50.0
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        app.chart().show(chart_data(y, x=np.linspace(0, 30, y.size), style="envelope", name=""))
        rows = painted(app.chart())
    columns = {x for x, y in braille(rows) if y < 10}
    assert len(columns) == 1
    assert columns.pop() == pytest.approx(5 + 0.617 * 54, abs=1)


async def test_of_a_million_points_no_more_are_drawn_than_the_screen_has_dots(monkeypatch):
    drawn = []
    draw = Canvas.draw

    def count(canvas, x, y, color, **options):
        drawn.append(x.size)
        draw(canvas, x, y, color, **options)

    monkeypatch.setattr(Canvas, "draw", count)
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        app.chart().show(chart_data(np.sin(np.arange(1e6)), x=np.linspace(0, 30, 1_000_000), style="envelope"))
    assert 100 < max(drawn) <= 2 * 2 * 60


async def test_nan_is_a_gap_and_an_alarm():
    app = ChartApp()
    async with app.run_test(size=(65, 12)):
        y = np.ones(30)
        y[10:20] = NAN
        app.chart().show(chart_data(y))
        columns = {x for x, _ in braille(painted(app.chart()))}
        app.chart().show(chart_data(np.where(np.arange(30) < 29, y, NAN)))
        title = painted(app.chart())[0]
    assert not columns & set(range(28, 43))
    assert columns & set(range(10, 25))
    assert columns & set(range(47, 60))
    assert title.endswith("val nan")


async def test_infinity_is_a_gap():
    app = ChartApp()
    async with app.run_test(size=(60, 12)):
        app.chart().show(chart_data([1.0, math.inf, 1.0, -math.inf, 2.0]))
        with_infinity = painted(app.chart())[1:]
        app.chart().show(chart_data([1.0, NAN, 1.0, NAN, 2.0]))
        assert painted(app.chart())[1:] == with_infinity


async def test_a_single_point_can_be_seen():
    app = ChartApp()
    async with app.run_test(size=(60, 12)):
        app.chart().show(chart_data([0.7]))
        rows = painted(app.chart())
    assert sum((ord(rows[y][x]) - 0x2800).bit_count() for x, y in braille(rows)) == 4


@pytest.mark.parametrize("y", [[], [NAN, NAN]])
async def test_without_numbers_the_placeholder_stands_instead_of_axes(y):
    app = ChartApp()
    async with app.run_test(size=(60, 12)):
        app.chart().show(chart_data(y, placeholder="waiting for the first epoch"))
        rows = painted(app.chart())
    assert "waiting for the first epoch" in "\n".join(rows)
    assert not set("".join(rows[1:])) & set("│┤└┬")


async def test_without_lines_or_without_a_range_of_x_the_placeholder_stands():
    app = ChartApp()
    async with app.run_test(size=(60, 12)):
        app.chart().show(ChartData(title="Loss", lines=(), x_label="", x_limits=(0.0, 1.0), placeholder="nothing"))
        assert "nothing" in "".join(painted(app.chart()))
        app.chart().show(chart_data([1.0], x=[0.0], x_limits=(0.0, 0.0), placeholder="too early"))
        assert "too early" in "".join(painted(app.chart()))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (19, 5), (20, 4), (21, 7), (25, 8), (200, 60)])
async def test_every_size_is_filled_exactly(size):
    app = ChartApp()
    async with app.run_test(size=size):
        app.chart().show(chart_data([2.0, 1.0, 0.5], marks=(Mark(x=2.0, letter="B"),), cursor=1.5))
        assert [len(row) for row in painted(app.chart())] == [size[0]] * size[1]


async def test_a_resize_draws_at_the_new_size():
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart().show(chart_data([2.0, 1.0, 0.5]))
        await pilot.resize_terminal(90, 20)
        await pilot.pause()
        rows = painted(app.chart())
    assert ([len(row) for row in rows], rows[-1].split()[-1]) == ([90] * 20, "30")


@pytest.mark.parametrize("hidden", ["#chart0", "Grid"])
async def test_a_hidden_chart_draws_nothing_until_it_is_shown(hidden):
    app = ChartApp(2)
    async with app.run_test(size=(60, 24)) as pilot:
        chart = app.chart()
        chart.show(chart_data([2.0, 1.0], title="before"))
        app.query(hidden).add_class("hidden")
        await pilot.pause()
        chart.refreshed.clear()
        chart.show(chart_data([2.0, 1.0], title="after"))
        assert chart.refreshed == []
        app.query(hidden).remove_class("hidden")
        await pilot.pause()
        assert painted(chart)[0].startswith("after")


async def test_data_shown_before_the_first_layout_is_drawn_with_it():
    class EarlyApp(ChartApp):
        def on_mount(self) -> None:
            self.chart().show(chart_data([2.0, 1.0]))

    app = EarlyApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        assert painted(app.chart())[0].startswith("Loss")


async def test_several_charts_do_not_mix():
    curves = [[1.0, 2.0], [5.0, 4.0, 3.0], [7.0, NAN, 8.0]]
    together = ChartApp(3)
    async with together.run_test(size=(100, 30)):
        for _ in range(2):
            for index, y in enumerate(curves):
                together.chart(index).show(chart_data(y, title=f"chart {index}"))
        rows = [painted(together.chart(index)) for index in range(3)]
        size = together.chart().size
    for index, y in enumerate(curves):
        alone = ChartApp()
        async with alone.run_test(size=size):
            alone.chart().show(chart_data(y, title=f"chart {index}"))
            assert painted(alone.chart()) == rows[index]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("[/x] [red]hi", "[/x] [red]hi"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("bell\x07 \u202ereversed", "bell reversed"),
        ("数据 loss", "数据 loss"),
    ],
)
async def test_text_from_outside_is_shown_literally(hostile, shown):
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart().show(chart_data([1.0], title=hostile, name=hostile, placeholder=hostile, x_label=hostile))
        await pilot.pause()
        rows = painted(app.chart())
        assert rows[0].startswith(shown)
        assert f"━ {shown} 1.000" in rows[0]
        app.chart().show(chart_data([], title=hostile, placeholder=hostile))
        await pilot.pause()
        assert shown in "".join(painted(app.chart())[1:])
        assert {app.chart().render_line(y).cell_length for y in range(12)} == {60}


async def test_a_legend_that_does_not_fit_goes_before_the_title():
    app = ChartApp()
    async with app.run_test(size=(26, 10)):
        for title, expected in (
            ("Loss", "━ val 1.000"),
            ("Some other metric", "━ val"),
            ("A title as long as that", "that"),
        ):
            app.chart().show(chart_data([1.0], title=title))
            row = painted(app.chart())[0].rstrip()
            assert row.startswith(title)
            assert row.endswith(expected)


async def test_marks_stand_at_their_x_with_their_letter_and_never_outside():
    app = ChartApp()
    async with app.run_test(size=(65, 12)):
        marks = (Mark(x=15.0, letter="R"), Mark(x=99.0, letter="X"), Mark(x=NAN, letter="N"))
        app.chart().show(chart_data([2.0, 1.0], marks=marks))
        rows = painted(app.chart())
    column = rows[-2].index("R")
    assert column == pytest.approx(5 + 59 / 2, abs=1)
    assert all(row[column] == "┊" for row in rows[1:-2])
    assert not set("".join(rows)) & {"X", "N"}


async def test_the_cursor_reads_the_values_beneath_it():
    app = ChartApp()
    async with app.run_test(size=(65, 12)):
        chart = app.chart()
        for cursor, value in ((0.5, "–"), (2.0, "0.700"), (2.9, "0.700"), (3.0, "0.500")):
            chart.show(chart_data([2.0, 0.7, 0.5], cursor=cursor))
            assert painted(chart)[0].endswith(f"val {value}")
        left, right = chart.x_at(5), chart.x_at(64)
        assert (left, right, chart.x_at(2), chart.x_at(65)) == (0.0, 30.0, None, None)


def test_plotext_is_not_loaded_before_the_first_draw():
    code = "import cockpit.tui.chart, sys; sys.exit('plotext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
