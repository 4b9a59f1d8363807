"""How charts are drawn: what a user chose, remembered, and the same on every screen."""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

from cockpit.remembered import Remembered
from cockpit.series.curves import Metric, XAxis
from cockpit.series.smoothing import Smoothing, half_life

Grain = Literal["step", "epoch"]
Part = Literal["val", "train", "both"]

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, kw_only=True)
class ChartSettings:
    """What a user chose for the charts."""

    x: XAxis = "epoch"
    """What x counts."""
    grain: Grain = "step"
    """Whether training is drawn from live samples or as one point an epoch."""
    smoothing: Smoothing = "light"
    """How long the memory of the moving average is."""
    log_y: bool = False
    """Whether loss and learning rate have a logarithmic axis."""
    part: Part = "val"
    """What Compare overlays."""

    def half_lives(self) -> dict[Metric, float]:
        """Return the metrics that are smoothed, with their half-lives in points."""
        wanted = ((metric, half_life(self.smoothing, metric)) for metric in get_args(Metric))
        return {metric: points for metric, points in wanted if points is not None}

    def smoothing_of(self, *, live: bool) -> Smoothing:
        """Return what the smoothing does where live samples are drawn, or where only epochs are: light is off there."""
        return "off" if self.smoothing == "light" and not live else self.smoothing

    def turn_x(self) -> "ChartSettings":
        """Return them with the next axis."""
        return replace(self, x=_next(get_args(XAxis), self.x))

    def turn_grain(self) -> "ChartSettings":
        """Return them with the other grain."""
        return replace(self, grain=_next(get_args(Grain), self.grain))

    def turn_smoothing(self, *, live: bool) -> "ChartSettings":
        """Return them with the next smoothing that looks different."""
        seen = get_args(Smoothing) if live else tuple(level for level in get_args(Smoothing) if level != "light")
        return replace(self, smoothing=_next(seen, self.smoothing_of(live=live)))

    def turn_log(self) -> "ChartSettings":
        """Return them with the other kind of y axis."""
        return replace(self, log_y=not self.log_y)

    def turn_part(self) -> "ChartSettings":
        """Return them with the next curves to overlay."""
        return replace(self, part=_next(get_args(Part), self.part))


def recall(remembered: Remembered) -> ChartSettings:
    """Return what was chosen last; what is no choice any more gives way to the default."""
    usual = ChartSettings()

    def choice(name: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        value = remembered.get(f"chart.{name}", str(default))
        return next((one for one in choices if one == value), default)

    return ChartSettings(
        x=choice("x", get_args(XAxis), usual.x),
        grain=choice("grain", get_args(Grain), usual.grain),
        smoothing=choice("smoothing", get_args(Smoothing), usual.smoothing),
        log_y=remembered.get("chart.log_y", usual.log_y),
        part=choice("part", get_args(Part), usual.part),
    )


def remember(remembered: Remembered, settings: ChartSettings) -> None:
    """Keep them for the next time."""
    for name in ("x", "grain", "smoothing", "log_y", "part"):
        remembered.set(f"chart.{name}", getattr(settings, name))


def _next(choices: "tuple[Choice, ...]", chosen: Choice) -> Choice:
    return choices[(choices.index(chosen) + 1) % len(choices)]
