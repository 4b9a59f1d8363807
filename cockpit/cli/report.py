"""The command that tells all of a run's test: by class, by pair, by confidence and by superclass."""

import dataclasses
import shutil
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from cockpit import status
from cockpit.cli.common import open_store, percent, print_json, print_table, say, show
from cockpit.cli.fields import RunRef
from cockpit.errors import CockpitError
from cockpit.reports import Report, read_report, to_json, write_csv, write_file
from cockpit.results import TestReport, told_loss, weights_of

_PAIRS = 15
"""Confused pairs that people are told of; the JSON has all."""


@dataclasses.dataclass(frozen=True)
class ReportRun:
    """Tell all of a run's test: by class, confused pairs, calibration, superclasses. `cockpit test RUN` makes it."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    csv: Annotated[Path | None, arg(metavar="DIR")] = None
    """Write classes.csv and confusion.csv into this folder."""
    png: Annotated[str, arg(metavar="FILE")] = ""
    """Write the report as one picture."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the report, or write what was asked for."""
        run = open_store(self.runs).get(self.run)
        try:
            report = read_report(run)
        except CockpitError as error:
            test = run.test_report()
            if test is None or test.loss is not None:
                raise CockpitError(f"{error}; `cockpit test {run.id}` makes a report") from None
            if self.csv or self.png:
                raise CockpitError(f"{error}: the network has diverged") from None
            return self._tell_diverged(test)
        written = write_csv(report, self.csv) if self.csv else []
        if self.png:
            from cockpit.reports_png import draw_png

            written.append(write_file(Path(self.png), draw_png(report)))
        for path in written:
            say(f"wrote {path}")
        if self.json:
            print_json(to_json(report))
        elif not written:
            _print_report(report)
            best = status.describe(run, number=False).best_epoch
            if best is not None and best != report.test.epoch:
                say(f"the best checkpoint is of epoch {best} by now; `cockpit test {run.id}` tests it")
        return 0

    def _tell_diverged(self, test: TestReport) -> int:
        """Print all that there is of the test of a network whose outputs are not finite: its figures."""
        if self.json:
            print_json(test)
            return 0
        _print_figures(test)
        say("the network has diverged, so there is nothing to tell by class or by confidence")
        return 0


def _print_figures(test: TestReport, more: str = "") -> None:
    show(f"{test.run}  {weights_of(test.epoch)}  {test.images:,} test images of {test.dataset}")
    show(f"top-1 {test.top1:.2%}   top-5 {test.top5:.2%}   {told_loss(test.loss, 4)}{more}")


def _print_report(report: Report) -> None:
    test, names = report.test, report.predictions.classes
    sure = report.calibration
    _print_figures(test, f"   ECE {sure.ece:.2%} (confidence less accuracy {sure.bias:+.2%})")
    width = min(40, max(10, shutil.get_terminal_size((110, 24)).columns - 70))
    print_table(
        ["class", "accuracy", "", "precision", "images"],
        [
            [s.name, percent(s.accuracy), "━" * round(width * (s.accuracy or 0)), percent(s.precision), f"{s.images:,}"]
            for s in sorted(report.classes, key=lambda score: (score.accuracy is None, score.accuracy or 0.0))
        ],
        right=(1, 3, 4),
    )
    print_table(
        ["class", "taken for", "images", "of the class"],
        [[names[p.label], names[p.guess], f"{p.images:,}", percent(p.share)] for p in report.pairs[:_PAIRS]],
        right=(2, 3),
    )
    if report.groups:
        print_table(
            ["superclass", "taken for one of it", "mean accuracy of its classes"],
            [[s.name, percent(s.accuracy), percent(s.fine_accuracy)] for s in report.groups.scores],
            right=(1, 2),
        )
    print_table(
        ["confidence", "images", "mean confidence", "accuracy"],
        [
            [f"{100 * b.low:.0f}-{100 * b.high:.0f} %", f"{b.images:,}", percent(b.confidence), percent(b.accuracy)]
            for b in report.calibration.bins
            if b.images
        ],
        right=(1, 2, 3),
    )
