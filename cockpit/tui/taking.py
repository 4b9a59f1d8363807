"""Export one run from its screen: which formats, into which folder; a process of its own makes the files."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from textual.worker import get_current_worker

from cockpit import files
from cockpit.errors import CockpitError
from cockpit.forms import FORMATS, LOG_NAME, place_in, read_formats
from cockpit.store import Run
from cockpit.tui.ask import AskScreen
from cockpit.tui.screen import tell
from cockpit.tui.text import plain, words

if TYPE_CHECKING:
    from cockpit.tui.app import CockpitApp

_LOOK_S = 0.2
_USUAL = "safetensors card"
_TOLD = "cockpit: "
"""So a reason begins in the log; what was made is a path, in a line of its own."""


def ask_export(app: "CockpitApp", run: Run) -> None:
    """Ask for the formats and make them; where to is told before, meanwhile and afterwards."""
    try:
        folder = Path(os.path.abspath(f"{run.id}-export"))
    except OSError:  # getcwd's
        tell(
            app,
            "The folder that the cockpit was started in is gone, and exports go there; start it elsewhere.",
            "error",
        )
        return

    def check(text: str) -> None:
        read_formats([text])

    def export_if(text: str | None) -> None:
        if text is not None:
            formats = read_formats([text])
            app.run_worker(lambda: _export(app, run, formats, folder), thread=True, exit_on_error=False, group="export")

    question = words("Export ", (plain(run.id), "bold"), f" as: {', '.join(FORMATS)}")
    hint = (
        f"into {folder} (or -2, -3, … where that is there); weights and graphs are compared with the network on test "
        "images"
    )
    app.push_screen(AskScreen(question, _USUAL, hint, check=check), export_if)


def _export(app: "CockpitApp", run: Run, formats: list[str], wanted: Path) -> None:
    from cockpit import tasks

    try:
        folder = _make_folder(wanted)
        tell(app, f"exporting {', '.join(formats)} into {folder}")
        process = tasks.start_export(run, formats, folder)
    except CockpitError as error:
        tell(app, f"the export of {run.id} failed: {error}", "error")
        return
    worker = get_current_worker()
    while process.poll() is None:
        if worker.cancelled_event.wait(_LOOK_S):
            return  # it goes on without us, and the log in its folder tells how it ended
    if process.returncode == 0:
        tell(app, f"exported {', '.join(formats)} into {folder}")
        return
    _tell_failure(app, run, formats, folder)


def _tell_failure(app: "CockpitApp", run: Run, formats: list[str], folder: Path) -> None:
    """Tell what was made, what was not, and why; one that fails ends no other."""
    log = folder / LOG_NAME
    try:
        said = files.read_end(log, files.LOG_BYTES).decode("utf-8", "replace").strip().splitlines()
    except OSError as error:
        said = [str(files.unreadable(log, error))]
    told = [line.removeprefix(_TOLD) for line in said if line.startswith(_TOLD)]  # one a reason
    reason = "; ".join(told) or (said[-1] if said else "it said nothing")
    shown = [line for line in said if not line.startswith(_TOLD)]
    ends = {name: f"/{place_in(Path(), run.id, name, formats)}" for name in formats}
    made = [name for name, end in ends.items() if any(line.endswith(end) for line in shown)]
    if made:
        missing = ", ".join(name for name in formats if name not in made)
        tell(app, f"made {', '.join(made)} in {folder}{'; not ' if missing else ''}{missing}: {reason}", "error")
        return
    tell(app, f"the export of {run.id} failed: {reason}", "error")
    with contextlib.suppress(OSError):  # it was told; a folder of nothing else is no use
        if [entry.name for entry in folder.iterdir()] == [LOG_NAME]:
            log.unlink()
            folder.rmdir()


def _make_folder(wanted: Path) -> Path:
    """Make a folder that was not there, so that nothing of an earlier export is written over.

    Raises:
        CockpitError: When there can be none.
    """
    for number in itertools.count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise files.unwritable(folder, error) from error
        return folder
    raise AssertionError
