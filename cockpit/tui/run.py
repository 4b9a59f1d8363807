"""One run: where it stands, its curves while they grow, and what its trainer last said."""

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.store import Run
from cockpit.tui import run_figures
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.chart import Chart
from cockpit.tui.chart_screen import ChartScreen, place_text
from cockpit.tui.chart_settings import ChartSettings
from cockpit.tui.messages import RunRead
from cockpit.tui.remarks import ask_note, ask_tags
from cockpit.tui.run_charts import run_charts, x_end
from cockpit.tui.run_reader import RunReader, RunView
from cockpit.tui.screen import follow
from cockpit.tui.text import plain, words


class RunScreen(ChartScreen):
    """A run, live while its trainer lives."""

    PLACE = "run"
    BINDINGS = bindings("run")

    def __init__(self, run: Run) -> None:
        """Show this run."""
        super().__init__()
        self._run = run
        self._reader = RunReader(run)
        self._view: RunView | None = None
        self._x_end: float | None = None

    def compose(self) -> ComposeResult:
        """Lay out the figures, the charts and the log."""
        with Vertical(id="figures"):
            yield Static(words((plain(self._run.id), "bold"), "reading…", between="  "), id="state")
            for name in ("progress", "pace", "note"):
                yield Static(id=name)
        yield Static(id="reading")
        with Grid(id="charts"):
            for name in self.CHARTS:
                yield Chart(id=name)
            with Vertical(id="log"):
                slow = "low bandwidth" if self.cockpit.low_bandwidth else ""
                yield Static(words(("log", "bold"), ("l opens it", "dim"), slow, between="  "), id="log-title")
                yield Static(id="log-lines")
        yield KeyBar("run")

    def on_mount(self) -> None:
        """Draw again when a test begins or ends."""
        self.watch(self.app, "testing", self.draw, init=False)

    def reread(self) -> None:
        """Watch the run while it is seen."""
        self._reader.smooth(self.settings.half_lives())
        self._watch_run()

    def on_screen_suspend(self) -> None:
        """Leave the run alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_run(self) -> None:
        follow(self, self._reader.look, RunRead)

    def on_run_read(self, event: RunRead) -> None:
        """Show the run as it is now."""
        self._view = event.view
        self.cockpit.notice([event.view.info])
        self.cockpit.notice_alarms(self._run.id, event.view.alarms)
        self.draw()

    def on_resize(self) -> None:
        """Fit the bar and the log to the new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Draw what differs."""
        view = self._view
        if view is None:
            return
        width = self.size.width - 2
        self.write("state", run_figures.state(view, self._run.id in self.cockpit.testing, width))
        self.write("progress", run_figures.progress(view, width))
        self.write("pace", run_figures.pace(view, width))
        self.write("note", run_figures.note(view, width, testing=self._run.id in self.cockpit.testing))
        lines = self.query_one("#log-lines").size.height
        self.write("log-lines", Content("\n".join(view.log[-lines:] if lines else ())))
        self._x_end = x_end(view, self.settings, self._x_end)
        self.show_charts(run_charts(view, self.settings, (0.0, self._x_end), self.cursor))

    def choose(self, settings: ChartSettings) -> None:
        """Draw otherwise."""
        if settings.x != self.settings.x:
            self._x_end = None
        super().choose(settings)

    def where(self, x: float) -> str:
        """Return epoch, step and time at the cursor."""
        if self._view is None:
            return ""
        return place_text(*self._view.curves.place(x, self.settings.x))

    def translated(self, x: float, old: ChartSettings) -> float | None:
        """Return the cursor's moment on the new axis."""
        return getattr(self._view.curves.place(x, old.x), self.settings.x) if self._view else None

    def action_log(self) -> None:
        """Read the log on the whole screen."""
        from cockpit.tui.log import LogScreen

        self.app.push_screen(LogScreen(self._run))

    def action_clone(self) -> None:
        """Open the form of a new run, filled like this one."""
        if self._view:
            self.cockpit.open_like(self._view.info)

    def action_stop(self) -> None:
        """Stop the run."""
        if self._view:
            self.cockpit.stop(self._view.info)

    def action_resume(self) -> None:
        """Resume the run."""
        if self._view:
            self.cockpit.resume(self._view.info)

    def action_learn(self) -> None:
        """Show what the network takes twelve pictures for."""
        from cockpit.tui.learn import LearnScreen

        self.app.push_screen(LearnScreen(self._run))

    def action_report(self) -> None:
        """Open the run's test report."""
        self.cockpit.open_report(self._run)

    def action_classify(self) -> None:
        """Let the run's network classify image files."""
        self.cockpit.open_classify(self._run)

    def action_test(self) -> None:
        """Test the run's best checkpoint."""
        if self._view:
            self.cockpit.test(self._view.info)

    def action_take(self) -> None:
        """Export the run for other programs."""
        from cockpit.tui.taking import ask_export

        ask_export(self.cockpit, self._run)

    def action_note(self) -> None:
        """Write a note on the run."""
        if self._view:
            ask_note(self.app, self._view.info, self.cockpit.run_of)

    def action_tags(self) -> None:
        """Tag the run."""
        if self._view:
            ask_tags(self.app, [self._view.info], self.cockpit.run_of)
