"""What all screens share: their keys, the way to the app, and errors of their workers shown as toasts."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual.app import App
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from cockpit.errors import CockpitError
from cockpit.tui.text import plain
from cockpit.tui.watch import News, poll

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from cockpit.tui.app import CockpitApp

Result = TypeVar("Result")


class TellsErrors:
    """Shows what went wrong in the workers of a widget or a screen, which they would keep to themselves."""

    app: App

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what went wrong in the background."""
        if event.state is WorkerState.ERROR:
            show_error(self.app, event.worker.error)


class CockpitScreen(TellsErrors, Screen[Result]):
    """A screen of the cockpit; `PLACE` is its name in the table of actions."""

    PLACE = ""
    AUTO_FOCUS = None

    @property
    def cockpit(self) -> "CockpitApp":
        """The app."""
        return cast("CockpitApp", self.app)


def follow(screen: CockpitScreen[Any], look: Callable[[], Iterator[News]], message: Callable[[News], Message]) -> None:
    """Look again and again while a screen is seen, and post what is new; for a worker of the screen."""
    poll(
        look,
        lambda news: screen.post_message(message(news)),
        get_current_worker().cancelled_event,
        screen.cockpit.look_s,
    )


class Dialog(TellsErrors, ModalScreen[Result]):
    """A box over another screen, which stays as it is around it: to dim that would write all of it, twice."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return what the screen beneath shows, without what can be clicked there."""
        beneath = self.app._background_screens
        if not beneath:
            return super().render_lines(crop)
        strips = beneath[-1]._compositor.render_strips()
        strips += [Strip.blank(crop.right, self.rich_style)] * (crop.bottom - len(strips))  # it grows after this one
        return [
            strip.adjust_cell_length(max(strip.cell_length, crop.right)).crop(crop.x, crop.right).discard_meta()
            for strip in strips[crop.y : crop.bottom]
        ]


def write(static: Static, content: Content, *, layout: bool = False) -> None:
    """Write a text unless it stands there already: what is written again goes over the link again.

    Args:
        static: The place.
        content: The text.
        layout: Whether it may need more or fewer rows than before.
    """
    before = static.content
    if not (isinstance(before, Content) and before.is_same(content)):  # == compares the texts alone, not their styles
        static.update(content, layout=layout)


def show_error(app: App, error: BaseException | None) -> None:
    """Show an error as a toast: a user's mistake as its sentence, anything else with its class."""
    sentence = str(error) if isinstance(error, CockpitError) else f"{type(error).__name__}: {error}"
    tell(app, sentence, "error")


def tell(app: App, sentence: str, severity: "SeverityLevel" = "information") -> None:
    """Show a toast; the sentence may come from outside."""
    seconds = 12.0 if severity == "error" else 6.0
    app.notify(plain(sentence), severity=severity, timeout=seconds, markup=False)


def take_back(app: App, phrase: str) -> None:
    """Remove the toasts that say what holds no longer; call it in the app's thread."""
    for note in [note for note in app._notifications if phrase in note.message]:
        app._unnotify(note)
