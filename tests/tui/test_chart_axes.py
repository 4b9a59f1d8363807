"""The axes of a chart: limits that keep still, round labels that fit, and the end of x."""

import math
from itertools import pairwise

import numpy as np
import pytest
from charted import ChartApp, chart_data, painted

from cockpit.tui import axes
from cockpit.tui.chart import Chart


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
