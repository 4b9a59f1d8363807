"""The charts of one run, from what was read of it and how the user wants them. Pure."""

from cockpit.status import LIVE
from cockpit.tui import axes
from cockpit.tui.chart_settings import ChartSettings
from cockpit.tui.chartdata import ChartData, Line, Mark
from cockpit.tui.run_reader import RunView

TRAIN = "text-primary"
"""The theme's variable for what is measured on training images."""
VAL = "text-warning"
"""The theme's variable for what is measured on validation images."""
RATE = "text-success"
"""The theme's variable for the learning rate."""
_VAL_DASH = 2
X_LABELS = {"epoch": "epochs", "step": "steps", "time": "time"}


def run_charts(
    view: RunView, settings: ChartSettings, x_limits: axes.Limits, cursor: float | None
) -> dict[str, ChartData]:
    """Return what each chart shows, by the id of the chart."""
    resumes = tuple(
        Mark(x=x, letter="r")
        for resume in view.resumes
        if (x := {"epoch": resume.epoch, "step": resume.step, "time": resume.elapsed_s}[settings.x]) == x
    )
    best = _best_x(view, settings)
    marks = resumes if best is None else (*resumes, Mark(x=best, letter="b"))
    live = settings.grain == "step"

    def chart(title: str, *lines: tuple[Line, ...], percent: bool = False, best: bool = True) -> ChartData:
        return ChartData(
            title=title,
            lines=tuple(line for group in lines for line in group),
            x_label=X_LABELS[settings.x],
            x_limits=x_limits,
            x_seconds=settings.x == "time",
            percent=percent,
            log_y=settings.log_y and not percent,
            marks=marks if best else resumes,
            cursor=cursor,
            placeholder=_why_empty(view, live=live),
        )

    return {
        "loss": chart(
            "¹loss",
            lines_of(view, settings, "loss" if live else "train_loss", "train", TRAIN),
            lines_of(view, settings, "val_loss", "val", VAL, dash=_VAL_DASH),
            best=False,
        ),
        "accuracy": chart(
            "²top-1",
            lines_of(view, settings, "acc" if live else "train_acc", "train", TRAIN),
            lines_of(view, settings, "val_acc", "val", VAL, dash=_VAL_DASH),
            percent=True,
        ),
        "lr": chart("³learning rate", lines_of(view, settings, "lr" if live else "epoch_lr", "lr", RATE), best=False),
    }


def _why_empty(view: RunView, *, live: bool) -> str:
    if view.info.status == "imported":
        return "imported, not trained here"
    return "no whole epoch yet" if not live and view.curves.samples["step"].size else "no data yet"


def lines_of(
    view: RunView, settings: ChartSettings, metric, name: str, color: str, *, envelope: bool = True, dash: int = 0
) -> tuple[Line, ...]:
    """Return the line of a metric; a smoothed one reads the records still, and lies over their envelope.

    Args:
        view: The run.
        settings: Which axis.
        metric: What to draw, of `cockpit.series.curves.Metric`.
        name: In the legend.
        color: A variable of the theme.
        envelope: Whether the records show beneath a smoothed line.
        dash: The form of the line where there is no colour, see `Line`.
    """
    raw = view.curves.curve(metric, settings.x)
    smooth = view.curves.smooth(metric, settings.x)
    if smooth is None:
        return (Line(name=name, x=raw.x, y=raw.y, color=color, dash=dash),)
    line = Line(name=name, x=raw.x, y=smooth.y, color=color, read=raw.y, dash=dash)
    beneath = Line(name="", x=raw.x, y=raw.y, color=color, style="envelope")
    return (beneath, line) if envelope else (line,)


def x_end(view: RunView, settings: ChartSettings, kept: float | None) -> float:
    """Return the right end of x: the plan's, moved seldom; of a run that ended early, where it stands.

    Args:
        view: The run.
        settings: Which axis.
        kept: The end so far, of the same axis.
    """
    stands = view.info.status not in LIVE and 0 < view.epoch < view.info.epochs
    if settings.x == "epoch":
        return view.epoch if stands else float(max(view.info.epochs, 1))
    if settings.x == "step":
        if stands:
            return float(view.curves.place(view.epoch, "epoch").step)
        return float(view.planned_steps or view.curves.place(view.epoch, "epoch").step)
    elapsed_s = view.info.elapsed_s
    if view.eta_s is None:
        return elapsed_s
    return axes.steady_end(kept, elapsed_s, elapsed_s + view.eta_s)


def _best_x(view: RunView, settings: ChartSettings) -> float | None:
    """Return where the best epoch ended."""
    if not view.info.best_epoch:
        return None
    if settings.x == "epoch":
        return float(view.info.best_epoch)
    at = view.curves.place(view.info.best_epoch, "epoch")
    return at.step if settings.x == "step" else at.time
