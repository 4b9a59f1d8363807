"""The command that sets runs side by side."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import compare, provenance, status
from cockpit.cli.common import duration, open_store, percent, print_json, print_table, say_outdated, tested
from cockpit.cli.reading import read_series
from cockpit.errors import CockpitError


@dataclasses.dataclass(frozen=True)
class Compare:
    """Set runs side by side: only the recipe fields that differ, and what each has reached."""

    run: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN RUN [RUN ...]")]
    """Runs: ids, beginnings or ends of them, or `last`, the newest that does not just wait in the queue."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the comparison."""
        store = open_store(self.runs)
        found = list({run.id: run for run in map(store.get, self.run)}.values())
        if len(found) < 2:
            raise CockpitError("name two runs or more to compare; `cockpit runs` lists them")
        infos = [status.describe(run) for run in found]
        apart = compare.differing(infos)
        rows = [
            compare.figures(info, read_series(run).snapshot().epochs, ", ".join(provenance.trace(run).devices))
            for run, info in zip(found, infos, strict=True)
        ]
        if self.json:
            print_json(compare.Comparison(differing=apart, runs=rows))
            return 0
        reached = [
            "best val",
            "at",
            "last val",
            "val loss",
            "test top-1",
            "top-5",
            "time",
            "img/s",
            "device",
            "parameters",
        ]
        print_table(
            ["run", "status", *apart, *reached],
            [
                [
                    row.id,
                    row.status,
                    *(texts[index] for texts in apart.values()),
                    percent(row.best_val_acc),
                    str(row.best_epoch or ""),
                    percent(row.final_val_acc),
                    "" if row.final_val_loss is None else f"{row.final_val_loss:.4f}",
                    tested(row, "top1"),
                    tested(row, "top5"),
                    duration(row.elapsed_s) if row.elapsed_s else "",
                    "" if row.img_per_s is None else f"{row.img_per_s:,.0f}",
                    row.device,
                    "" if row.params is None else f"{row.params:,}",
                ]
                for index, row in enumerate(rows)
            ],
            right=tuple(place for place in range(2 + len(apart), 12 + len(apart)) if place != 10 + len(apart)),
            order=("run", "best val", "test top-1", *apart, "status", "val loss", "at", "time", "device"),
        )
        say_outdated(rows)
        return 0
