"""The command that sets own results beside the published ones, and draws curves."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import curves_picture, provenance, scoreboard, scoreboard_text
from cockpit.cli.common import open_store, print_json, print_table, printable, say, show
from cockpit.cli.reading import one_of, read_series
from cockpit.cli.runs import find_rows
from cockpit.compare import MAX_RUNS
from cockpit.errors import CockpitError
from cockpit.query import parse
from cockpit.reports import write_file
from cockpit.scoreboard import Board
from cockpit.status import RunInfo
from cockpit.store import Run, RunStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Set your results beside the published ones: mean and spread over seeds, what beats what, what was not run.

    Runs of the seed's recipe that are finished and tested count; what else was tested stands in a table of its own,
    with what is different. `cockpit runs report RUN` tells all of the test of one run.
    """

    run: Annotated[Positional[tuple[str, ...]], arg(metavar="[RUN ...]")] = ()
    """Runs: ids, or beginnings or ends of them, or `last`. Without any, all that the filter finds."""
    filter: str = ""
    """Only what this finds, see `cockpit runs list --help`."""
    format: Annotated[str, arg(metavar="{md,csv,json}")] = ""
    """Default: what the name of --to ends in, else tables on a terminal and Markdown elsewhere."""
    to: Annotated[str, arg(metavar="FILE")] = ""
    """Write into this file in place of printing."""
    curves: Annotated[str, arg(metavar="FILE")] = ""
    """Draw the curves of up to eight runs into this file, which ends in .png or .svg, and print no table."""
    replace: bool = False
    """Write over a file that is there already."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print or write the report, or draw the curves."""
        form = self._format()
        if self.curves and (self.to or self.format):
            raise CockpitError("--curves draws and prints no table; leave out --to and --format, or --curves")
        store = open_store(self.runs)
        named = {store.get(ref).id for ref in self.run}
        everything = find_rows(store, "")
        infos = [info for info in parse(self.filter).select(everything) if not named or info.id in named]
        if self.curves:
            return self._draw(store, infos)
        made = {info.id: provenance.trace(Run(store.root / info.id)) for info in infos if info.test}
        shown = {info.id for info in infos}
        board = scoreboard.make_board(everything, made, shown=shown, whole=not (self.filter or self.run))
        if self.to:
            path = self._write(self.to, scoreboard_text.encode(board, form or "md"))
            if self.json:
                print_json({"path": str(path), "rows": len(board.rows), "others": len(board.others)})
        elif form == "json":
            print_json(board)
        elif form or not sys.stdout.isatty():
            sys.stdout.write(scoreboard_text.encode(board, form or "md").decode())
        else:
            _print_board(board)
        return 0

    def _format(self) -> str:
        ending = Path(self.to).suffix.lower().lstrip(".")
        if self.format:
            form = one_of("--format", self.format, scoreboard_text.FORMATS)
            if self.json and not self.to and form != "json":
                raise CockpitError(f"--json and --format {form} cannot both be printed; take one")
            return form
        if self.to:
            if ending not in scoreboard_text.FORMATS:
                raise CockpitError(
                    f"{self.to[:80]!r} ends in none of .md, .csv, .json; say with --format what to write"
                )
            return ending
        return "json" if self.json else ""

    def _write(self, name: str, data: bytes) -> Path:
        path = Path(os.path.expanduser(name))
        if os.path.lexists(path) and not self.replace:
            raise CockpitError(f"{path} is there already; name another file, or write over it with --replace")
        path = write_file(path, data)
        say(f"wrote {path}")
        return path

    def _draw(self, store: RunStore, infos: list[RunInfo]) -> int:
        form = curves_picture.form_of(Path(self.curves))
        begun = [info for info in infos if info.epoch]
        if self.run:
            for info in infos:
                if not info.epoch:
                    say(f"{info.id} has trained no epoch yet, so it has no curves")
        if len(begun) > MAX_RUNS:
            raise CockpitError(
                f"{len(begun)} runs have curves and at most {MAX_RUNS} can be told apart; name them, or narrow --filter"
            )
        named = [
            curves_picture.Named(printable(name), read_series(Run(store.root / info.id)))
            for info, name in zip(begun, _names(begun), strict=True)
        ]
        path = self._write(self.curves, curves_picture.draw(named, form))
        if self.json:
            print_json({"path": str(path), "runs": [info.id for info in begun]})
        return 0


def _names(infos: list[RunInfo]) -> list[str]:
    """Return what tells runs apart in a legend: network, dataset and recipe; where that does not, the id."""
    names = [f"{info.model}, {info.dataset}" + (f", {info.changes}" if info.changes else "") for info in infos]
    return [
        name if names.count(name) == 1 else f"{name}, {info.id[-4:]}" for name, info in zip(names, infos, strict=True)
    ]


def _print_board(board: Board) -> None:
    found = scoreboard_text.sections(board)
    if not found:
        say("no run was tested yet; `cockpit train` tests its best checkpoint at the end")
    for section in found:
        show(section.title)
        order = (
            "network",
            "top-1",
            "remarks",
            "seed's",
            "peers'",
            "why it does not count",
            "n",
            "dataset",
            "device",
            "time",
        )
        print_table(
            section.heads, section.rows, right=section.right, order=order, cut=("why it does not count", "remarks")
        )
    for line in scoreboard_text.notes(board):
        say(line)
