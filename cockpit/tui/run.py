"""One run: where it stands, its curves while they grow, and what its trainer last said."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from cockpit.records import Device
from cockpit.status import LIVE
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.chart import Chart
from cockpit.tui.chartdata import ChartData, Line, Mark
from cockpit.tui.messages import RunRead
from cockpit.tui.screen import CockpitScreen
from cockpit.tui.text import COLORS, bar, duration, memory, percent, plain, remedy, status_word, words
from cockpit.tui.watch import RunReader, RunView, poll


class RunScreen(CockpitScreen[None]):
    """A run, live while its trainer lives."""

    PLACE = "run"
    BINDINGS = bindings("run")
    TRAIN: ClassVar[str] = "text-primary"
    """The theme's variable for what is measured on training images."""
    VAL: ClassVar[str] = "text-warning"
    """The theme's variable for what is measured on validation images."""

    def __init__(self, run: Run) -> None:
        """Show this run."""
        super().__init__()
        self._run = run
        self._reader = RunReader(run)
        self._view: RunView | None = None
        self._written: dict[str, Content] = {}

    def compose(self) -> ComposeResult:
        """Lay out the figures, the charts and the log."""
        with Vertical(id="figures"):
            yield Static(words((plain(self._run.id), "bold"), "reading…", between="  "), id="state")
            for name in ("progress", "pace", "note"):
                yield Static(id=name)
        with Grid(id="charts"):
            yield Chart(id="loss")
            yield Chart(id="accuracy")
            yield Chart(id="lr")
            with Vertical(id="log"):
                yield Static("log", id="log-title")
                yield Static(id="log-lines")
        yield KeyBar("run")

    def on_mount(self) -> None:
        """Draw again when a test begins or ends."""
        self.watch(self.app, "testing", self._draw, init=False)

    def on_screen_resume(self) -> None:
        """Watch the run while it is seen."""
        self._watch_run()

    def on_screen_suspend(self) -> None:
        """Leave the run alone while another screen is seen."""
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_run(self) -> None:
        worker = get_current_worker()
        poll(self._reader.look, lambda view: self.post_message(RunRead(view)), worker.cancelled_event)

    def on_run_read(self, event: RunRead) -> None:
        """Show the run as it is now."""
        self._view = event.view
        self.cockpit.notice([event.view.info])
        self._draw()

    def on_resize(self) -> None:
        """Fit the bar and the log to the new size."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        width = self.size.width - 2
        self._write("state", _state(view, self._run.id in self.cockpit.testing, width))
        self._write("progress", _progress(view, width))
        self._write("pace", _pace(view))
        self._write("note", _note(view))
        lines = self.query_one("#log-lines").size.height
        self._write("log-lines", Content("\n".join(view.log[-lines:] if lines else ())))
        for name, data in _charts(view, self.TRAIN, self.VAL).items():
            self.query_one(f"#{name}", Chart).show(data)

    def _write(self, name: str, content: Content) -> None:
        """Write a line unless it stands there already: what is written again goes over the link again."""
        if self._written.get(name) != content:
            self._written[name] = content
            self.query_one(f"#{name}", Static).update(content, layout=name == "note")

    def action_back(self) -> None:
        """Return to the runs."""
        self.app.pop_screen()

    def action_stop(self) -> None:
        """Stop the run."""
        if self._view:
            self.cockpit.stop(self._view.info)

    def action_resume(self) -> None:
        """Resume the run."""
        if self._view:
            self.cockpit.resume(self._view.info)

    def action_test(self) -> None:
        """Test the run's best checkpoint."""
        if self._view:
            self.cockpit.test(self._view.info)


def _state(view: RunView, testing: bool, width: int) -> Content:
    info = view.info
    status = words((status_word(info.status), f"bold ${COLORS[info.status]}"))
    if testing:
        status = words(status, (status_word("testing"), f"${COLORS['testing']}"), between="  ")
    left = words(status, (plain(f"{info.model} · {info.dataset}"), "bold"), between="  ")
    name = plain(info.id)
    gap = width - left.cell_length - len(name)
    return words(left, " " * gap, (name, "dim")) if gap >= 2 else left


