"""Axis limits that keep still, few round ticks, and short labels for them. Pure arithmetic."""

import math

Limits = tuple[float, float]
Tick = tuple[float, str]
"""A position on the axis and its label."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_TIME_STEPS = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
)
_EPSILON = 1e-9
"""The share of a step that rounding errors of floats may amount to."""
_LEAST = 1e-290
"""What is nearer to zero is drawn as zero: steps between ticks would be beyond the smallest float."""


def steady_limits(
    kept: Limits | None, low: float, high: float, intervals: int, *, percent: bool = False, log: bool = False
) -> Limits:
    """Return limits for data in [low, high] that move seldom.

    The kept ones stay while they hold the data and are at most twice as wide as needed; otherwise the limits are
    chosen anew, at round values.

    Args:
        kept: The limits so far.
        low: Lowest value, in log10 if `log`.
        high: Highest value, in log10 if `log`.
        intervals: How many steps between ticks there is room for.
        percent: The data is 0-1, so limits beyond 1 would mean nothing.
        log: Round to 1, 2 and 5 times a power of ten.
    """
    fresh = _round_log_limits(low, high) if log else _round_limits(low, high, intervals, percent)
    if kept and kept[0] <= low and high <= kept[1] and kept[1] - kept[0] <= 2 * (fresh[1] - fresh[0]):
        return kept
    return fresh


def steady_end(kept: float | None, needed: float, expected: float) -> float:
    """Return the right end of an axis of seconds that moves seldom while the expected end wavers.

    Args:
        kept: The end so far.
        needed: Where the data ends.
        expected: Where it is going to end, at the present pace.
    """
    expected = max(expected, needed, 1.0)
    if kept and needed <= kept and 0.9 * expected <= kept <= 1.5 * expected:
        return kept
    step = next((step for step in _TIME_STEPS if expected / step <= 12), _DAY * math.ceil(expected / _DAY / 12))
    return step * math.ceil(expected / step - _EPSILON)


def y_ticks(limits: Limits, intervals: int, *, percent: bool = False, log: bool = False) -> list[Tick]:
    """Return at most `intervals` + 1 ticks; positions are in log10 if `log`, labels never."""
    if not log:
        positions = _multiples(limits, _round_step(*limits, intervals, 100 if percent else 1))
        return list(zip(positions, _labels(positions, percent), strict=True))
    positions = _log_positions(limits, intervals)
    unit, suffix = (100, "%") if percent else (1, "")
    return [(position, compact(unit * 10.0**position) + suffix) for position in positions]


def x_ticks(limits: Limits, intervals: int, *, seconds: bool = False) -> list[Tick]:
    """Return the round values within the limits; the last of them and the right end come first.

    Where labels are too near to each other, the plot leaves out those that come later in the list.
    """
    low, high = limits
    if seconds:
        fitting = (step for step in _TIME_STEPS if (high - low) / step <= intervals)
        step = next(fitting, _DAY * math.ceil((high - low) / _DAY / intervals))
    else:
        step = _round_step(low, high, intervals)
    show = compact_time if seconds else compact
    positions = [position for position in _multiples(limits, step) if position < high]
    return [(position, show(position)) for position in (high, *positions)]


def compact(value: float, digits: int = 4) -> str:
    """Return a number in few characters: 0.05, 2.5, 300, 40k, 1.2M, 1e-4, 3e30."""
    if value and not 1e-3 <= abs(value) < 1e12:
        mantissa, exponent = f"{value:.{digits - 3}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for size, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= size:
            return f"{value / unit:.{digits}g}{suffix}"
    return f"{value:.{digits}g}"


def compact_time(seconds: float) -> str:
    """Return a duration in its two largest units: 45s, 10m, 1h30m, 2d6h."""
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    first = next((index for index, (count, _) in enumerate(parts) if count), None)
    if first is None:
        return "0"
    return "".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count)


def _round_limits(low: float, high: float, intervals: int, percent: bool) -> Limits:
    if max(abs(low), abs(high)) < _LEAST:
        low = high = 0.0
    if 0 < low <= high / 2:
        low = 0.0  # a height means more above a zero that is near anyway
    if high - low <= _EPSILON * max(abs(low), abs(high)):
        low, high = (min(low, 0.0), 2 * max(high, 0.0)) if high else (0.0, 1.0)
    step = _round_step(low, high, intervals, 100 if percent else 1)
    bottom = math.floor(low / step + _EPSILON) * step
    top = math.ceil(high / step - _EPSILON) * step
    return bottom, min(top, 1.0) if percent and high <= 1.0 else top


def _round_log_limits(low: float, high: float) -> Limits:
    grid = _log_grid(low - 1, high + 1)
    bottom = max(tick for tick in grid if tick <= low + _EPSILON)
    return bottom, min(tick for tick in grid if tick >= high - _EPSILON and tick > bottom)


def _multiples(limits: Limits, step: float) -> list[float]:
    first, last = math.ceil(limits[0] / step - _EPSILON), math.floor(limits[1] / step + _EPSILON)
    return [index * step for index in range(first, last + 1)]


def _round_step(low: float, high: float, intervals: int, unit: float = 1) -> float:
    """Return the smallest round step of which at most `intervals` cover [low, high].

    Round are 1, 2 and 5 times a power of ten; 25, 250 and so on `unit`s too, but not 2.5: it would lengthen labels.
    """
    power = 10.0 ** math.floor(math.log10((high - low) / intervals))
    for scale in (power, 10 * power, 100 * power):
        quarter = (2.5,) if scale * unit > 9 else ()
        for step in (scale * factor for factor in (1.0, 2.0, *quarter, 5.0)):
            if math.ceil(high / step - _EPSILON) - math.floor(low / step + _EPSILON) <= intervals:
                return step
    return high - low


def _log_positions(limits: Limits, intervals: int) -> list[float]:
    grid = _log_grid(*limits)
    if len(grid) <= intervals + 1:
        return grid
    every = math.ceil((limits[1] - limits[0]) / intervals)
    powers = _multiples(limits, float(every))
    near = (limits[1] - limits[0]) / (intervals + 1)
    ends = [end for end in limits if all(abs(end - power) >= near for power in powers)]
    return sorted([*powers, *ends])


def _log_grid(low: float, high: float) -> list[float]:
    decades = range(math.floor(low), math.floor(high) + 1)
    grid = [decade + math.log10(digit) for decade in decades for digit in (1, 2, 5)]
    return [tick for tick in grid if low - _EPSILON <= tick <= high + _EPSILON]


def _labels(positions: list[float], percent: bool) -> list[str]:
    """Return labels with the same number of decimals."""
    values = [100 * position for position in positions] if percent else positions
    step = values[1] - values[0] if len(values) > 1 else 1.0
    if step < 1e-3 or max(map(abs, values)) >= 1e4:
        labels = next(labels for digits in range(4, 18) if _differ(labels := [compact(v, digits) for v in values]))
    else:
        decimals = next(count for count in range(6) if abs(round(step, count) - step) < 1e-6 * step)
        labels = [f"{value:.{decimals}f}" for value in values]
    return [label + "%" for label in labels] if percent else labels


def _differ(labels: list[str]) -> bool:
    return len(set(labels)) == len(labels)
