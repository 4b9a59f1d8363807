"""The app: opens the screens and does what their keys ask for. It never imports torch.

Trainers and tests are processes of their own, so nothing that happens here can hurt a run.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import RenderableType
from textual import events, on, work
from textual.app import SystemCommand
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import get_current_worker

from cockpit import tickets
from cockpit.datasets import DatasetSpec
from cockpit.errors import CockpitError
from cockpit.export import counted
from cockpit.remembered import Remembered
from cockpit.status import LIVE, RunInfo
from cockpit.store import Run, RunStore
from cockpit.store.trash import Trash, sweep_in_background
from cockpit.tui import themes
from cockpit.tui.actions import actions_of
from cockpit.tui.curve_colors import curve_colors
from cockpit.tui.graphics import KittyPictures, speaks_kitty
from cockpit.tui.keys import SerialKeysApp
from cockpit.tui.painter import Painter
from cockpit.tui.runs import RunsScreen
from cockpit.tui.screen import CockpitScreen, show_error, tell
from cockpit.tui.text import plain
from cockpit.tui.verbs import VerbsApp
from cockpit.tui.watch import INTERVAL_S, LOW_BANDWIDTH_INTERVAL_S, RunsReader

_SWITCH_S = 0.001
"""A thread that reads gives way to a key after so long, Python's own 5 ms would be felt."""
_THREADS = 64
_TICK_S = 3.0
"""Seconds between two ticks of the queue."""
_REST_RATIO = 20
"""A tick is followed by a rest so many times as long, as a look is, see `cockpit.tui.watch`."""


