"""Open the cockpit itself."""

import argparse
import sys
from pathlib import Path

from cockpit.cli.common import RUNS_DOC, open_store, printable
from cockpit.cli.guard import TerminalGuard
from cockpit.errors import CockpitError


def open_cockpit(words: list[str]) -> int:
    """Run the full-screen cockpit until it is quit.

    Raises:
        CockpitError: Without a terminal.
    """
    parser = argparse.ArgumentParser(prog="cockpit ui", description="Open the cockpit (what `cockpit` alone does).")
    parser.add_argument("--runs", type=Path, help=RUNS_DOC)
    parser.parse_args([printable(word) for word in words])  # argparse prints as it stands what it does not understand
    runs = parser.parse_args(words).runs
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on stderr
        raise CockpitError("the cockpit needs a terminal; `cockpit --help` lists the commands that do without")
    store = open_store(runs)
    guard = TerminalGuard()
    from cockpit.tui.app import run_app

    with guard:
        run_app(store.root)
    return 0
