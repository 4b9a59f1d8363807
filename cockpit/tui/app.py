"""The app: opens the screens and does what their keys ask for. It never imports torch.

Trainers and tests are processes of their own, so nothing that happens here can hurt a run.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from textual import events, on, work
from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import Worker, WorkerState, get_current_worker

from cockpit import dispatch, launch, places, status, tickets
from cockpit.afterwards import sentence
from cockpit.datasets import DatasetSpec
from cockpit.dispatch import order
from cockpit.errors import CockpitError
from cockpit.export import counted
from cockpit.notify import read_notify, terminal_sequence
from cockpit.recipe import Recipe
from cockpit.remembered import Remembered
from cockpit.slurm import UndecidedError
from cockpit.status import LIVE, RunInfo
from cockpit.store import Run, RunStore
from cockpit.store.trash import Trash, sweep
from cockpit.tui import themes
from cockpit.tui.actions import actions_of
from cockpit.tui.alarms import Alarms
from cockpit.tui.curve_colors import curve_colors
from cockpit.tui.ends import Ends
from cockpit.tui.graphics import KittyPictures, speaks_kitty
from cockpit.tui.messages import EndTold, LaunchRefused, RowRead, RunLaunched, RunQueued, TestEnded
from cockpit.tui.painter import Painter
from cockpit.tui.runs import RunsScreen
from cockpit.tui.screen import CockpitScreen, show_error, tell
from cockpit.tui.text import percent, plain
from cockpit.tui.watch import INTERVAL_S, LOW_BANDWIDTH_INTERVAL_S, RunsReader, poll, read_report

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm

_TEST_LOOK_S = 0.2
_SWITCH_S = 0.001
"""A thread that reads gives way to a key after so long, Python's own 5 ms would be felt."""
_TICK_S = 3.0
"""Seconds between two ticks of the queue."""
_REST_RATIO = 20
"""A tick is followed by a rest so many times as long, as a look is, see `cockpit.tui.watch`."""


