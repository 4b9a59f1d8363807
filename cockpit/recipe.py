"""The recipe: everything that decides a run's result, declared once.

Command-line flags, the New-run form, validation and README's table are all drawn from these fields. Where a run
takes place (device, host, folders) is not in it, because that must not change the result.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from cockpit.datasets import DatasetSpec, find_dataset
from cockpit.errors import CockpitError, unknown
from cockpit.options import Option, options_of
from nets.catalog import MODELS

SEED_LR = 0.1
"""Peak learning rate of the seed's recipe, for every network whose catalogue entry names no other."""
SEED_BATCH_SIZE = 128
_SMALL_IMAGES = 10_000
"""A dataset of fewer training images keeps the seed's batch size in every preset: it would take too few steps."""
_PRESET_EPOCHS = {"fast": 24, "strong": 150}
_PRESETS: dict[str, dict[str, Any]] = {
    "seed": {},
    "fast": {"batch_size": 512, "nesterov": True, "schedule": "linear", "label_smoothing": 0.1, "augment": "light"},
    "strong": {"nesterov": True, "schedule": "cosine", "label_smoothing": 0.1, "augment": "cutout"},
}
"""What a preset sets apart from the seed's recipe, beside epochs, warm-up and learning rate."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how. The defaults are the seed's recipe."""

    model: str = "resnet20"
    """Architecture, a name of `cockpit models`."""
    dataset: str = "digits"
    """Dataset, a name of `cockpit data`."""
    preset: Literal["seed", "fast", "strong"] = "seed"
    """What the fields below begin from. seed: the seed's recipe; fast: good in minutes; strong: the best we know."""
    epochs: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    """Passes over the training part. Unset: the preset's; the seed's are 200, 30 for digits."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 128
    """Images a step, over all devices together."""
    val_fraction: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.1
    """Share of the training images set apart for validation, 0-1."""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0
    """Decides the split, the initial weights, the order of the images and their augmentation."""
    lr: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    """Peak learning rate. Unset: 0.1, the seed's, or what the catalogue says of the network; other presets than the
    seed's scale it with the batch size, so many times as it is 128."""
    momentum: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of momentum."""
    weight_decay: Annotated[float, msgspec.Meta(ge=0, le=1)] = 5e-4
    """L2 penalty on every parameter."""
    schedule: Literal["step", "cosine", "linear", "constant"] = "step"
    """Learning rate after the warm-up: step divides it by 10 at 35, 65 and 95 % of the epochs, as the seed does; cosine
    and linear bring it to 0; constant leaves it where it is."""
    warmup_epochs: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None
    """Epochs over which the learning rate rises from 0. Unset: 5 % of the epochs, the seed's 10 of 200; fast: 20 %."""
    label_smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes, 0-1."""
    augment: Literal["seed", "light", "cutout", "none"] = "seed"
    """seed: mirror (where a mirrored image keeps its class), pad 4 and crop, turn within ±15°; light: do not turn;
    cutout: light, and blacken a square of 12 pixels."""
    normalize: Literal["pixel", "channel"] = "pixel"
    """Mean and deviation of the training part: an image of each (the seed's), or a number a channel."""
    batch_norm: Literal["synced", "local"] = "synced"
    """On several devices, batch norm's statistics. synced: of the whole batch, so that the numbers are those of one
    device; local: of each device's own images, which is faster."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward pass; weights stay fp32. auto: bf16 on CUDA; on a CPU what a probe finds faster."""
    way: Literal["auto", "eager", "graph", "compiled"] = "auto"
    """How a step is computed: one operation after another, as a replayed CUDA graph, or by torch.compile. auto: what a
    probe finds fastest."""
    exact: bool = False
    """Bit-equal reruns on the same device: fp32, eager, deterministic algorithms."""

    @property
    def num_epochs(self) -> int:
        """Planned epochs, the default resolved."""
        if self.epochs is not None:
            return self.epochs
        return _PRESET_EPOCHS.get(self.preset) or find_dataset(self.dataset).epochs

    @property
    def peak_lr(self) -> float:
        """Peak learning rate, the default resolved."""
        if self.lr is not None:
            return self.lr
        lr = MODELS[self.model].lr or SEED_LR
        return lr if self.preset == "seed" else lr * self.batch_size / SEED_BATCH_SIZE

    @property
    def num_warmup_epochs(self) -> float:
        """Warm-up in epochs, the default resolved."""
        if self.warmup_epochs is not None:
            return self.warmup_epochs
        return self.num_epochs * (0.2 if self.preset == "fast" else 0.05)

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
        num_train = largest_batch(dataset, self.val_fraction)
        num_val = dataset.train_images - num_train
        if self.batch_size > num_train:
            raise CockpitError(
                f"batch size {self.batch_size} is larger than the {num_train:,} training images of {dataset.name} "
                f"({num_val:,} more are for validation); take at most {num_train}"
            )
        if self.nesterov and not self.momentum:
            raise CockpitError("nesterov needs a momentum above 0; raise momentum or turn nesterov off")
        if self.num_warmup_epochs > self.num_epochs:
            raise CockpitError(
                f"warmup_epochs is {self.num_warmup_epochs:g}, longer than the {self.num_epochs} epochs of the run; "
                f"take at most {self.num_epochs}"
            )


def usual_recipe(model: str, dataset: str, preset: str, **chosen: Any) -> Recipe:
    """Return the recipe of a preset for a network and a dataset, with the fields that somebody chose."""
    settings: dict[str, Any] = _PRESETS.get(preset, {}) | {"model": model, "dataset": dataset, "preset": preset}
    if "batch_size" in settings and find_dataset(dataset).train_images < _SMALL_IMAGES:
        del settings["batch_size"]
    return Recipe(**settings | chosen)


def chosen(recipe: Recipe) -> dict[str, Any]:
    """Return what a complete recipe sets apart from its preset's, by field; what a preset derives is not among it.

    Raises:
        CockpitError: When the network or the dataset is not known here.
    """
    if recipe.model not in MODELS:
        raise unknown("model", recipe.model, MODELS, "cockpit models")
    usual = usual_recipe(recipe.model, recipe.dataset, recipe.preset)
    derived = dataclasses.replace(usual, epochs=recipe.epochs, batch_size=recipe.batch_size)
    expected = dataclasses.replace(
        usual, epochs=usual.num_epochs, lr=derived.peak_lr, warmup_epochs=round(derived.num_warmup_epochs, 6)
    )
    values = {option.name: getattr(recipe, option.name) for option in options()[3:]}
    return {name: value for name, value in values.items() if value != getattr(expected, name)}


def changes(recipe: Recipe) -> str:
    """Return what a complete recipe sets apart from the seed's: "preset fast · lr 0.05", or nothing.

    Raises:
        CockpitError: When the network or the dataset is not known here.
    """
    parts = [] if recipe.preset == "seed" else [f"preset {recipe.preset}"]
    texts = {option.name: option.text for option in options()}
    return " · ".join([*parts, *(f"{name} {texts[name](value)}" for name, value in chosen(recipe).items())])


def flags(recipe: Recipe) -> list[str]:
    """Return the flags of `cockpit train` that make a complete recipe, the shortest there are.

    Without its dataset, what that would derive is not known: then every field has its flag, but for the dataset.

    Raises:
        CockpitError: When the network is not known here.
    """
    if recipe.model not in MODELS:
        raise unknown("model", recipe.model, MODELS, "cockpit models")
    known = {option.name: option for option in options()}
    values = {"model": recipe.model, "dataset": recipe.dataset, "preset": recipe.preset}
    try:
        values |= chosen(recipe)
    except CockpitError:
        values = {name: getattr(recipe, name) for name in known if name != "dataset"}
    return [word for name, value in values.items() for word in (known[name].flag, known[name].text(value))]


def largest_batch(dataset: DatasetSpec, val_fraction: float) -> int:
    """Return the most images that a batch can hold: those of the training part that are not for validation."""
    return dataset.train_images - val_images(dataset.train_images, val_fraction)


def val_images(num_images: int, val_fraction: float) -> int:
    """Return how many of a training set's images are set apart for validation: the nearest whole number, at least 1."""
    return max(1, round(num_images * val_fraction))


@functools.cache
def options() -> tuple[Option, ...]:
    """Return the recipe's fields in order, with their docstrings and limits."""
    return options_of(Recipe)


def command(recipe: Recipe) -> str:
    """Return the `cockpit train` line that makes this recipe, only what differs from the preset's."""
    words = [f"cockpit train --model {recipe.model} --dataset {recipe.dataset}"]
    if recipe.preset != "seed":
        words.append(f"--preset {recipe.preset}")
    usual = usual_recipe(recipe.model, recipe.dataset, recipe.preset)
    for option in options()[3:]:
        value = getattr(recipe, option.name)
        if value != getattr(usual, option.name):
            words.append(f"{option.flag} {option.text(value)}")
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CockpitError(f"{where} is not a recipe: {error}") from error
