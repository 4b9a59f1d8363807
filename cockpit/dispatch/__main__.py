"""What an ended trainer leaves behind: `python -m cockpit.dispatch RUNS --after PID` ticks once and is gone."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from cockpit.dispatch import tick
from cockpit.errors import CockpitError
from cockpit.store import RunStore

_GONE_S = 60.0
"""How long the trainer may take to tear down torch; a device that is not free by then waits for another tick."""


def main() -> int:
    """Wait until the parent is gone, then tick; return 0, or 2 when the queue cannot be moved."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.dispatch", description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of runs")
    parser.add_argument("--after", type=int, default=0, help="the parent, whose end is waited for first")
    args = parser.parse_args()
    deadline = time.monotonic() + _GONE_S
    while os.getppid() == args.after and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        for attempt in tick(RunStore(args.runs)):
            _say(str(attempt))
    except CockpitError as error:
        _say(str(error))
        return 2
    return 0


def _say(sentence: str) -> None:
    """Print a line of the trainer's log, in the form that `cockpit.causes` knows for the trainer's own."""
    with contextlib.suppress(OSError):  # the log may lie on a full disk
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} queue: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
