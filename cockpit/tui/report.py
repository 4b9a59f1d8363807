"""The test report: how good a run's best network is, where it errs, and how sure it is of itself."""

import os
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Grid
from textual.content import Content
from textual.widgets import Static

from cockpit import status
from cockpit.errors import CockpitError
from cockpit.results import TestReport
from cockpit.store import Run
from cockpit.tui import report_views as views
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.messages import ReportRead
from cockpit.tui.mistakes import Mistakes
from cockpit.tui.row_detail import describe_test
from cockpit.tui.run_reader import read_report as read_test
from cockpit.tui.screen import CockpitScreen, tell, write
from cockpit.tui.section import Section
from cockpit.tui.text import plain, words

if TYPE_CHECKING:
    from textual.widget import Widget

    from cockpit.reports import Report

_WIDE, _TALL = 140, 36
"""Cells from which all sections stand side by side."""
_VERY_WIDE = 190
"""Columns from which the superclasses stand beside the others, too."""
_SECTIONS = {
    "classes": "classes",
    "confusion": "confusion",
    "calibration": "calibration",
    "mistakes": "mistakes",
    "groups": "superclasses",
}
"""Ids and titles of the sections, in the order of their numbers."""
_SUPERCLASSES = "section(5)"
"""The action that few datasets have something for."""


