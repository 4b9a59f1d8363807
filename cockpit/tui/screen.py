"""What all screens share: their keys, the way to the app, and errors of their workers shown as toasts."""

from typing import TYPE_CHECKING, TypeVar, cast

from textual.app import App
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from cockpit.errors import CockpitError
from cockpit.tui.text import plain

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from cockpit.tui.app import CockpitApp

Result = TypeVar("Result")


class CockpitScreen(Screen[Result]):
    """A screen of the cockpit; `PLACE` is its name in the table of actions."""

    PLACE = ""
    AUTO_FOCUS = None

    @property
    def cockpit(self) -> "CockpitApp":
        """The app."""
        return cast("CockpitApp", self.app)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what went wrong in the background."""
        if event.state is WorkerState.ERROR:
            show_error(self.app, event.worker.error)


def show_error(app: App, error: BaseException | None) -> None:
    """Show an error as a toast: a user's mistake as its sentence, anything else with its class."""
    sentence = str(error) if isinstance(error, CockpitError) else f"{type(error).__name__}: {error}"
    tell(app, sentence, "error")


def tell(app: App, sentence: str, severity: "SeverityLevel" = "information") -> None:
    """Show a toast; the sentence may come from outside."""
    seconds = 12.0 if severity == "error" else 6.0
    app.notify(plain(sentence), severity=severity, timeout=seconds, markup=False)
