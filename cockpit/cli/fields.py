"""Kinds of flags that several commands share."""

from typing import Annotated

from tyro.conf import Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

RunRef = Annotated[Positional[str], arg(metavar="RUN")]
"""A run by its id, the beginning or end of it, or `last`."""

Seconds = Annotated[
    float,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="SECONDS",
        instance_from_str=lambda words: float(words[0]),
        is_instance=lambda value: isinstance(value, float),
        str_from_instance=lambda value: [f"{value:g}"],
    ),
]
"""A duration."""
