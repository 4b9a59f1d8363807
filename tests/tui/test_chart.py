"""Charts show what the curves say, keep still, and repaint only what changed."""

import dataclasses
import math
import subprocess
import sys
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from rich.color import Color
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.geometry import Region

from cockpit.compare import MAX_RUNS
from cockpit.tui import axes
from cockpit.tui.cells import changed_region, fit, text_cells
from cockpit.tui.chart import Chart
from cockpit.tui.chartdata import ChartData, Line, Mark
from cockpit.tui.curve_colors import NUM_COLORS
from cockpit.tui.dots import DASHES, SAMPLE_WIDTH, Canvas, sample

NAN = float("nan")


class RecordingChart(Chart):
    """A chart that also notes what it asks to have painted; None stands for everything."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.refreshed: list[Region | None] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False):
        self.refreshed += regions or [None]
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class ChartApp(App[None]):
    CSS = "Grid { grid-size: 2 2; } .hidden { display: none; }"

    def __init__(self, num_charts: int = 1) -> None:
        super().__init__()
        self.num_charts = num_charts

    def compose(self) -> ComposeResult:
        if self.num_charts == 1:
            yield RecordingChart(id="chart0")
        else:
            with Grid():
                for index in range(self.num_charts):
                    yield RecordingChart(id=f"chart{index}")

    def chart(self, index: int = 0) -> RecordingChart:
        return self.query_one(f"#chart{index}", RecordingChart)


def painted(chart: Chart) -> list[str]:
    """Return what the chart's rows read on the screen."""
    return [chart.render_line(y).text for y in range(chart.size.height)]


def braille(rows: list[str]) -> list[tuple[int, int]]:
    """Return column and row of each cell with dots."""
    return [(x, y) for y, row in enumerate(rows) for x, character in enumerate(row) if "⠀" < character <= "⣿"]


def foreground(segment: Segment) -> str:
    assert segment.style is not None
    assert segment.style.color is not None
    return segment.style.color.name


def chart_data(
    y,
    *,
    x=None,
    name: str = "val",
    title: str = "Loss",
    color: str = "primary",
    style: Literal["line", "envelope"] = "line",
    **options,
) -> ChartData:
    y = np.asarray(y, dtype=float)
    x = np.arange(1.0, y.size + 1) if x is None else np.asarray(x, dtype=float)
    options = {"x_label": "epoch", "x_limits": (0.0, 30.0), **options}
    return ChartData(title=title, lines=(Line(name=name, x=x, y=y, color=color, style=style),), **options)


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


def tick_labels(chart: Chart) -> list[str]:
    return [row.split("┤")[0].strip() for row in painted(chart) if "┤" in row]


async def test_the_y_axis_keeps_still_until_the_data_leaves_it():
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        chart = app.chart()
        chart.show(chart_data([0.0, 3.0]))
        wide = tick_labels(chart)
        chart.show(chart_data([0.0, 1.9]))  # alone it would end at 2
        assert tick_labels(chart) == wide
        chart.show(chart_data([0.0, 5.5]))
        assert float(tick_labels(chart)[0]) >= 5.5
        chart.show(chart_data([0.0, 1.9]))
        assert tick_labels(chart)[0] == "2.0"


async def test_another_metric_gets_its_own_limits():
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        app.chart().show(chart_data([0.0, 3.0]))
        app.chart().show(chart_data([0.0, 1.9], title="Learning rate"))
        assert tick_labels(app.chart())[0] == "2.0"


@pytest.mark.parametrize("value", [0.1015625, 2.3, 1e-5, 1.0, 6000.0, -2.3])
@pytest.mark.parametrize("percent", [False, True])
def test_values_that_differ_by_rounding_alone_have_limits(value, percent):
    other = math.nextafter(value, math.inf)
    low, high = axes.steady_limits(None, value, other, 4, percent=percent)
    assert low < high
    assert low <= value
    assert other <= high


async def test_percent_axes_end_at_100():
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        app.chart().show(chart_data([0.12, 0.97], percent=True))
        rows = painted(app.chart())
        assert tick_labels(app.chart()) == ["100%", "75%", "50%", "25%", "0%"]
    assert rows[0].endswith("val 97.0%")


