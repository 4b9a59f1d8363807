"""Export one run from its screen: which formats, into which folder; a process of its own makes the files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from textual.worker import get_current_worker

from cockpit.forms import FORMATS, read_formats
from cockpit.store import Run
from cockpit.tui.ask import AskScreen
from cockpit.tui.screen import tell
from cockpit.tui.text import plain, words

if TYPE_CHECKING:
    from cockpit.tui.app import CockpitApp

_LOOK_S = 0.2
_USUAL = "safetensors card"


def ask_export(app: "CockpitApp", run: Run) -> None:
    """Ask for the formats and make them; where to is told before, meanwhile and afterwards."""
    folder = Path(os.path.abspath(f"{run.id}-export"))

    def check(text: str) -> None:
        read_formats([text])

    def export_if(text: str | None) -> None:
        if text is not None:
            formats = read_formats([text])
            tell(app, f"exporting {', '.join(formats)} into {folder}")
            app.run_worker(lambda: _export(app, run, formats, folder), thread=True, exit_on_error=False, group="export")

    question = words("Export ", (plain(run.id), "bold"), f" as: {', '.join(FORMATS)}")
    hint = f"into {folder}; weights and graphs are compared with the network on test images"
    app.push_screen(AskScreen(question, _USUAL, hint, check=check), export_if)


def _export(app: "CockpitApp", run: Run, formats: list[str], folder: Path) -> None:
    from cockpit import launch

    process = launch.start_export(run, formats, folder)
    worker = get_current_worker()
    while process.poll() is None:
        if worker.cancelled_event.wait(_LOOK_S):
            return  # it goes on without us
    assert process.stderr is not None
    said = process.stderr.read().decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
    if process.returncode == 0:
        tell(app, f"exported {', '.join(formats)} into {folder}")
    else:
        told = next((line for line in said if line.startswith("cockpit: ")), said[-1])
        tell(app, f"the export of {run.id} failed: {told.removeprefix('cockpit: ')}", "error")
