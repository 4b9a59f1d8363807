"""Say what a report of a mistake needs, and whether the installation works."""

import dataclasses
import os
from pathlib import Path

from cockpit import doctor
from cockpit.cli.common import open_store, print_json, printable, say

_SIGNS = {"ok": "✓", "note": "·", "bad": "✗"}


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Check the installation and print what a report of a mistake needs: versions, GPUs, terminal, folders."""

    quick: bool = False
    """Take no training steps."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print each finding once it is known; return 1 when something does not work."""
        found = []
        area = ""
        for finding in doctor.examine(open_store(self.runs).root, os.environ, steps=not self.quick):
            found.append(finding)
            if self.json:
                continue
            if finding.area != area:
                area = finding.area
                print(f"\n{area}", flush=True)
            remedy = f"; {finding.remedy}" if finding.remedy else ""
            print(printable(f"  {_SIGNS[finding.state]} {finding.what:<20} {finding.found}{remedy}"), flush=True)
        bad = [finding for finding in found if finding.state == "bad"]
        if self.json:
            print_json(found)
        else:
            print()
        names = ", ".join(finding.what for finding in bad)
        notes = sum(finding.state == "note" for finding in found)
        well = f"all that is needed works; {notes} notes (·)" if notes else "all is well"
        say(f"{len(bad)} of {len(found)} do not work: {names}" if bad else well)
        return 1 if bad else 0
