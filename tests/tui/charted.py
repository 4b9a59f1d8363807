"""A chart in an app of its own, which notes what it asks to have painted, and what it shows."""

from typing import Literal

import numpy as np
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.geometry import Region

from cockpit.tui.chart import Chart
from cockpit.tui.chartdata import ChartData, Line

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