class ReportScreen(CockpitScreen[None]):
    """A run's test in sections: all at once where there is room, else one at a time."""

    PLACE = "report"
    BINDINGS = bindings("report")

    def __init__(self, run: Run) -> None:
        """Show the test of this run."""
        super().__init__()
        self._run = run
        self._report: Report | None = None
        self._chosen = "classes"
        self._zoomed = False

    def compose(self) -> ComposeResult:
        """Lay out the figures, the sections and the keys."""
        yield Static(words((plain(self._run.id), "bold"), "reading…", between="  "), id="report-title")
        yield Static(id="report-figures")
        yield Static(id="report-sections")
        yield Static(id="report-empty")
        with Grid(id="report"):
            for name in _SECTIONS:
                yield Mistakes(id=name) if name == "mistakes" else Section(id=name)
        yield KeyBar("report", _SUPERCLASSES)

    def on_mount(self) -> None:
        """Read the report, and again when a test from here has ended."""
        self.query_one("#report").display = False
        self.watch(self.app, "testing", self._read_again, init=False)

    def on_screen_resume(self) -> None:
        """Read the report."""
        self._read()

    def _read_again(self) -> None:
        self._read()

    @work(thread=True, exclusive=True, exit_on_error=False, group="read")
    def _read(self) -> None:
        from cockpit.reports import read_report

        best_epoch = status.describe(self._run, number=False).best_epoch
        try:
            self.post_message(ReportRead(read_report(self._run), best_epoch=best_epoch))
        except CockpitError as error:
            self.post_message(ReportRead(None, str(error), read_test(self._run), best_epoch))

    async def on_report_read(self, event: ReportRead) -> None:
        """Show the report, or why there is none."""
        before, self._report = self._report, event.report
        testing = self._run.id in self.cockpit.testing
        self._draw_head(event.reason, event.test, event.best_epoch, testing=testing)
        report = event.report
        self.query_one("#report").display = report is not None
        if report is None or (before is not None and before.test == report.test):
            return
        if self._chosen not in self._names():
            self._chosen = "classes"
        self.query_one(KeyBar).leave_out(*([] if report.groups else [_SUPERCLASSES]))
        self._arrange()
        self._section("classes").show(self._draw_classes)
        self._section("confusion").show(lambda width, height: views.confusion(report, width, height))
        self._section("calibration").show(lambda width, height: views.calibration(report, width, height))
        self._section("groups").show(lambda width, height: views.superclasses(report, width, height))
        await self.query_one(Mistakes).show(report)

    def _draw_classes(self, width: int, height: int) -> Content:
        if self._report is None:
            return Content("")
        return views.class_bars(self._report, width, height, lowest_first=self._lowest_first)

    @property
    def _lowest_first(self) -> bool:
        return self.cockpit.remembered.get("report lowest first", True)

    def _draw_head(self, reason: str, test: TestReport | None, best_epoch: int | None, *, testing: bool) -> None:
        report, now = self._report, ("testing…", "$text-accent") if testing else ""
        empty = self.query_one("#report-empty", Static)
        empty.display = report is None
        if report is None:
            remedy = "The report comes when the test is done." if testing else "t tests its best checkpoint."
            if test and test.loss is None and not testing and best_epoch in (None, test.epoch):
                remedy = "The network has diverged."
            empty.update(words(plain(reason[:1].upper() + reason[1:]) + ".", remedy, between="\n\n"))
        name = " · ".join(part for part in (report.model if report else "", test.dataset if test else "") if part)
        title = [
            ("Test report", "bold $text-accent"),
            (plain(name), "bold") if name else "",
            now,
            (plain(self._run.id), "dim"),
        ]
        self._write("report-title", words(*title, between="  "))
        if test is None:
            self._write("report-figures", Content(""))
            return
        ece = report.calibration.ece if report else None
        figures = describe_test(test, ece, best_epoch, testing=testing, width=self.size.width - 2)
        write(self.query_one("#report-figures", Static), figures, layout=True)  # it takes two lines where one is short

    def _arrange(self) -> None:
        """Show all sections where there is room and none is zoomed, else the chosen one."""
        if self._report is None:
            return
        names = self._names()
        shown = [name for name in names if name != "groups" or self.size.width >= _VERY_WIDE]
        together = self._is_wide() and not self._zoomed and self._chosen in shown
        grid = self.query_one("#report", Grid)
        grid.set_class(together, "-together")
        grid.set_class(len(shown) > 4, "-five")
        labels = []
        for number, (name, title) in enumerate(_SECTIONS.items(), 1):
            section = self.query_one(f"#{name}")
            section.display = name in shown if together else name == self._chosen
            section.border_title = f"{number} {title}"
            if name in names:
                style = "bold $accent reverse" if name == self._chosen else "$foreground 70%"
                click = Content.from_markup(f"[@click=screen.section({number})]$label[/]", label=f" {number} {title} ")
                labels.append(click.stylize(style))
        self._write("report-sections", Content(" ").join(labels))
        self.query_one("#report-sections").display = not together
        self.query_one(f"#{self._chosen}").focus()

    def _is_wide(self) -> bool:
        return self.size.width >= _WIDE and self.size.height >= _TALL

    def _names(self) -> list[str]:
        grouped = self._report is not None and self._report.groups is not None
        return [name for name in _SECTIONS if name != "groups" or grouped]

    def _section(self, name: str) -> Section:
        return self.query_one(f"#{name}", Section)

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content)

    def on_resize(self) -> None:
        """Show one section or all."""
        self._arrange()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Let a click choose a section."""
        widget: Widget = event.widget
        if widget.id in _SECTIONS:
            self._chosen = widget.id

    def action_section(self, number: int) -> None:
        """Show a section by its number, large; once more for all again."""
        names, name = self._names(), list(_SECTIONS)[number - 1]
        if name in names:
            self._zoomed = not (self._zoomed and name == self._chosen)
            self._chosen = name
            self._arrange()
        elif self._report is not None:
            tell(self.app, f"{self._report.test.dataset} has no superclasses", "warning")

    def action_next_section(self) -> None:
        """Go to the next section."""
        self._turn_section(1)

    def action_previous_section(self) -> None:
        """Go to the section before."""
        self._turn_section(-1)

    def _turn_section(self, by: int) -> None:
        names = self._names()
        self._chosen = names[(names.index(self._chosen) + by) % len(names)]
        self._arrange()

    async def action_next_mistake(self) -> None:
        """Go to the next mistake, and to their section if it is not seen."""
        await self._turn_mistake(1)

    async def action_previous_mistake(self) -> None:
        """Go to the mistake before, and to their section if it is not seen."""
        await self._turn_mistake(-1)

    async def _turn_mistake(self, by: int) -> None:
        mistakes = self.query_one(Mistakes)
        if self._report is None:
            return
        if not mistakes.display:
            self._chosen = "mistakes"
            self._arrange()
            return
        await mistakes.turn(by)

    def action_order(self) -> None:
        """Put the lowest accuracy first, or the classes in the dataset's order."""
        self.cockpit.remembered.set("report lowest first", not self._lowest_first)
        if self._report is not None:
            self._section("classes").show(self._draw_classes)

    def action_test(self) -> None:
        """Test the best checkpoint again."""
        self.cockpit.test_run(self._run)

    def action_classify(self) -> None:
        """Let the network classify image files."""
        self.cockpit.open_classify(self._run)

    def action_export(self) -> None:
        """Write the report into a folder that the user names."""
        report = self._report
        if report is None:
            tell(self.app, "There is no report to export yet; t tests the run", "warning")
            return
        from cockpit.tui.ask_path import AskPathScreen

        title = "Write report.json, classes.csv, confusion.csv and report.png into this folder:"

        def export(answer: str | None) -> None:
            if answer:
                self._export(report, answer)

        self.app.push_screen(AskPathScreen(title, f"{report.run.id}-report"), export)

    @work(thread=True, exit_on_error=False, group="export")
    def _export(self, report: "Report", answer: str) -> None:
        from pathlib import Path

        from cockpit.reports import write_all

        paths = write_all(report, Path(os.path.expanduser(answer)).absolute())
        tell(self.app, f"wrote {', '.join(path.name for path in paths)} into {paths[0].parent}")

    def action_back(self) -> None:
        """Show all sections again, or return to where one came from."""
        if self._zoomed and self._is_wide():
            self._zoomed = False
            self._arrange()
        else:
            self.app.pop_screen()
