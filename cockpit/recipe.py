"""The recipe: everything that decides a run's result, declared once.

Command-line flags, the New-run form, validation and README's table are all drawn from these fields. Where a run
takes place (device, host, folders) is not in it, because that must not change the result.
"""

import ast
import dataclasses
import functools
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from cockpit.datasets import DatasetSpec, find_dataset
from cockpit.errors import CockpitError, unknown
from nets.catalog import MODELS

SEED_LR = 0.1
"""Peak learning rate of the seed's recipe, for every network whose catalogue entry names no other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how. The defaults are the seed's recipe."""

    model: str = "resnet20"
    """Architecture, a name of `cockpit models`."""
    dataset: str = "digits"
    """Dataset, a name of `cockpit data`."""
    epochs: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    """Passes over the training part. Unset: 200, the seed's; 30 for digits."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 128
    """Images a step, over all devices together."""
    val_fraction: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.1
    """Share of the training images set apart for validation, 0-1."""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0
    """Decides the split, the initial weights, the order of the images and their augmentation."""
    lr: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    """Peak learning rate. Unset: 0.1, the seed's, or what the catalogue says of the network."""
    momentum: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of momentum."""
    weight_decay: Annotated[float, msgspec.Meta(ge=0, le=1)] = 5e-4
    """L2 penalty on every parameter."""
    schedule: Literal["step", "cosine", "constant"] = "step"
    """Learning rate after the warm-up: step divides it by 10 at 35, 65 and 95 % of the epochs, as the seed does."""
    warmup_epochs: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None
    """Epochs over which the learning rate rises from 0. Unset: 5 % of the epochs, the seed's 10 of 200."""
    label_smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes, 0-1."""
    augment: Literal["seed", "none"] = "seed"
    """seed: mirror (where a mirrored image keeps its class), pad 4 and crop, turn within ±15°."""
    normalize: Literal["pixel", "channel"] = "pixel"
    """Mean and deviation of the training part: an image of each (the seed's), or a number a channel."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward pass; weights stay fp32. auto: bf16 on CUDA, fp32 elsewhere."""

    @property
    def num_epochs(self) -> int:
        """Planned epochs, the default resolved."""
        return find_dataset(self.dataset).epochs if self.epochs is None else self.epochs

    @property
    def peak_lr(self) -> float:
        """Peak learning rate, the default resolved."""
        if self.lr is not None:
            return self.lr
        return MODELS[self.model].lr or SEED_LR

    @property
    def num_warmup_epochs(self) -> float:
        """Warm-up in epochs, the default resolved."""
        return self.num_epochs * 0.05 if self.warmup_epochs is None else self.warmup_epochs

    def complete(self) -> "Recipe":
        """Validate, and return the recipe with every unset field resolved, as a run keeps it.

        Raises:
            CockpitError: For an unknown name or a value out of range, or one that the dataset cannot serve.
        """
        for option in options():
            option.check(getattr(self, option.name))
        if self.model not in MODELS:
            raise unknown("model", self.model, MODELS, "cockpit models")
        self._check_against(find_dataset(self.dataset))
        return dataclasses.replace(
            self, epochs=self.num_epochs, lr=self.peak_lr, warmup_epochs=round(self.num_warmup_epochs, 6)
        )

    def _check_against(self, dataset: DatasetSpec) -> None:
        num_val = val_images(dataset.train_images, self.val_fraction)
        num_train = dataset.train_images - num_val
        if self.batch_size > num_train:
            raise CockpitError(
                f"batch size {self.batch_size} is larger than the {num_train:,} training images of {dataset.name} "
                f"({num_val:,} more are for validation); take at most {num_train}"
            )
        if self.num_warmup_epochs > self.num_epochs:
            raise CockpitError(
                f"warmup_epochs is {self.num_warmup_epochs:g}, longer than the {self.num_epochs} epochs of the run"
            )


def val_images(num_images: int, val_fraction: float) -> int:
    """Return how many of a training set's images are set apart for validation: the nearest whole number, at least 1."""
    return max(1, round(num_images * val_fraction))


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

    def check(self, value: object) -> None:
        """Raise CockpitError when the value is not allowed."""
        if self.choices and value not in self.choices:
            raise CockpitError(f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}")
        if self.limits is None or value is None:
            return
        assert isinstance(value, int | float)
        limits = self.limits
        if not math.isfinite(value):
            raise CockpitError(f"{self.name} is {value}; it must be a finite number")
        for bound, within, words in (
            (limits.ge, lambda b: value >= b, "at least"),
            (limits.gt, lambda b: value > b, "more than"),
            (limits.le, lambda b: value <= b, "at most"),
            (limits.lt, lambda b: value < b, "less than"),
        ):
            if bound is not None and not within(bound):
                raise CockpitError(f"{self.name} is {value}; it must be {words} {bound:,}")

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
            raise CockpitError(f"{self.name} is {text[:40]!r}; it must be {noun}") from None
        self.check(value)
        return value


@functools.cache
def options() -> tuple[Option, ...]:
    """Return the recipe's fields in order, with their docstrings and limits."""
    hints = typing.get_type_hints(Recipe, include_extras=True)
    docs = field_docs(Recipe)
    return tuple(
        _option(field.name, docs[field.name], field.default, hints[field.name]) for field in dataclasses.fields(Recipe)
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


def command(recipe: Recipe) -> str:
    """Return the `cockpit train` line that makes this recipe, only what differs from the defaults."""
    words = [f"cockpit train --model {recipe.model} --dataset {recipe.dataset}"]
    for option in options()[2:]:
        value = getattr(recipe, option.name)
        if value != option.default:
            words.append(option.flag if value is True else f"{option.flag} {value}")
    return " ".join(words)


def to_json(recipe: Recipe) -> bytes:
    """Encode a recipe as recipe.json holds it."""
    return msgspec.json.format(msgspec.json.encode(recipe)) + b"\n"


def from_json(data: bytes, where: Path) -> Recipe:
    """Decode recipe.json; fields of a newer cockpit are passed over.

    Raises:
        CockpitError: When it is no recipe; `where` is named.
    """
    try:
        return msgspec.json.decode(data, type=Recipe)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CockpitError(f"{where} is not a recipe: {error}") from error
