"""The command that prints a run's curves: as points for other programs, as charts on a terminal."""

import csv
import dataclasses
import io
import shutil
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from cockpit.cli.common import open_store, print_json, say, show
from cockpit.cli.fields import RunRef
from cockpit.cli.reading import check_trained_here, one_of, read_series
from cockpit.errors import CockpitError
from cockpit.store import Run

if TYPE_CHECKING:
    from cockpit.series import Series
    from cockpit.series.curves import Metric, XAxis
    from cockpit.series.smoothing import Smoothing

_CHART_HEIGHT = 14
_COLORS = ("cyan", "yellow", "green", "magenta")
_LABELS = {"epoch": "epochs", "step": "steps", "time": "time"}


@dataclasses.dataclass(frozen=True)
class Curves:
    """Print the curves of a run: as charts on a terminal, as CSV elsewhere.

    Metrics are loss, acc and lr, the live samples of the training, and train_loss, train_acc, val_loss, val_acc and
    epoch_lr, one point an epoch.
    """

    run: RunRef = "last"
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    metric: str = "loss,val_loss,acc,val_acc"
    """What to print, with commas between."""
    x: str = "epoch"
    """What the points are placed by: epoch, step or time (training seconds)."""
    smooth: str = "off"
    """Add a moving average: off, light, medium or strong."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    csv: bool = False
    """Print CSV, on a terminal too."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the curves."""
        from cockpit.series.curves import Metric, XAxis
        from cockpit.series.smoothing import Smoothing

        if self.csv and self.json:
            raise CockpitError("--csv and --json cannot both be printed; take one")
        names = [one_of("--metric", name.strip(), get_args(Metric)) for name in self.metric.split(",")]
        metrics = cast("list[Metric]", list(dict.fromkeys(names)))
        x = cast("XAxis", one_of("--x", self.x, get_args(XAxis)))
        smoothing = cast("Smoothing", one_of("--smooth", self.smooth, get_args(Smoothing)))
        run = open_store(self.runs).get(self.run)
        check_trained_here(run, "it has no curves")
        found = _points(read_series(run), metrics, x, smoothing)
        if self.json:
            print_json({"run": run.id, "x": x, "smooth": smoothing, "curves": found})
        elif self.csv or not sys.stdout.isatty():
            _print_csv(found, x, smoothed=smoothing != "off")
        else:
            _print_charts(run, found, x)
        return 0


def _points(
    series: "Series", metrics: "list[Metric]", x: "XAxis", smoothing: "Smoothing"
) -> dict[str, dict[str, list[float]]]:
    """Return x, y and, where it is smoothed, the smoothed y of each metric."""
    from cockpit.series.smoothing import half_life

    found = {}
    for metric in metrics:
        curve = series.curve(metric, x)
        found[metric] = {"x": curve.x.tolist(), "y": curve.y.tolist()}
        points = half_life(smoothing, metric)
        if points is not None:
            found[metric]["smoothed"] = series.smooth(metric, points, x).y.tolist()
    return found


def _print_csv(found: dict[str, dict[str, list[float]]], x: str, *, smoothed: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["metric", x, "value", *(["smoothed"] if smoothed else [])])
    for metric, curve in found.items():
        columns: list[list[Any]] = [[metric] * len(curve["x"]), curve["x"], curve["y"]]
        if smoothed:
            columns.append(curve.get("smoothed", [""] * len(curve["x"])))
        writer.writerows(zip(*columns, strict=True))
    sys.stdout.write(text.getvalue())
    sys.stdout.flush()


def _print_charts(run: Run, found: dict[str, dict[str, list[float]]], x: str) -> None:
    """Draw losses, accuracies and learning rates as far as they were asked for, a chart each."""
    import numpy as np
    from rich.console import Console
    from rich.text import Text

    from cockpit.tui import plot  # what draws the screens' charts, without a screen
    from cockpit.tui.chartdata import ChartData, Line

    say(run.id)
    drawn = 0
    for kind, title in (("loss", "loss"), ("acc", "top-1"), ("lr", "learning rate")):
        curves = {name: curve for name, curve in found.items() if name.endswith(kind) and curve["x"]}
        lines = tuple(
            Line(name=name, x=np.array(curve["x"]), y=np.array(curve.get("smoothed", curve["y"])), color="")
            for name, curve in curves.items()
        )
        if not lines:
            continue
        end = max(curve["x"][-1] for curve in curves.values())
        data = ChartData(
            title=title,
            lines=lines,
            x_label=_LABELS[x],
            x_limits=(0.0, end),
            x_seconds=x == "time",
            percent=kind == "acc",
        )
        styles = ["", "bold", "dim", "dim", "dim", "bold red", *(_COLORS * len(lines))]
        for row in plot.plot(data, min(120, shutil.get_terminal_size().columns), _CHART_HEIGHT).rows:
            spans = ((style, "".join(cell[0] for cell in cells)) for style, cells in groupby(row, lambda cell: cell[1]))
            Console().print(Text.assemble(*((text, styles[style]) for style, text in spans)))
        drawn += 1
    if not drawn:
        show("no data yet")
