"""Open the cockpit itself."""

import argparse
import sys
from pathlib import Path

from cockpit.cli.common import RUNS_DOC, open_store
from cockpit.errors import CockpitError


def open_cockpit(words: list[str]) -> int:
    """Run the full-screen cockpit until it is quit.

    Raises:
        CockpitError: Without a terminal.
    """
    parser = argparse.ArgumentParser(prog="cockpit ui", description="Open the cockpit (what `cockpit` alone does).")
    parser.add_argument("--runs", type=Path, help=RUNS_DOC)
    runs = parser.parse_args(words).runs
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CockpitError("the cockpit needs a terminal; `cockpit --help` lists the commands that do without")
    from cockpit.tui.app import run_app

    run_app(open_store(runs).root)
    return 0