def _progress(view: RunView, width: int) -> Content:
    info = view.info
    share = min(1.0, view.epoch / info.epochs) if info.epochs else 0.0
    before = f"epoch {info.epoch}/{info.epochs} "
    after = f" {100 * share:3.0f} %  {duration(info.elapsed_s)} trained"
    if info.status == "running":
        after += f" · ETA {duration(view.eta_s)}"
    done, left = bar(share, max(4, width - len(before) - len(after)))
    return words(before, (done, f"${COLORS[info.status]}"), (left, "$foreground 25%"), after)


def _pace(view: RunView) -> Content:
    info = view.info
    parts: list[str | tuple[str, str]] = []
    if info.best_epoch is None:
        parts.append("no epoch done yet")
    else:
        parts.append((f"best val {percent(info.best_val_acc)} % @ {info.best_epoch}", "bold"))
    if view.img_per_s is not None:
        parts.append(f"{view.img_per_s:,.0f} img/s")
    if view.device and info.status in LIVE:
        parts.append(_hardware(view.device))
    parts.append((f"recipe: {plain(info.changes)}" if info.changes else "recipe: the seed's", "dim"))
    return words(*parts, between=" · ")


def _hardware(device: Device) -> str:
    """Return what the hardware does, leaving out what is not known."""
    figures = [plain(device.name, 24)]
    if device.busy is not None:
        figures.append(f"{100 * device.busy:.0f} %")
    if device.memory_bytes is not None:
        figures.append(memory(device.memory_bytes))
    if device.power_w is not None:
        figures.append(f"{device.power_w:.0f} W")
    if device.temperature_c is not None:
        figures.append(f"{device.temperature_c:.0f} °C")
    return " ".join(figures)


def _note(view: RunView) -> Content:
    """Return the lines that need attention: what is wrong and what helps, and the result of the test."""
    info = view.info
    lines = []
    if view.diverged and info.status in LIVE:
        lines.append(words(("The training loss is not a number any more: stop (s) and lower lr", "bold $text-error")))
    if info.damage and info.status != "damaged":  # else the damage is the detail
        lines.append(words((plain(info.damage), "$text-error")))
    report = view.report
    told = info.status == "finished" and report  # the trainer's last words are the result of its test
    sentence = words(
        "" if told else plain(info.detail), remedy(info.status, queued=info.ticket is not None), between=" · "
    )
    if sentence:
        lines.append(sentence.stylize(f"${COLORS[info.status]}"))
    if report:
        result = f"test top-1 {percent(report.top1)} % · top-5 {percent(report.top5)} %"
        scope = f"loss {report.loss:.3f} · {report.images:,} images · epoch {report.epoch}"
        lines.append(words((result, "bold $text-success"), scope, between=" · "))
    elif info.status == "finished":
        lines.append(Content("not tested yet · t tests the best checkpoint"))
    return Content("\n").join(lines)


def _charts(view: RunView, train: str, val: str) -> dict[str, ChartData]:
    """Return what each chart shows, by the id of the chart."""
    limits = (0.0, float(max(view.info.epochs, 1)))
    resumes = tuple(Mark(x=resume.epoch, letter="r") for resume in view.resumes if resume.epoch == resume.epoch)
    best = (Mark(x=float(view.info.best_epoch), letter="b"),) if view.info.best_epoch else ()
    curves = view.curves

    def chart(title: str, *lines: Line, percent: bool = False, marks: tuple[Mark, ...] = resumes) -> ChartData:
        return ChartData(title=title, lines=lines, x_label="epochs", x_limits=limits, percent=percent, marks=marks)

    def line(name: str, curve: str, color: str, *, envelope: bool = False) -> Line:
        style = "envelope" if envelope else "line"
        return Line(name=name, x=curves[curve].x, y=curves[curve].y, color=color, style=style)

    return {
        "loss": chart(
            "loss",
            line("", "loss", train, envelope=True),
            line("train", "smooth_loss", train),
            line("val", "val_loss", val),
        ),
        "accuracy": chart(
            "top-1",
            line("", "acc", train, envelope=True),
            line("train", "smooth_acc", train),
            line("val", "val_acc", val),
            percent=True,
            marks=(*resumes, *best),
        ),
        "lr": chart("learning rate", line("", "lr", "text-success")),
    }