class CockpitApp(App[None]):
    """The cockpit over one folder of runs."""

    CSS_PATH = "cockpit.tcss"
    TITLE = "cockpit"
    testing: reactive[frozenset[str]] = reactive(frozenset())
    """Ids of the runs whose best checkpoint is being tested from here."""

    def __init__(self, store: RunStore, *, low_bandwidth: bool = False) -> None:
        """Open the cockpit over the runs of a store.

        Args:
            store: The runs.
            low_bandwidth: Write as little as can be; what that is, each screen decides.
        """
        super().__init__()
        self.low_bandwidth = low_bandwidth
        self.look_s = LOW_BANDWIDTH_INTERVAL_S if low_bandwidth else INTERVAL_S
        """Seconds between two looks of a screen at the folders."""
        self.animation_level = "none"
        self.store = store
        self.reader = RunsReader(store)
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
        self._alarms = Alarms()
        self._ends = Ends()
        self._painter = Painter()
        self.tests_ahead: list[RunInfo] = []
        """Runs to be tested when the tests under way are over."""

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

    def on_mount(self) -> None:
        """Keep the queue moving, and write the whole screen when the cockpit comes back from the background."""
        tickets.LEAVING.clear()
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self._move_queue()
        self._await_ends()
        self._look_into_trash()

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
        sweep(self.store.root)

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

    def tick(self) -> set[str]:
        """Start what waits on what is free, and return the ids of what was tried; for a worker."""
        attempts = dispatch.tick(self.store)
        for attempt in attempts:
            tell(self, f"queue: {attempt}", "error" if attempt.trouble else "information")
            if not attempt.trouble:
                self._expect(attempt.run_id)
        return {attempt.run_id for attempt in attempts}

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

        self.push_screen(HelpScreen())

    def _expect(self, run_id: str) -> None:
        """Take a run that was just launched for seen going on."""
        self._alarms.expect(run_id)
        self._ends.expect(run_id)

    def notice(self, rows: Sequence[RunInfo]) -> None:
        """Raise an alarm for each of these runs that was going on and is in trouble now; tell of each that ended."""
        for alarm, severity in self._alarms.notice(rows):
            tell(self, alarm, severity)
        if ended := self._ends.notice(rows):
            self._tell_ends(ended)

    @work(thread=True, exit_on_error=False, group="ends")
    def _await_ends(self) -> None:
        """Look at the runs that go on whatever screen is open; the others look at their own runs."""
        worker = get_current_worker()
        try:
            read_notify()
        except CockpitError as error:  # to be known now, not when a run has ended
            show_error(self, error)
        poll(self._look_at_live, lambda row: self.post_message(RowRead(row)), worker.cancelled_event, _TICK_S)

    def _look_at_live(self) -> Iterator[RunInfo]:
        for run_id in self._ends.live:
            row = self.reader.row(Run(self.store.root / run_id))
            if row.status not in LIVE:
                yield row

    @on(RowRead)
    def _notice_row(self, event: RowRead) -> None:
        self.notice([event.row])

    @work(thread=True, exit_on_error=False, group="tell")
    def _tell_ends(self, ended: Sequence[RunInfo]) -> None:
        notify = read_notify()
        if notify.rings:
            self.post_message(EndTold("".join(terminal_sequence(notify, sentence(info)) for info in ended)))

    @on(EndTold)
    def _ring(self, event: EndTold) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(event.sequence)  # between two frames: it moves no cursor and changes no cell
            self._driver.flush()

    def notice_alarms(self, run_id: str, alarms: "Iterable[Alarm]") -> None:
        """Raise each alarm of a watched run that has just begun."""
        for text, severity in self._alarms.notice_alarms(run_id, alarms):
            tell(self, text, severity)

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

    @work(thread=True, exit_on_error=False, group="launch")
    def launch_new(self, recipe: Recipe, place: str, device: str, asker: Screen) -> None:
        """Create a run and start it, here or in Slurm; when that fails, nothing of it is left."""
        run = None
        try:
            run = self.store.create(recipe.complete())
            places.start(run, place, device=device)
        except UndecidedError:
            if run is not None:
                asker.post_message(RunLaunched(run))  # it shows what is known, and enter does not launch a second one
            raise
        except BaseException:
            if run is not None:
                self.store.remove(run)
            asker.post_message(LaunchRefused())
            raise
        self._expect(run.id)
        asker.post_message(RunLaunched(run))

    @work(thread=True, exit_on_error=False, group="launch")
    def enqueue_new(self, recipe: Recipe, device: str, asker: Screen) -> None:
        """Create a run that waits for a device, and start it if one is free; when that fails, nothing of it is left."""
        try:
            (run,) = order.enqueue(self.store, [recipe.complete()], device=device)
        except BaseException:
            asker.post_message(LaunchRefused())
            raise
        asker.post_message(RunQueued())
        if run.id not in self.tick():
            tell(self, f"{run.id} is {status.describe(run).detail}")

    @work(thread=True, exit_on_error=False, group="resume")
    def resume(self, info: RunInfo) -> None:
        """Start the trainer of a run again, on the device it had if that is here."""
        run = self.run_of(info)
        places.check_resumable(run)
        place = places.place_of(run)
        wanted = info.ticket.device if info.ticket else places.device_of(run)
        device = wanted if places.has(place, wanted) else "auto"
        moved = "" if device == wanted else f" on another device: {wanted} is not on this machine"
        launches = run.launches()
        places.start(run, place, device=device)
        self._expect(run.id)
        if place == "slurm":
            tell(self, f"{info.id} is submitted to Slurm again")
        else:
            tell(self, f"{info.id} goes on from its last checkpoint{moved}" if launches else f"{info.id} is launched")

    @work(thread=True, exit_on_error=False, group="stop")
    def stop(self, info: RunInfo) -> None:
        """Ask a run's trainer to stop with a checkpoint, or take a run that waits from the queue."""
        if info.status == "waiting" and order.withdraw(self.store, self.run_of(info)):
            tell(self, f"{info.id} is taken from the queue")
            return
        may_train = info.status in LIVE or info.status == "waiting"  # the queue may have started it since
        if not may_train or not places.send(self.run_of(info), "stop"):
            raise CockpitError(f"run {info.id} is {info.status}; there is nothing to stop")
        how = "is cancelled" if info.status == "pending" else "is stopping after the next step, with a checkpoint"
        tell(self, f"{info.id} {how}")

    def test_all(self, infos: Sequence[RunInfo]) -> None:
        """Test the best checkpoints of runs one after another: several at once would fight for the device."""
        self.tests_ahead += [info for info in infos if info.id not in self.testing]
        self._test_next()

    def _test_next(self) -> None:
        if self.tests_ahead and not self.testing:
            self.test(self.tests_ahead.pop(0))

    def test(self, info: RunInfo) -> None:
        """Test a run's best checkpoint in the background; a second request while it lasts does nothing."""
        self.test_run(self.run_of(info))

    def test_run(self, run: Run) -> None:
        """Do the same for a run of which nothing else is known."""
        if run.id not in self.testing:
            self.testing |= {run.id}
            self._test(run)

    @work(thread=True, exit_on_error=False, group="test")
    def _test(self, run: Run) -> None:
        worker = get_current_worker()
        before = read_report(run)
        try:
            process = launch.start_test(run)
        except CockpitError as error:
            self.post_message(TestEnded(run, None, str(error)))
            return
        while process.poll() is None:
            if worker.cancelled_event.wait(_TEST_LOOK_S):
                return  # the test goes on without us
        report = read_report(run)
        last_words = ""
        if report is None or report == before:
            report = None
            (last_line,) = run.test_log_tail(1) or ["it said nothing"]
            last_words = f"the test of {run.id} failed: {last_line}"
        self.post_message(TestEnded(run, report, last_words))

    @on(TestEnded)
    def _show_test(self, event: TestEnded) -> None:
        self.testing -= {event.run.id}
        self._test_next()
        report = event.report
        if report is None:
            tell(self, event.last_words, "error")
            return
        tell(
            self,
            f"{report.run}: test top-1 {percent(report.top1)} %, top-5 {percent(report.top5)} %, "
            f"loss {report.loss:.3f} on {report.images:,} images; v shows the report",
        )

    def run_of(self, info: RunInfo) -> Run:
        """Return the run that a row of the listing stands for."""
        return Run(self.store.root / info.id)

    async def on_event(self, event: events.Event) -> None:
        """Make what is pasted harmless, because it is echoed."""
        await super().on_event(events.Paste(plain(event.text)) if isinstance(event, events.Paste) else event)

    @on(events.DescendantFocus)
    def _still_cursor(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False  # a blinking cursor writes 2 kB a second, all day, over the link

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what went wrong in the background."""
        if event.state is WorkerState.ERROR:
            show_error(self, event.worker.error)


def run_app(runs_dir: Path, *, low_bandwidth: bool = False) -> None:
    """Open the cockpit over a folder of runs; when it is left, say on stdout what goes on without it."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what was imported stays: to search it for garbage takes 30 ms, at any moment
    app = CockpitApp(RunStore(runs_dir), low_bandwidth=low_bandwidth)
    if speaks_kitty():
        app.kitty = KittyPictures()
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
