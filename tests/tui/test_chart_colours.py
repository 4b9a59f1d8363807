"""The colours of a chart: those of the theme, and forms of lines where there are none."""

import dataclasses

import numpy as np
import pytest
from charted import ChartApp, braille, chart_data, foreground, painted
from rich.color import Color
from textual.containers import Grid

from cockpit.tui.chartdata import ChartData, Line
from cockpit.tui.dots import SAMPLE_WIDTH, sample


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