async def test_log_charts_label_real_values_and_leave_out_what_is_not_positive():
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        for _ in range(2):  # plotext's own log scale raises the second time
            app.chart().show(chart_data([1.0, 0.1, 0.0, -3.0, 0.001], log_y=True))
            assert tick_labels(app.chart()) == ["1", "0.1", "0.01", "0.001"]
        app.chart().show(chart_data([0.0, -1.0], log_y=True, placeholder="nothing above zero"))
        assert "nothing above zero" in "".join(painted(app.chart()))


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


async def test_envelopes_are_dimmed_and_beneath_lines_whatever_their_order():
    x, y = np.linspace(0, 30, 600), np.tile([0.0, 2.0], 300)
    band = Line(name="", x=x, y=y, color="#ff0000", style="envelope")
    line = Line(name="", x=x, y=np.ones(600), color="#00ff00")
    app = ChartApp()
    colors = []
    async with app.run_test(size=(60, 12)):
        for lines in ((band, line), (line, band)):
            app.chart().show(ChartData(title="", lines=lines, x_label="", x_limits=(0.0, 30.0)))
            segments = [segment for y in range(1, 10) for segment in app.chart().render_line(y)]
            colors.append({foreground(segment) for segment in segments if braille([segment.text])})
    assert colors[0] == colors[1]
    assert "#00ff00" in colors[0]
    assert "#ff0000" not in colors[0]
    assert len(colors[0]) == 2


@pytest.mark.parametrize("theme", ["textual-light", "gruvbox", "ansi-dark"])
async def test_colours_follow_the_theme(theme):
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        chart = app.chart()
        chart.show(chart_data([2.0, 1.0], color="primary"))
        await pilot.pause()
        before = [list(strip) for strip in app.screen._compositor.render_strips()]
        app.theme = theme
        await pilot.pause()
        after = [list(strip) for strip in app.screen._compositor.render_strips()]
        curve = next(segment for strip in after for segment in strip if braille([segment.text]))
        rows = painted(chart)
    assert rows[0].startswith("Loss")
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert curve.style is not None
    assert curve.style.color != curve.style.bgcolor


async def test_colours_follow_a_theme_that_differs_in_them_alone():
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.register_theme(dataclasses.replace(app.current_theme, name="mine", secondary="#ff00ff"))
        app.chart().show(chart_data([2.0, 1.0], color="secondary"))
        await pilot.pause()
        app.theme = "mine"
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        colors = {foreground(segment) for strip in strips for segment in strip if braille([segment.text])}
    assert colors == {"#ff00ff"}


async def test_the_background_is_that_of_what_is_around():
    app = ChartApp(2)
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart().show(chart_data([2.0, 1.0]))
        await pilot.pause()
        app.query_one(Grid).styles.background = "#123456"
        await pilot.pause()
        backgrounds = {segment.style and segment.style.bgcolor for segment in app.chart().render_line(3)}
    assert backgrounds == {Color.parse("#123456")}


def test_plotext_is_not_loaded_before_the_first_draw():
    code = "import cockpit.tui.chart, sys; sys.exit('plotext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("low", "high", "intervals", "percent", "limits"),
    [
        (0.3, 2.3, 3, False, (0.0, 3.0)),
        (1.6, 2.3, 3, False, (1.5, 2.5)),
        (0.0, 0.1, 5, False, (0.0, 0.1)),
        (0.0, 0.0, 3, False, (0.0, 1.0)),
        (0.0, 5e-324, 3, False, (0.0, 1.0)),
        (-1e39, 1e39, 4, False, (-1e39, 1e39)),
        (0.1, 0.1, 3, False, (0.0, 0.2)),
        (-2.0, -2.0, 3, False, (-2.0, 0.0)),
        (-1.0, 3.0, 4, False, (-1.0, 3.0)),
        (0.9, 0.95, 3, True, (0.9, 0.96)),
        (0.1, 1.0, 2, True, (0.0, 1.0)),
        (0.0, 3e-4, 3, False, (0.0, 3e-4)),
        (1e6, 3e6, 3, False, (0.0, 3e6)),
    ],
)
def test_limits_are_round_and_hold_the_data(low, high, intervals, percent, limits):
    found = axes.steady_limits(None, low, high, intervals, percent=percent)
    assert found == pytest.approx(limits)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("intervals", [2, 3, 4, 5])