class CockpitApp(SerialKeysApp, VerbsApp):
    """The cockpit over one folder of runs."""

    CSS_PATH = "cockpit.tcss"
    TITLE = "cockpit"

    def __init__(self, store: RunStore, *, low_bandwidth: bool = False) -> None:
        """Open the cockpit over the runs of a store.

        Args:
            store: The runs.
            low_bandwidth: Write as little as can be; what that is, each screen decides.
        """
        super().__init__(store)
        self.low_bandwidth = low_bandwidth
        self.look_s = LOW_BANDWIDTH_INTERVAL_S if low_bandwidth else INTERVAL_S
        """Seconds between two looks of a screen at the folders."""
        self.animation_level = "none"
        self.remembered = Remembered()
        for own in (themes.HIGH_CONTRAST, themes.NO_COLOR):
            self.register_theme(own)
        self._asked_for_no_color = self.no_color
        """By NO_COLOR, see no-color.org."""
        self.theme = self._first_theme()
        self.trash = Trash(store.root)
        """What was deleted here and can be brought back."""
        self.kitty: KittyPictures | None = None
        """Sends pictures to the terminal; None where it shows none, and they are drawn with half blocks."""
        self._painter = Painter()

    def _first_theme(self) -> str:
        if self._asked_for_no_color:
            return themes.NO_COLOR.name
        remembered = self.remembered.get("theme", themes.DARK)
        return remembered if remembered in self.available_themes else themes.DARK

    def watch_theme(self, theme: str) -> None:
        """Take the theme's filters, and remember it."""
        self.no_color = theme == themes.NO_COLOR.name
        if not self._asked_for_no_color:
            self.remembered.set("theme", theme)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line passes through before it is painted."""
        return themes.filters(self.theme, super().get_line_filters())

    def get_default_screen(self) -> Screen:
        """Begin with the runs."""
        return RunsScreen()

    def on_load(self) -> None:
        """Give every worker a thread: asyncio's own pool has six on two cores, and some workers stay for good."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))

    def on_mount(self) -> None:
        """Keep the queue moving, and write the whole screen when the cockpit comes back from the background."""
        tickets.LEAVING.clear()
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.call_after_refresh(self._watch_over)

    def _watch_over(self) -> None:
        """Begin what goes on in the background: nobody waits for it, and the first paint need not either."""
        gc.enable()  # off since the command began
        self._move_queue()
        self.await_ends()
        self._look_into_trash()

    def on_unmount(self) -> None:
        """See on the disk what is remembered."""
        self.remembered.flush()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, also while another process keeps the queue's lock, for which Python would wait before it ends."""
        tickets.LEAVING.set()
        super().exit(result, return_code, message)

    @work(thread=True, exit_on_error=False, group="trash")
    def _look_into_trash(self) -> None:
        """Take over what a killed cockpit deleted, and delete what is left of runs that are gone."""
        if num_runs := self.trash.adopt():
            what = "a run that was" if num_runs == 1 else f"{num_runs:,} runs that were"
            tell(self, f"u brings back {what} deleted before the last cockpit was cut off")
        sweep_in_background(self.store.root)

    @work(thread=True, exit_on_error=False, group="queue")
    def _move_queue(self) -> None:
        worker = get_current_worker()
        rest_s, told = _TICK_S, ""
        while not worker.cancelled_event.wait(rest_s):
            begun = time.monotonic()
            try:
                self.tick()
                told = ""
            except CockpitError as error:
                if str(error) != told:  # once, not every few seconds
                    show_error(self, error)
                told = str(error)
            rest_s = max(_TICK_S, _REST_RATIO * (time.monotonic() - begun))

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """Offer the screen's actions in the palette."""
        place = screen.PLACE if isinstance(screen, CockpitScreen) else ""
        for action in actions_of(place):
            if action.name != "app.command_palette":
                title = f"{action.title.capitalize()} ({action.shown})"
                yield SystemCommand(title, action.doc, partial(screen.run_action, action.name))
        yield SystemCommand("Theme", "Choose other colours.", self.action_change_theme)

    def _display(self, screen: Screen, renderable: RenderableType | None) -> None:
        """Write what is new on the screen, where Textual would write all that it has drawn again."""
        super()._display(screen, self._painter.trim(renderable, *self.size))

    def on_resize(self) -> None:
        """Write everything again: what the terminal made of the old rows nobody knows."""
        self._painter.forget()

    def action_redraw(self) -> None:
        """Write the whole screen again."""
        if again := self._painter.again():
            super()._display(self.screen, again)
        else:
            self._painter.forget()
            self.refresh()

    def action_help(self) -> None:
        """Show every key."""
        from cockpit.tui.help import HelpScreen

        screen = self.screen
        self.push_screen(HelpScreen(screen.PLACE if isinstance(screen, CockpitScreen) else ""))

    def open_new(self) -> None:
        """Show the form of a new run."""
        from cockpit.tui.new_run import NewRunScreen

        self.push_screen(NewRunScreen())

    def open_like(self, info: RunInfo) -> None:
        """Show the form of a new run, filled with a run's recipe."""
        from cockpit.tui.new_run import NewRunScreen

        self.push_screen(NewRunScreen(like=self.run_of(info)))

    def open_dataset(self, spec: DatasetSpec, got: Callable[[str | None], None]) -> None:
        """Show what is in a dataset; `got` is called with the name of one that was got meanwhile, or None."""
        from cockpit.tui.dataset import DatasetScreen

        self.push_screen(DatasetScreen(spec), got)

    def open_queue(self) -> None:
        """Show what waits for a device."""
        from cockpit.tui.queue import QueueScreen

        self.push_screen(QueueScreen())

    def open_run(self, run: Run, *, in_place: bool = False) -> None:
        """Show a run, above the present screen or in its place."""
        from cockpit.tui.run import RunScreen

        screen = RunScreen(run)
        if in_place:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def open_compare(self, runs: Sequence[Run]) -> None:
        """Compare runs, two to eight of them."""
        from cockpit.tui.compare import MAX_RUNS, CompareScreen

        if not 2 <= len(runs) <= MAX_RUNS:
            tell(self, f"{len(runs)} runs cannot be compared; choose 2 to {MAX_RUNS}", "warning")
            return
        self.push_screen(CompareScreen(runs))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Add the colours of the curves that Compare overlays; a theme may name others."""
        return super().get_theme_variable_defaults() | curve_colors(dark=self.current_theme.dark)

    def open_report(self, run: Run) -> None:
        """Show the test of a run."""
        from cockpit.tui.report import ReportScreen

        self.push_screen(ReportScreen(run))

    def open_classify(self, run: Run) -> None:
        """Let a run's network classify image files."""
        from cockpit.tui.classify import ClassifyScreen

        self.push_screen(ClassifyScreen(run))

    async def on_event(self, event: events.Event) -> None:
        """Make what is pasted harmless, because it is echoed."""
        await super().on_event(events.Paste(plain(event.text)) if isinstance(event, events.Paste) else event)

    @on(events.DescendantFocus)
    def _still_cursor(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False  # a blinking cursor writes 2 kB a second, all day, over the link


def run_app(runs_dir: Path, *, low_bandwidth: bool = False) -> None:
    """Open the cockpit over a folder of runs; when it is left, say on stdout what goes on without it."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what was imported stays: to search it for garbage takes 30 ms, at any moment
    kitty = speaks_kitty()
    if kitty:
        os.environ.setdefault("COLORTERM", "truecolor")  # ssh drops it, and the number of a picture is a colour
    app = CockpitApp(RunStore(runs_dir), low_bandwidth=low_bandwidth)
    app.kitty = KittyPictures() if kitty else None
    app.run()
    if app.return_code == 0:
        if num_gone := app.trash.close():
            print(f"{counted(num_gone, 'deleted run')} gone for good.")
        print(farewell(app.reader, app.testing, len(app.tests_ahead)))
    else:
        sys.exit(app.return_code)


def farewell(reader: RunsReader, testing: Iterable[str] = (), num_untested: int = 0) -> str:
    """Return what goes on in the background, in a sentence or two."""
    *_, look = reader.look(afresh=True)
    live = [row.id for row in look.rows if row.status in LIVE]
    waiting = sum(row.ticket is not None for row in look.rows)
    sentences = []
    if live:
        more = f" and {len(live) - 4} more" if len(live) > 4 else ""
        noun, verb = ("run", "goes") if len(live) == 1 else ("runs", "go")
        sentences.append(f"{len(live)} {noun} {verb} on in the background: {', '.join(live[:4])}{more}.")
    if waiting:
        sentences.append(f"{waiting} {'run waits' if waiting == 1 else 'runs wait'} in the queue.")
    if testing:
        sentences.append(f"The test of {', '.join(sorted(testing))} goes on too; its result is kept with the run.")
    if num_untested:
        sentences.append(f"{num_untested} more {'test was' if num_untested == 1 else 'tests were'} not begun.")
    if not sentences:
        return "Nothing is training now."
    return " ".join([*sentences, f"`cockpit` shows {'it' if len(live) + waiting == 1 else 'them'} again."])
