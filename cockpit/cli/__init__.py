"""The `cockpit` command: stdout is data, stderr is narration; 0 is success, 1 a run that failed, 2 a user's mistake.

Nothing here is imported before it is needed: `cockpit --help` and the cockpit's first paint must be quick.
"""

import gc
import os
import sys
from collections.abc import Sequence

from cockpit.errors import CockpitError

_DEFAULT_ACTION = {"runs": "list", "queue": "list", "models": "list", "data": "list"}
_MAKERS = {"export", "import", "test", "bench", "preflight", "suite"} | {("data", "get"), ("data", "import")}
"""Commands that do more than tell: when nobody reads what they say, they may not have done it."""
_HELP = ("-h", "--help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    words = _normalize(list(sys.argv[1:] if argv is None else argv))
    try:
        if words[:1] == ["--version"]:
            from cockpit.cli.version import print_version

            return print_version()
        if not words or words[0] == "ui":
            gc.disable()  # a twentieth of the way to the first paint is spent on looking for garbage: there is none yet
            try:
                from cockpit.cli.ui import open_cockpit

                return open_cockpit(words[1:])
            finally:
                gc.enable()
        from cockpit.cli.parser import parse

        return parse(words).execute()
    except CockpitError as error:
        from cockpit.cli.common import say

        say(f"cockpit: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `cockpit runs | head`: the reader has enough
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(null, stream.fileno())
        return int(words[0] in _MAKERS or tuple(words[:2]) in _MAKERS)


def _normalize(words: list[str]) -> list[str]:
    """Let `--runs DIR` stand before the subcommand too, and let a group's name alone mean its listing."""
    moved: list[str] = []
    while words and (words[0].startswith("--runs") or words[0] == "--low-bandwidth"):
        take = 2 if words[0] == "--runs" else 1
        moved, words = [*moved, *words[:take]], words[take:]
    if not words:
        words = ["ui"]
    if words[0] in (*_HELP, "--version"):
        return words
    if words[0] in _DEFAULT_ACTION and (len(words) == 1 or words[1].startswith("-")) and not set(words[1:2]) & {*_HELP}:
        words.insert(1, _DEFAULT_ACTION[words[0]])
    return words + moved
