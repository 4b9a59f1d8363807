"""The two files that keep a run's weights: `last.pt` to resume from, `best.safetensors` to test and to take along.

Both are written durably and read only when their SHA-256 is right; loading executes nothing from the file.
"""

import contextlib
import dataclasses
import io
import json
import pickle
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cockpit import durable
from cockpit.durable import DamagedFileError
from cockpit.engine.augment import Normalization
from cockpit.engine.sound import find_bad_normalization, find_strange_kind
from cockpit.recipe import Recipe
from cockpit.results import Imported
from cockpit.store import Run
from nets.catalog import MODELS

_FORMAT = 1
MEAN, STD = "normalize.mean", "normalize.std"
"""The names of mean and deviation among the weights."""


@dataclasses.dataclass(kw_only=True)
class LoopState:
    """All that the training loop counts; with weights, optimizer and random state, all that a resume needs."""

    epoch: int = 0
    """Epochs done."""
    batch: int = 0
    """Batches done of the present epoch."""
    step: int = 0
    """Optimizer steps done."""
    elapsed_s: float = 0.0
    """Seconds of training over all attempts, with validation."""
    epoch_s: float = 0.0
    """Seconds of training in the present epoch."""
    epoch_loss: float = 0.0
    """Sum of the present epoch's training losses."""
    epoch_hits: float = 0.0
    """Right guesses in the present epoch."""
    best_val_acc: float | None = None
    """The highest validation top-1 so far, 0-1."""
    best_epoch: int = 0
    """The epoch of it."""


class Snapshot(NamedTuple):
    """A training at one moment, in tensors of its own: it can be written while the training goes on."""

    state: LoopState
    """The counters."""
    model: dict[str, Tensor]
    """The network's state dict."""
    optimizer: dict[str, Any]
    """The optimizer's state dict; learning rates are the schedule's and not in it."""
    rng: Tensor
    """Random state of the CPU."""
    device_rng: Tensor | None
    """Random state of the card; None where there is none."""
    ready: torch.cuda.Event | None
    """When the card has made the copies; None on a CPU, where they are made."""


def take_snapshot(state: LoopState, model: nn.Module, optimizer: torch.optim.Optimizer) -> Snapshot:
    """Copy all that a resume needs, on the device; takes no longer than reading the weights does."""
    device = next(model.parameters()).device
    held = optimizer.state_dict()
    snapshot = Snapshot(
        state=dataclasses.replace(state),
        model=_copied(model.state_dict()),
        optimizer={
            "state": {index: _copied(values) for index, values in held["state"].items()},
            "param_groups": [group | {"lr": 0.0} for group in held["param_groups"]],
        },
        rng=torch.get_rng_state(),
        device_rng=torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        ready=torch.cuda.Event() if device.type == "cuda" else None,
    )
    if snapshot.ready is not None:
        snapshot.ready.record(torch.cuda.current_stream(device))
    return snapshot


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in values.items()}


