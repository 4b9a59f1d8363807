"""Foreign weights become a run: read without executing anything, checked against the network, and marked as foreign."""

import hashlib
import io
import pickle
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from cockpit import datasets, files
from cockpit.datasets import SIZE
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import MEAN, STD, save_imported
from cockpit.engine.data import measure, prepare, split_indices
from cockpit.engine.sound import CHANNELS, COUNTER, find_bad_normalization, find_fault
from cockpit.errors import CockpitError, unknown
from cockpit.recipe import Recipe
from cockpit.results import Imported
from cockpit.store import Run, RunStore
from nets import MODELS, build

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
"""Keys under which trainers keep the state dict beside optimizers and counters."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What wrappers (DataParallel, torch.compile, a parent module) put before every name."""
_BEGINNINGS = (b"PK\3\4", b"\x80")
"""Of what torch.save leaves: a zip archive, or a pickle as it was before torch 1.6."""
_AVERAGED = "n_averaged"
"""What AveragedModel of torch.optim.swa_utils counts beside the weights."""
_LEVELS = 2
"""So many wrappers may be within each other."""
_SHOWN = 120


class Foreign(NamedTuple):
    """What a file of weights holds."""

    weights: dict[str, Tensor]
    """The state dict."""
    normalization: Normalization | None
    """Mean and deviation, where cockpit itself wrote them."""
    sha256: str
    """Digest of the file."""
    notes: list[str]
    """What was taken away to come to the state dict."""


def import_weights(
    store: RunStore,
    path: Path,
    model: str,
    dataset: str,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    normalize: str = "pixel",
) -> Run:
    """Make a run of a file of weights.

    Args:
        store: Where the run is made.
        path: A state dict: .safetensors, or what torch.save left.
        model: The network that it is of.
        dataset: The dataset whose classes it tells apart, in their order.
        mean: By channel, of pixels scaled to 0-1; empty: what the file says if cockpit wrote it, else the training
            images say.
        std: The same.
        normalize: "pixel" or "channel", where the training images say: those of the recipe's default split.

    Raises:
        CockpitError: When the file cannot be read or is not of that network, or there is nothing to normalise by.
    """
    if model not in MODELS:
        raise unknown("model", model, MODELS, "cockpit models")
    spec = datasets.find_dataset(dataset)
    foreign = read_weights(path)
    network = build(model, spec.num_classes)
    _load(network, foreign.weights, path, model, dataset)
    normalization, origin = _normalization(foreign, dataset, mean, std, normalize)
    imported = Imported(
        model=model,
        dataset=dataset,
        source=path.name,
        sha256=foreign.sha256,
        normalization=origin,
        time=time.time(),
        notes=foreign.notes,
    )
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    return store.create_imported(
        imported, lambda run: save_imported(run, weights, normalization, imported, spec.classes)
    )


def read_weights(path: Path) -> Foreign:
    """Read a state dict; nothing in the file is executed.

    Raises:
        CockpitError: When it cannot be read, or holds none.
    """
    try:
        data = files.read_whole(path, files.CHECKPOINT_BYTES)
    except OSError as error:
        raise files.unreadable(path, error) from error
    digest = hashlib.sha256(data).hexdigest()
    notes: list[str] = []
    weights = _state_dict(_decode(data, path), path, notes)
    mean, std = weights.pop(MEAN, None), weights.pop(STD, None)
    weights = _without_prefix(_without_average(weights, notes), notes)
    normalization = None
    if mean is not None and std is not None:
        for name, part in ((MEAN, mean), (STD, std)):
            _check_numbers(path, name, part)
        normalization = Normalization(_channels_last(mean, path), _channels_last(std, path))
        if fault := find_bad_normalization(normalization):
            raise CockpitError(f"{path} cannot be normalised by: {fault}; mend it, or import the weights without it")
    return Foreign(weights, normalization, digest, notes)


def _decode(data: bytes, path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a pickle is of another protocol than usual
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not data.startswith(_BEGINNINGS):
            raise CockpitError(f"{path} is no file of weights: {_tell_content(data, path)}") from None
        found = re.search(r"(?:GLOBAL|Unsupported \w+|class) ([\w.]+)", str(error))
        named = f" ({found[1]})" if found else ""
        raise CockpitError(
            f"{path} holds something else than tensors and plain values{named}, and nothing in it is executed; save "
            "its state dict alone, as .safetensors or by torch.save(model.state_dict(), …)"
        ) from None
    except Exception:  # torch follows bytes that are no file of its own as far as it can, then raises anything
        raise CockpitError(f"{path} is no file of weights: {_tell_content(data, path)}") from None


def _tell_content(data: bytes, path: Path) -> str:
    """Return what a file holds that could not be read; what the reader stumbled over in the end says little of it."""
    if not data:
        return "it is empty"
    if path.suffix == ".safetensors":
        return "it does not hold what .safetensors says; it is cut short, damaged, or of another kind"
    if data.startswith(_BEGINNINGS):
        return "it begins like one of torch.save, but is cut short or damaged"
    return "it is neither the archive nor the pickle that torch.save writes; .safetensors must be named so"


def _state_dict(content: Any, path: Path, notes: list[str]) -> dict[str, Tensor]:
    """Return the state dict in what was read, which trainers often put among other things."""
    keys = _find_state_dict(content, _LEVELS)
    if keys is None:
        raise CockpitError(
            f"{path} holds no state dict: names of a network's weights with a tensor each, alone or under "
            f"{', '.join(_WRAPPERS)}"
        )
    for key in keys:
        notes.append(f"taken from the key {key!r}")
        content = content[key]
    return dict(content)


def _find_state_dict(content: Any, levels: int) -> list[str] | None:
    """Return the keys that lead to a state dict, the outermost first; those of the fewest levels. None: there is none.

    Args:
        content: What was read.
        levels: So many keys deep it is looked for.
    """
    if not isinstance(content, Mapping):
        return None
    if _is_state_dict(content):
        return []
    for depth in range(levels):
        for key in _WRAPPERS:
            if (keys := _find_state_dict(content.get(key), depth)) is not None:
                return [key, *keys]
    return None


def _is_state_dict(content: Mapping[Any, Any]) -> bool:
    return bool(content) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())


