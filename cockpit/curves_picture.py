"""Curves of runs as a PNG or SVG to show or to send, drawn by matplotlib, which only this needs."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cockpit.errors import CockpitError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cockpit.series import Series

FORMATS = (".png", ".svg")
_STYLE = "petroff10"
"""matplotlib's cycle of ten colours that are told apart whoever sees them (Petroff, arXiv 2107.02270)."""
_TWO_COLUMNS = 48
"""Characters; longer names stand one below another in the legend."""


class Named(NamedTuple):
    """The curves of a run."""

    name: str
    """What the legend calls it."""
    series: "Series"
    """All that it recorded."""


def form_of(path: Path) -> str:
    """Return which of `FORMATS` a file's name asks for.

    Raises:
        CockpitError: When it asks for another.
    """
    if path.suffix.lower() not in FORMATS:
        raise CockpitError(f"{path.name!r} ends neither in .png nor in .svg; name a file that does")
    return path.suffix.lower()


_STROKES = ("-", "--", ":", "-.")
"""Of runs in turn: one that lies upon another, as a rerun does, lets it be seen."""


def draw(runs: Sequence[Named], form: str) -> bytes:
    """Return loss, top-1 and learning rate of runs over their epochs, as a file of one of `FORMATS` holds them.

    Raises:
        CockpitError: When matplotlib is not installed, or no run has an epoch yet.
    """
    if not any(run.series.num_epochs for run in runs):
        raise CockpitError("none of these runs has trained an epoch yet, so there are no curves")
    try:
        from matplotlib import rc_context, style
        from matplotlib.figure import Figure
    except ImportError:
        raise CockpitError("curves are drawn by matplotlib; `pip install 'cockpit[report]'` installs it") from None
    with style.context(_STYLE), rc_context({"svg.hashsalt": "cockpit", "font.size": 10, "axes.axisbelow": True}):
        columns = 2 if all(len(run.name) <= _TWO_COLUMNS for run in runs) and len(runs) > 1 else 1
        lines = -(-len(runs) // columns)
        figure = Figure(figsize=(13, 4.6 + 0.22 * lines), layout="constrained")
        loss, top1, lr = figure.subplots(1, 3, width_ratios=(5, 5, 3))
        handles = [_draw_run(run, place, loss, top1, lr) for place, run in enumerate(runs)]
        _dress(loss, "loss, logarithmic", log=True)
        _dress(top1, "top-1, %")
        _dress(lr, "learning rate")
        legend = figure.legend(handles, [run.name for run in runs], loc="outside lower center", ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a name with two dollar signs is no formula
        figure.suptitle("thick: validation   thin: training   ●: best checkpoint", fontsize=10)
        buffer = io.BytesIO()
        metadata = {"Date": None} if form == ".svg" else {"Software": None}
        figure.savefig(buffer, format=form[1:], dpi=150, metadata=metadata)
    return buffer.getvalue()


def _draw_run(run: Named, place: int, loss: "Axes", top1: "Axes", lr: "Axes"):
    """Draw a run into all panels and return what stands for it in the legend."""
    snapshot = run.series.snapshot()
    x = snapshot.epochs["epoch"]
    color = f"C{place}"
    look: dict[str, Any] = {"color": color, "linestyle": _STROKES[place % len(_STROKES)], "markersize": 3}
    look["marker"] = "o" if len(x) == 1 else None  # a line needs two points
    loss.plot(x, snapshot.epochs["train_loss"], linewidth=0.9, alpha=0.7, **look)
    loss.plot(x, snapshot.epochs["val_loss"], linewidth=2, **look)
    top1.plot(x, 100 * snapshot.epochs["train_acc"], linewidth=0.9, alpha=0.7, **look)
    (line,) = top1.plot(x, 100 * snapshot.epochs["val_acc"], linewidth=2, **look)
    lr.plot(x, snapshot.epochs["lr"], linewidth=1.5, **look)
    best = run.series.best
    if best:
        top1.plot([best.epoch], [100 * best.val_acc], "o", color=color, markersize=6, clip_on=False)
    return line


def _dress(axes: "Axes", title: str, *, log: bool = False) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