def save_last(run: Run, snapshot: Snapshot) -> None:
    """Write the resume state: plain types and tensors only."""
    with _waited_for(snapshot):
        content = {
            "format": _FORMAT,
            "state": dataclasses.asdict(snapshot.state),
            "model": snapshot.model,
            "optimizer": snapshot.optimizer,
            "rng": snapshot.rng,
            "device_rng": snapshot.device_rng,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
    durable.write_checked(run.last_path, buffer.getbuffer())


@contextlib.contextmanager
def _waited_for(snapshot: Snapshot) -> Iterator[None]:
    """Read a snapshot's tensors on a stream of its own, so that reading them does not wait for the training."""
    if snapshot.ready is None:
        yield
        return
    device = next(iter(snapshot.model.values())).device  # a thread's current card is its own affair
    with torch.cuda.device(device):
        stream = torch.cuda.Stream(device)
        stream.wait_event(snapshot.ready)
        with torch.cuda.stream(stream):
            yield


def load_last(run: Run, model: nn.Module, optimizer: torch.optim.Optimizer) -> LoopState:
    """Restore weights, optimizer and random state in place and return the counters.

    Raises:
        DamagedFileError: When the file is damaged or is not of this run's network.
    """
    data, _ = durable.read_checked(run.last_path)
    device = next(model.parameters()).device
    try:
        content: dict[str, Any] = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        state = LoopState(**content["state"])
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedFileError(f"{run.last_path} is not a resume state of this run: {reason}") from error
    torch.set_rng_state(content["rng"].cpu())
    if device.type == "cuda" and content["device_rng"] is not None:
        torch.cuda.set_rng_state(content["device_rng"].cpu(), device)
    return state


def save_best(run: Run, snapshot: Snapshot, normalization: Normalization, classes: tuple[str, ...]) -> None:
    """Write the best weights with all that is needed to use them: normalisation, recipe, class names, accuracy."""
    state = snapshot.state
    with _waited_for(snapshot):
        tensors = {name: tensor.cpu().contiguous() for name, tensor in snapshot.model.items()}
    tensors |= {MEAN: normalization.mean, STD: normalization.std}
    metadata = {
        "format": "pt",
        "cockpit_format": str(_FORMAT),
        "run": run.id,
        "recipe": msgspec.json.encode(run.recipe).decode(),
        "epoch": str(state.best_epoch),
        "val_acc": repr(state.best_val_acc),
        "classes": json.dumps(classes),
    }
    durable.write_checked(run.best_path, safetensors.torch.save(tensors, metadata))


def save_imported(
    run: Run,
    weights: dict[str, Tensor],
    normalization: Normalization,
    imported: Imported,
    classes: tuple[str, ...],
) -> None:
    """Write foreign weights as the best of a run, saying that they are."""
    metadata = {
        "format": "pt",
        "cockpit_format": str(_FORMAT),
        "run": run.id,
        "imported": msgspec.json.encode(imported).decode(),
        "model": imported.model,
        "dataset": imported.dataset,
        "classes": json.dumps(classes),
    }
    tensors = weights | {MEAN: normalization.mean.contiguous(), STD: normalization.std.contiguous()}
    durable.write_checked(run.best_path, safetensors.torch.save(tensors, metadata))


class Best(NamedTuple):
    """The best weights of a run."""

    weights: dict[str, Tensor]
    """The network's state dict, on the CPU."""
    normalization: Normalization
    """What the network's inputs were normalised with."""
    model: str
    """The network."""
    dataset: str
    """What it was trained on; imported weights: what they are said to be for."""
    recipe: Recipe | None
    """The recipe it was trained by; None of imported weights."""
    epoch: int
    """The epoch of the weights; 0 of imported weights."""
    val_acc: float | None
    """Validation top-1 of that epoch, 0-1; None of imported weights."""
    classes: tuple[str, ...]
    """Class names; the index is the label."""
    sha256: str
    """Digest of the file."""


def load_best(run: Run, checked: durable.Checked | None = None) -> Best:
    """Read the best weights.

    Args:
        run: The run.
        checked: The file, where it was read already: a training may replace it at any moment.

    Raises:
        DamagedFileError: When the file is missing, damaged, or not one of ours.
    """
    data, digest = checked or durable.read_checked(run.best_path)
    try:
        weights = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        normalization = Normalization(weights.pop(MEAN), weights.pop(STD))
        recipe = None if "imported" in header else msgspec.json.decode(header["recipe"], type=Recipe)
        model = recipe.model if recipe else header["model"]
        classes = json.loads(header["classes"])
        _check(model, weights, normalization, classes)
        return Best(
            weights=weights,
            normalization=normalization,
            model=model,
            dataset=recipe.dataset if recipe else header["dataset"],
            recipe=recipe,
            epoch=int(header["epoch"]) if recipe else 0,
            val_acc=float(header["val_acc"]) if recipe else None,
            classes=tuple(classes),
            sha256=digest,
        )
    except (safetensors.SafetensorError, msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{run.best_path} is not a checkpoint of cockpit: {error}") from error


def _check(model: object, weights: dict[str, Tensor], normalization: Normalization, classes: object) -> None:
    """Raise ValueError when what a use relies on is not what it must be; the weights' values may be anything."""
    if model not in MODELS:
        raise ValueError(f"no network is called {model!r}")
    if fault := find_bad_normalization(normalization):
        raise ValueError(fault)
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no list of names")
    for name, tensor in weights.items():
        if fault := find_strange_kind(name, tensor):
            raise ValueError(f"{name!r}: {fault}")


def take_up_best(run: Run, state: LoopState) -> None:
    """Let a resumed training know of best weights that were kept after its checkpoint, so that none worse replace them.

    A kill between the two saves leaves them so; on a card the epoch that is taken again may turn out worse. Damaged
    weights, or none, are passed over: the first epoch that beats the checkpoint's accuracy replaces them.
    """
    try:
        best = load_best(run)
    except DamagedFileError:
        return
    if best.val_acc is not None and best.val_acc > (state.best_val_acc or 0.0):
        state.best_val_acc, state.best_epoch = best.val_acc, best.epoch