def _without_average(weights: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    if _AVERAGED not in weights:
        return weights
    notes.append(f"{_AVERAGED!r} left out: the weights are an average")
    return {name: tensor for name, tensor in weights.items() if name != _AVERAGED}


def _without_prefix(weights: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    while prefix := next((p for p in _PREFIXES if weights and all(name.startswith(p) for name in weights)), ""):
        notes.append(f"{prefix!r} taken away before every name")
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def _load(network: nn.Module, weights: dict[str, Tensor], path: Path, model: str, dataset: str) -> None:
    """Load the weights in place.

    Raises:
        CockpitError: When they are not of the network; the first that is missing, strange or of another shape is named.
    """
    own = network.state_dict()
    needed = [name for name in own if not name.endswith(COUNTER)]  # older trainers did not count, and nobody reads it
    missing = [name for name in needed if name not in weights]
    strange = [name for name in weights if name not in own]
    not_it = f"{path} is not of {model} for {dataset}"
    if missing:
        others = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        instead = f"; it has {strange[0][:_SHOWN]!r} that {model} has not" if strange else ""
        raise CockpitError(f"{not_it}: {missing[0]!r} is missing{others}{instead}")
    if strange:
        others = f", and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise CockpitError(f"{not_it}: {model} has no {strange[0][:_SHOWN]!r}{others}")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise CockpitError(f"{not_it}: {name!r} has the shape {tuple(tensor.shape)}, not {tuple(own[name].shape)}")
        _check_numbers(path, name, tensor)
    network.load_state_dict(own | weights)


def _check_numbers(path: Path, name: str, tensor: Tensor) -> None:
    if fault := find_fault(name, tensor):
        raise CockpitError(
            f"{path} holds something else than finite numbers in {name[:_SHOWN]!r}: {fault}; nothing is told with them"
        )


def _normalization(
    foreign: Foreign, dataset: str, mean: Sequence[float], std: Sequence[float], normalize: str
) -> tuple[Normalization, str]:
    """Return what pixels are normalised by, and where that comes from."""
    if mean or std:
        return _given(mean, std), "given by channel, with --mean and --std"
    if foreign.normalization is not None:
        return foreign.normalization, "of the file, which cockpit wrote"
    if not datasets.is_ready(dataset):
        raise CockpitError(
            f"the images of {dataset} are not on this machine, so mean and deviation of the pixels cannot be measured; "
            "`cockpit data` says how to get them, or give --mean and --std"
        )
    prepare(dataset, progress=lambda *_: None, stop=lambda: False)
    images, _ = datasets.load_packed(dataset, "train")
    usual = Recipe(dataset=dataset)
    train, _ = split_indices(len(images), usual.val_fraction, usual.seed)
    origin = f"measured on {len(train):,} training images of {dataset}, a {normalize}'s each, as a run of seed 0 does"
    return measure(images[train], normalize), origin


def _given(mean: Sequence[float], std: Sequence[float]) -> Normalization:
    for flag, values in (("--mean", mean), ("--std", std)):
        if len(values) not in (1, CHANNELS):
            raise CockpitError(f"{flag} needs a number for each of red, green and blue, like 0.49,0.48,0.45; give both")
        if not all(0 <= value <= 1 for value in values):
            raise CockpitError(f"{flag} is of pixels that are scaled to 0-1; divide by 255")
    if not all(std):
        raise CockpitError("--std must be above 0")
    found = Normalization(
        *(torch.tensor(list(values)).expand(CHANNELS).reshape(1, 1, CHANNELS).clone() for values in (mean, std))
    )
    if fault := find_bad_normalization(found):
        raise CockpitError(f"nothing can be normalised by --mean and --std: {fault}")
    return found


def _channels_last(part: Tensor, path: Path) -> Tensor:
    """Return what cockpit wrote, (3, SIZE, SIZE) in an export and (SIZE, SIZE, 3) in a run, as a run has it."""
    for size in (SIZE, 1):
        if part.shape == (CHANNELS, size, size):
            return part.permute(1, 2, 0).float().contiguous()
        if part.shape == (size, size, CHANNELS):
            return part.float().contiguous()
    raise CockpitError(f"{path} has a mean or deviation of the shape {tuple(part.shape)}; it is not of cockpit")