def test_ticks_are_few_distinct_and_within_the_limits(intervals, log):
    rng = np.random.default_rng(intervals)
    for _ in range(300):
        low, high = np.sort(rng.standard_normal(2) * 10.0 ** rng.integers(-8, 8))
        if log:
            low, high = np.sort(np.log10(np.abs((low, high))))
        limits = axes.steady_limits(None, float(low), float(high), intervals, log=log)
        ticks = axes.y_ticks(limits, intervals, log=log)
        slack = 1e-6 * (limits[1] - limits[0])
        assert limits[0] - slack <= low <= high <= limits[1] + slack
        assert 2 <= len(ticks) <= intervals + 3
        assert all(limits[0] - slack <= position <= limits[1] + slack for position, _ in ticks)
        assert all(before < after for (before, _), (after, _) in pairwise(ticks))
        assert len({label for _, label in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("low", "high", "intervals", "labels"),
    [
        (0.3, 2.0, 5, ["0.2", "0.5", "1", "2"]),
        (0.11, 3.0, 3, ["0.1", "1", "5"]),
        (1e-4, 0.1, 4, ["1e-4", "0.001", "0.01", "0.1"]),
        (1e-8, 1.0, 3, ["1e-8", "1e-6", "0.001", "1"]),
        (0.5, 0.5, 3, ["0.5", "1"]),
    ],
)
def test_log_ticks_are_the_roundest_that_there_is_room_for(low, high, intervals, labels):
    limits = axes.steady_limits(None, math.log10(low), math.log10(high), intervals, log=True)
    assert [label for _, label in axes.y_ticks(limits, intervals, log=True)] == labels


@pytest.mark.parametrize(("low", "high"), [(12345.2, 12345.9), (1e-4, 1.0002e-4), (99_999.0, 100_001.0)])
def test_labels_of_a_narrow_range_differ(low, high):
    labels = [label for _, label in axes.y_ticks(axes.steady_limits(None, low, high, 3), 3)]
    assert len(set(labels)) == len(labels) >= 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (0.05, "0.05"), (2.5, "2.5"), (300, "300"), (9999, "9999"), (40_000, "40k"), (1_200_000, "1.2M")),
        *((3e9, "3G"), (3e30, "3e30"), (-3.5e20, "-3.5e20"), (1e-4, "1e-4"), (2.5e-5, "2.5e-5"), (-1.5, "-1.5")),
    ],
)
def test_numbers_are_compact(value, text):
    assert axes.compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (45, "45s"), (90, "1m30s"), (600, "10m"), (5400, "1h30m"), (3605, "1h"), (194_400, "2d6h")],
)
def test_durations_are_compact(seconds, text):
    assert axes.compact_time(seconds) == text


@pytest.mark.parametrize(
    ("limits", "seconds", "labels"),
    [
        ((0.0, 30.0), False, ["30", "0", "10", "20"]),
        ((0.0, 200.0), False, ["200", "0", "100"]),
        ((0.0, 78_000.0), False, ["78k", "0", "50k"]),
        ((0.0, 7.0), False, ["7", "0", "5"]),
        ((0.0, 5400.0), True, ["1h30m", "0", "30m", "1h"]),
        ((0.0, 1e6), True, ["11d13h", "0", "4d", "8d"]),
    ],
)
def test_the_right_end_of_x_is_always_labelled(limits, seconds, labels):
    assert [label for _, label in axes.x_ticks(limits, 3, seconds=seconds)] == labels


def test_braille_dots_are_where_the_points_are():
    canvas = Canvas(2, 1)
    canvas.draw(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 9)
    assert canvas.cells() == ([0, 1], [0, 0], ["⡠", "⠊"], [9, 9])


def test_curves_that_meet_in_a_cell_keep_their_dots_and_take_turns_with_the_colour():
    x = np.array([0.0, 1.0])
    canvas = Canvas(4, 1)
    canvas.draw(x, np.array([0.0, 0.0]), 1)
    canvas.draw(x, np.array([1.0, 1.0]), 2)
    assert canvas.cells()[2:] == (["⣉"] * 4, [1, 2, 1, 2])


def test_a_faint_curve_gives_way():
    x = np.array([0.0, 1.0])
    canvas = Canvas(4, 1)
    canvas.draw(x, np.array([0.0, 0.0]), 1, faint=True)
    canvas.draw(x, np.array([1.0, 1.0]), 2)
    assert canvas.cells()[2:] == (["⠉"] * 4, [2] * 4)


