"""How Python is told to run a module of ours in a process of its own."""

import os
from pathlib import Path

_HOME = Path(__file__).parents[1]


def module(name: str) -> list[str]:
    """Return the words behind Python's that run a module, whatever lies in the current folder.

    By itself `-m` looks there first, and takes somebody's json.py for Python's. Only a checkout in which the cockpit is
    not installed is found there.
    """
    try:
        at_home = os.path.samefile(os.curdir, _HOME)
    except OSError:  # it was deleted
        at_home = False
    return ["-m", name] if at_home else ["-P", "-m", name]
