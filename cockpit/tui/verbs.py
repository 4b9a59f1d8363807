"""The part of the app that does things to runs, each in a thread: launch, enqueue, resume, stop, test.

What does them is imported there, because the first paint waits for none of it.
"""

from collections.abc import Sequence

from textual import on, work
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import get_current_worker

from cockpit import status
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.results import told_loss
from cockpit.status import LIVE, RunInfo
from cockpit.store import Run, RunStore
from cockpit.tui.messages import LaunchRefused, RunLaunched, RunQueued, TestEnded
from cockpit.tui.noticing import NoticingApp
from cockpit.tui.run_reader import read_report
from cockpit.tui.screen import tell
from cockpit.tui.text import percent

_TEST_LOOK_S = 0.2


class VerbsApp(NoticingApp):
    """Starts processes and sends signals; a trainer or a test is a process of its own, which nothing here can hurt.

    Attributes:
        tests_ahead: Runs to be tested when the tests under way are over.
    """

    testing: reactive[frozenset[str]] = reactive(frozenset())
    """Ids of the runs whose best checkpoint is being tested from here."""

    def __init__(self, store: RunStore) -> None:
        """Begin with nothing under way."""
        super().__init__(store)
        self.tests_ahead: list[RunInfo] = []

    def tick(self) -> set[str]:
        """Start what waits on what is free, and return the ids of what was tried; for a worker."""
        from cockpit import dispatch

        attempts = dispatch.tick(self.store)
        for attempt in attempts:
            tell(self, f"queue: {attempt}", "error" if attempt.trouble else "information")
            if not attempt.trouble:
                self.expect(attempt.run_id)
        return {attempt.run_id for attempt in attempts}

    @work(thread=True, exit_on_error=False, group="launch")
    def launch_new(self, recipe: Recipe, place: str, device: str, asker: Screen) -> None:
        """Create a run and start it, here or in Slurm; when that fails, nothing of it is left."""
        from cockpit import places
        from cockpit.slurm import UndecidedError

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
        self.expect(run.id)
        asker.post_message(RunLaunched(run))

    @work(thread=True, exit_on_error=False, group="launch")
    def enqueue_new(self, recipe: Recipe, device: str, asker: Screen) -> None:
        """Create a run that waits for a device, and start it if one is free; when that fails, nothing of it is left."""
        from cockpit.dispatch import order

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
        from cockpit import places

        run = self.run_of(info)
        places.check_resumable(run)
        place = places.place_of(run)
        wanted = info.ticket.device if info.ticket else places.device_of(run)
        device = wanted if places.has(place, wanted) else "auto"
        moved = "" if device == wanted else f" on another device: {wanted} is not on this machine"
        launches = run.launches()
        places.start(run, place, device=device)
        self.expect(run.id, info)
        if place == "slurm":
            tell(self, f"{info.id} is submitted to Slurm again")
        else:
            tell(self, f"{info.id} goes on from its last checkpoint{moved}" if launches else f"{info.id} is launched")

    @work(thread=True, exit_on_error=False, group="stop")
    def stop(self, info: RunInfo) -> None:
        """Ask a run's trainer to stop with a checkpoint, or take a run that waits from the queue."""
        from cockpit import places
        from cockpit.dispatch import order

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
            self.test_run(self.run_of(self.tests_ahead.pop(0)), told=True)

    def test(self, info: RunInfo) -> None:
        """Test a run's best checkpoint in the background; a second request while it lasts does nothing."""
        self.test_run(self.run_of(info))

    def test_run(self, run: Run, *, told: bool = False) -> None:
        """Do the same for a run of which nothing else is known; it is said, unless the user was told."""
        if run.id in self.testing:
            tell(self, f"{run.id} is being tested already", "warning")
            return
        self.testing |= {run.id}
        if not told:
            tell(self, f"testing {run.id}")
        self._test(run)

    @work(thread=True, exit_on_error=False, group="test")
    def _test(self, run: Run) -> None:
        from cockpit import tasks

        worker = get_current_worker()
        before = read_report(run)
        try:
            process = tasks.start_test(run)
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
            f"{told_loss(report.loss, 3)} on {report.images:,} images; v shows the report",
        )
