"""Fields of a dataclass as flags and inputs: their docstrings, defaults, choices and limits, read from its source."""

import ast
import dataclasses
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from cockpit.errors import CockpitError

_SHOWN = 40
"""Characters of a wrong value that a sentence shows."""


class Option(NamedTuple):
    """One field of the recipe, as a flag or an input of the form."""

    name: str
    """Field name."""
    doc: str
    """The docstring under the field, for `--help` and the form."""
    default: Any
    """Value when nothing is given; None is resolved from model and dataset."""
    kind: type
    """str, int, float or bool."""
    choices: tuple[str, ...]
    """The words allowed, or empty."""
    limits: msgspec.Meta | None
    """The range allowed, or None."""

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")

    def text(self, value: object) -> str:
        """Return a value as `parse` reads it."""
        return ("yes" if value else "no") if self.kind is bool else str(value)

    def check(self, value: object) -> None:
        """Raise CockpitError when the value is not allowed."""
        if self.choices and value not in self.choices:
            raise CockpitError(f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}")
        if self.limits is None or value is None:
            return
        assert isinstance(value, int | float)
        limits = self.limits
        shown = str(value) if len(str(value)) <= _SHOWN else f"{str(value)[:_SHOWN]}…"
        if isinstance(value, float) and not math.isfinite(value):
            raise CockpitError(f"{self.name} is {shown}; it must be a finite number")
        for bound, within, words in (
            (limits.ge, lambda b: value >= b, "at least"),
            (limits.gt, lambda b: value > b, "more than"),
            (limits.le, lambda b: value <= b, "at most"),
            (limits.lt, lambda b: value < b, "less than"),
        ):
            if bound is not None and not within(bound):
                raise CockpitError(f"{self.name} is {shown}; it must be {words} {bound:,}")

    def parse(self, text: str) -> Any:
        """Read what a person typed into the form; an empty text is the default.

        Raises:
            CockpitError: When it is not a value of this field.
        """
        text = text.strip()
        if not text:
            return self.default
        if self.kind is bool:
            if text.lower() not in ("yes", "no", "true", "false", "on", "off"):
                raise CockpitError(f"{self.name} is {text!r}; write yes or no")
            return text.lower() in ("yes", "true", "on")
        try:
            value = self.kind(text)
        except ValueError:
            noun = "a whole number" if self.kind is int else "a number"
            raise CockpitError(f"{self.name} is {text[:_SHOWN]!r}; it must be {noun}") from None
        self.check(value)
        return value


def options_of(cls: type) -> tuple[Option, ...]:
    """Return the fields of a dataclass in order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    docs = field_docs(cls)
    return tuple(
        _option(field.name, docs[field.name], field.default, hints[field.name]) for field in dataclasses.fields(cls)
    )


def _option(name: str, doc: str, default: Any, hint: Any) -> Option:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    limits = None
    if typing.get_origin(hint) is Annotated:
        hint, limits = typing.get_args(hint)
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return Option(name, doc, default, str if choices else hint, choices, limits)


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring under each field of a class, newlines folded."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = typing.cast(ast.ClassDef, tree.body[0]).body
    return dict(_documented(body))


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, doc in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(doc, ast.Expr)
            and isinstance(doc.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(doc.value.value).split())
