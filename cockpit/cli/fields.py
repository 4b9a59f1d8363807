"""Kinds of flags that several commands share."""

import math
from typing import Annotated

from tyro.conf import Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from cockpit.device_names import normal
from cockpit.errors import CockpitError


def _read_seconds(words: list[str]) -> float:
    try:
        seconds = float(words[0])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise CockpitError(f"{words[0][:40]!r} is no duration; give seconds, 0 or more")
    return seconds


def _read_whole(words: list[str]) -> int:
    try:
        return int(words[0])
    except ValueError:
        raise CockpitError(f"{words[0][:40]!r} is not a whole number; write one like 0, 3 or -1") from None


RunRef = Annotated[Positional[str], arg(metavar="RUN")]
"""A run by its id, the beginning or end of it, or `last`."""

Seconds = Annotated[
    float,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="SECONDS",
        instance_from_str=_read_seconds,
        is_instance=lambda value: isinstance(value, float),
        str_from_instance=lambda value: [f"{value:g}"],
    ),
]
"""A duration."""

Whole = Annotated[
    int,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="N",
        instance_from_str=_read_whole,
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""A whole number."""

DeviceName = Annotated[
    str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="DEVICE[,DEVICE]",
        instance_from_str=lambda words: normal(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    ),
    arg(aliases=["--devices"]),
]
"""A device or several, in their normal form; `--device` and `--devices` are one flag."""
