"""Several runs over each other: their curves in a colour each, what differs in their recipes, what they reached."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Grid
from textual.content import Content
from textual.widgets import Static

from cockpit.compare import MAX_RUNS, Figures, differing, figures
from cockpit.status import OUTDATED
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.chart import Chart
from cockpit.tui.chart_screen import ChartScreen, choice, place_text
from cockpit.tui.chart_settings import ChartSettings
from cockpit.tui.chartdata import ChartData, Line
from cockpit.tui.compare_reader import ComparedRun, CompareReader
from cockpit.tui.compare_table import CompareTable, compare_columns, letter
from cockpit.tui.curve_colors import curve_color
from cockpit.tui.messages import RunsCompared
from cockpit.tui.plot import figure
from cockpit.tui.run_charts import X_LABELS, lines_of, x_end
from cockpit.tui.screen import follow, tell
from cockpit.tui.text import COLORS, NO_VALUE, plain, status_word, words

if TYPE_CHECKING:
    from cockpit.series.curves import Metric

__all__ = ["MAX_RUNS", "CompareScreen"]


class CompareScreen(ChartScreen):
    """Two to eight runs, live while their trainers live."""

    PLACE = "compare"
    BINDINGS = bindings("compare")

    def __init__(self, runs: Sequence[Run]) -> None:
        """Compare these runs, in this order."""
        super().__init__()
        self._runs = list(runs)
        self._colors = {run.id: index for index, run in enumerate(runs)}
        self._reader = CompareReader(runs)
        self._compared: tuple[ComparedRun, ...] = ()
        self._chosen = 0
        self._ends: dict[str, float] = {}

    def compose(self) -> ComposeResult:
        """Lay out the title, the charts, the table and the chosen run."""
        yield Static(words(("compare", "bold $text-accent"), "reading…", between="  "), id="title")
        yield Static(id="reading")
        with Grid(id="compare"):
            for name in self.CHARTS:
                yield Chart(id=name)
        yield CompareTable()
        yield Static(id="chosen")
        yield KeyBar("compare")

    @property
    def draws_live(self) -> bool:
        """Whether live samples are drawn."""
        return self.settings.grain == "step" and self.settings.part != "val"

    def reread(self) -> None:
        """Watch the runs while they are seen."""
        self._reader.smooth(self.settings.half_lives())
        self._watch_runs()

    def on_screen_suspend(self) -> None:
        """Leave the runs alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_runs(self) -> None:
        follow(self, self._reader.look, RunsCompared)

    def on_runs_compared(self, event: RunsCompared) -> None:
        """Show the runs as they are now, but for those that were taken out meanwhile."""
        ids = {run.id for run in self._runs}
        self._compared = tuple(run for run in event.runs if run.view.info.id in ids)
        self.cockpit.notice([run.view.info for run in self._compared])
        for run in self._compared:
            self.cockpit.notice_alarms(run.view.info.id, run.view.alarms)
        self.draw()

    def on_resize(self) -> None:
        """Fit the table to the new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Draw what differs."""
        if not self._compared:
            return
        self._ends = {
            run.view.info.id: x_end(run.view, self.settings, self._ends.get(run.view.info.id)) for run in self._compared
        }
        self.show_charts(self._charts())
        self._draw_table()

    def choices(self, *, wide: bool) -> list[Content]:
        """Return the settings, and which curves are overlaid."""
        named = {"val": "validation", "train": "training", "both": "val over train"}
        what = named[self.settings.part] if wide else self.settings.part
        return [choice("w", what, "turn_part"), *super().choices(wide=wide)]

    def choose(self, settings: ChartSettings) -> None:
        """Draw otherwise."""
        if settings.x != self.settings.x:
            self._ends = {}
        super().choose(settings)

    def point(self, x: float | None) -> None:
        """Put the cursor somewhere, or away; the table reads the values there."""
        super().point(x)
        self._draw_table()

    def where(self, x: float) -> str:
        """Return the place of the cursor, the same for all runs."""
        return place_text(
            epoch=x if self.settings.x == "epoch" else None,
            step=x if self.settings.x == "step" else None,
            seconds=x if self.settings.x == "time" else None,
        )

    def translated(self, x: float, old: ChartSettings) -> float | None:
        """Return nothing: a moment of one run is another one's on every other axis."""
        return None

    def _charts(self) -> dict[str, ChartData]:
        live = self.settings.grain == "step"

        def chart(title: str, val: "Metric | None", train: "Metric", *, percent: bool = False) -> ChartData:
            lines = [line for run in self._compared for line in self._lines(run, val, train)]
            return ChartData(
                title=title,
                lines=tuple(lines),
                x_label=X_LABELS[self.settings.x],
                x_limits=(0.0, max(self._ends.values())),
                x_seconds=self.settings.x == "time",
                percent=percent,
                log_y=self.settings.log_y and not percent,
                cursor=self.cursor,
            )

        part = self.settings.part
        what = "" if part == "both" else f" {part}"
        return {
            "loss": chart(f"¹loss{what}", "val_loss", "loss" if live else "train_loss"),
            "accuracy": chart(f"²top-1{what}", "val_acc", "acc" if live else "train_acc", percent=True),
            "lr": chart("³learning rate", None, "lr" if live else "epoch_lr"),
        }

    def _lines(self, run: ComparedRun, val: "Metric | None", train: "Metric") -> list[Line]:
        """Return the lines of a run: the chosen part, or the training beneath the validation."""
        index = self._colors[run.view.info.id]
        part = self.settings.part if val else "train"
        name, color = letter(index), curve_color(index)
        lines: list[Line] = []
        if val and part != "train":
            lines += lines_of(run.view, self.settings, val, name, color, envelope=False)
        if part == "train":
            lines += lines_of(run.view, self.settings, train, name, color, envelope=False)
        elif part == "both":
            (beneath,) = lines_of(run.view, self.settings, train, "", color, envelope=False)
            lines.append(Line(name="", x=beneath.x, y=beneath.y, color=color, style="envelope"))
        done = getattr(run.view.curves.place(run.view.epoch, "epoch"), self.settings.x)
        return [replace(line, until=done, dash=index) for line in lines]

    def _draw_table(self) -> None:
        if not self._compared:
            return
        rows = [figures(run.view.info, run.view.curves.epochs, run.devices) for run in self._compared]
        apart = differing([run.made for run in self._compared])
        self._chosen = min(self._chosen, len(rows) - 1)
        colors = [self._colors[row.id] for row in rows]
        self.query_one(CompareTable).show(compare_columns(rows, apart, self._here()), colors, self._chosen)
        known = len(rows) == len(self._runs)
        count = f"{len(rows)} runs" if known else f"{len(rows)} of {len(self._runs)} runs, reading more…"
        same = (
            "their recipes are the same" if all(run.made.recipe for run in self._compared) else "nothing known differs"
        )
        differ = f"they differ in {', '.join(apart)}" if apart else same
        self.write("title", words(("compare", "bold $text-accent"), count, (plain(differ), "dim"), between="  "))
        self.write("chosen", self._describe(rows[self._chosen], apart))

    def _here(self) -> dict[str, list[str]]:
        """Return what the charts read at the cursor, a value a run."""
        if self.cursor is None:
            return {}
        here = {}
        for name, title in (("loss", "│ loss"), ("accuracy", "│ top-1")):
            data = self.query_one(f"#{name}", Chart).data
            if data is not None:
                values = [line.value(self.cursor, data.slack) for line in data.lines if line.name]
                here[title] = [NO_VALUE if value is None else figure(value, percent=data.percent) for value in values]
        return here

    def _describe(self, row: Figures, apart: dict[str, list[str]]) -> Content:
        own = [f"{name} {texts[self._chosen]}" for name, texts in apart.items()]
        color = self._colors[row.id]
        return words(
            (f"{letter(color)} {plain(row.id)}", f"bold ${curve_color(color)}"),
            (status_word(row.status), f"${COLORS[row.status]}"),
            f"{OUTDATED} tested at epoch {row.test.epoch}" if row.test and row.test.is_outdated(row.best_epoch) else "",
            *(plain(text) for text in own),
            between=" · ",
        )

    @on(CompareTable.Chosen)
    def _choose_clicked(self, event: CompareTable.Chosen) -> None:
        self._choose(event.place)

    def action_next_run(self) -> None:
        """Choose the next run."""
        self._choose(self._chosen + 1)

    def action_previous_run(self) -> None:
        """Choose the run before."""
        self._choose(self._chosen - 1)

    def _choose(self, place: int) -> None:
        self._chosen = min(max(place, 0), max(0, len(self._compared) - 1))
        self._draw_table()

    def action_turn_part(self) -> None:
        """Overlay validation, training or both."""
        self.choose(self.settings.turn_part())

    def action_remove(self) -> None:
        """Take the chosen run out of the comparison."""
        if len(self._runs) <= 2 or len(self._compared) <= 2:
            tell(self.app, "Two runs are the least to compare; esc leaves them.", "warning")
            return
        gone = self._compared[self._chosen].view.info.id
        self._runs = [run for run in self._runs if run.id != gone]
        self._compared = tuple(run for run in self._compared if run.view.info.id != gone)
        self._reader.forget(gone)
        self._ends.pop(gone, None)
        self.draw()

    def action_open(self) -> None:
        """Open the chosen run."""
        if self._compared:
            chosen = self._compared[self._chosen].view.info.id
            self.cockpit.open_run(next(run for run in self._runs if run.id == chosen))