def test_braille_takes_nothing_from_outside():
    canvas = Canvas(3, 2)
    canvas.draw(np.array([-5.0, 7.0, NAN, 2.0]), np.array([0.5, 0.5, NAN, 9.0]), 1)
    columns, rows, _, _ = canvas.cells()
    assert (sorted(set(columns)), set(rows)) == ([0, 1, 2], {1})


def test_changed_regions_hold_whole_characters():
    old, new = fit(text_cells("a数b", 1), 6), fit(text_cells("a据b", 1), 6)
    assert changed_region(old, new, 4) == Region(1, 4, 2, 1)
    assert changed_region(fit(text_cells("ab", 1), 4), fit(text_cells("a数", 1), 4), 0) == Region(1, 0, 2, 1)
    assert [character for character, _ in fit(text_cells("数数", 1), 3)] == ["数", "", " "]


def test_the_end_of_a_time_axis_moves_seldom_while_the_pace_wavers():
    end, ends = None, set()
    for elapsed_s in range(1, 600):
        wavering = 600 * (1 + 0.08 * math.sin(elapsed_s))
        end = axes.steady_end(end, float(elapsed_s), wavering)
        assert end >= elapsed_s
        ends.add(end)
    assert len(ends) <= 2
    assert axes.steady_end(600.0, 601.0, 601.0) > 601.0
    assert axes.steady_end(6000.0, 10.0, 600.0) < 700.0, "far too long is put right"
    assert axes.steady_end(None, 0.0, 0.0) > 0


def drawn(canvas: Canvas) -> str:
    grid = [[" "] * canvas.width for _ in range(canvas.height)]
    for column, row, character, _ in zip(*canvas.cells(), strict=True):
        grid[canvas.height - 1 - row][column] = character
    return "\n".join(map("".join, grid))


def test_eight_forms_of_a_line_differ_on_the_canvas_and_in_the_legend():
    x = np.linspace(0, 1, 500)
    seen = set()
    for dash in range(len(DASHES)):
        canvas = Canvas(40, 4)
        canvas.draw(x, 0.5 + 0.4 * np.sin(5 * x), 0, dash=dash)
        seen.add(drawn(canvas))
    assert len(seen) == len({sample(dash) for dash in range(len(DASHES))}) == NUM_COLORS == MAX_RUNS == 8


@pytest.mark.parametrize("dash", range(len(DASHES)))
def test_no_peak_hides_in_a_gap_and_how_densely_it_was_sampled_does_not_matter(dash):
    for peak in range(80):
        y = np.zeros(80)
        y[peak] = 1.0
        canvas = Canvas(40, 8)
        canvas.draw(np.arange(80) / 79, y, 0, dash=dash)
        assert any(character != " " for character in "".join(drawn(canvas).splitlines()[:4]))
    coarse, fine = Canvas(40, 4), Canvas(40, 4)
    coarse.draw(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0, dash=dash)
    fine.draw(np.linspace(0, 1, 80), np.full(80, 0.5), 0, dash=dash)
    assert drawn(coarse) == drawn(fine)


@pytest.mark.parametrize("size", [(80, 12), (36, 12)])
async def test_lines_are_told_apart_by_their_form_where_there_is_no_colour_and_only_there(size):
    lines = [
        dataclasses.replace(chart_data(y, name=name).lines[0], dash=dash)
        for name, y, dash in (("train", [2.0, 1.0, 0.5], 0), ("val", [3.0, 2.0, 1.0], 2))
    ]
    data = dataclasses.replace(chart_data([1.0]), lines=tuple(lines), x_limits=(1.0, 3.0))
    app = ChartApp()
    async with app.run_test(size=size) as pilot:
        app.chart().show(data)
        coloured = painted(app.chart())
        assert "━ train 0.500  ━ val 1.000" in coloured[0]
        app.no_color = True
        app.theme = "textual-light"
        await pilot.pause()
        formed = painted(app.chart())
        width = SAMPLE_WIDTH if size[0] == 80 else 3
        assert f"{'━' * width} train" in formed[0]
        assert f"{sample(2, width)} val" in formed[0]
        assert formed[1:] != coloured[1:]
        app.no_color = False
        app.theme = "textual-dark"
        await pilot.pause()
        assert painted(app.chart()) == coloured
