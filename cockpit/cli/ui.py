"""Open the cockpit itself."""

import argparse
import os
import sys
from pathlib import Path

from cockpit.cli.common import LOW_BANDWIDTH_DOC, RUNS_DOC, open_store, printable
from cockpit.cli.guard import TerminalGuard
from cockpit.errors import CockpitError

_NO = ("", "0", "no", "false")


def open_cockpit(words: list[str]) -> int:
    """Run the full-screen cockpit until it is quit.

    Raises:
        CockpitError: Without a terminal.
    """
    parser = argparse.ArgumentParser(prog="cockpit ui", description="Open the cockpit (what `cockpit` alone does).")
    parser.add_argument("--runs", type=Path, help=RUNS_DOC)
    parser.add_argument("--low-bandwidth", action="store_true", help=LOW_BANDWIDTH_DOC)
    parser.parse_args([printable(word) for word in words])  # argparse prints as it stands what it does not understand
    flags = parser.parse_args(words)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on stderr
        raise CockpitError("the cockpit needs a terminal; `cockpit --help` lists the commands that do without")
    store = open_store(flags.runs)
    low_bandwidth = flags.low_bandwidth or os.environ.get("COCKPIT_LOW_BANDWIDTH", "") not in _NO
    guard = TerminalGuard()
    from cockpit.tui.app import run_app

    with guard:
        run_app(store.root, low_bandwidth=low_bandwidth)
    return 0
