"""Take a network apart without running it: the shape, parameters and FLOPs of its parts, on the meta device."""

import itertools

import msgspec
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cockpit.datasets import SIZE
from nets import build


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One module of a network."""

    name: str
    """Dotted path in the network; the network itself is its model's name."""
    kind: str
    """Class of the module."""
    depth: int
    """0 for the network, 1 for its children, and so on."""
    shape: tuple[int, ...]
    """What it gives for one image, without the batch: (C, H, W), (tokens, C) or (classes,)."""
    params: int
    """Trainable parameters in it and below."""
    flops: int
    """FLOPs of one image in it and below, two a multiply-add, convolutions and matrix products only."""


def dissect(name: str, num_classes: int, depth: int) -> list[Part]:
    """Return the parts of a catalogue network in the order in which they compute, down to a depth.

    A part that is used several times is listed once, with the shape of its last use and the FLOPs of all.
    """
    with torch.device("meta"):
        model = build(name, num_classes).eval()
        image = torch.empty(1, 3, SIZE, SIZE)
    modules = {path: module for path, module in model.named_modules() if _depth(path) <= depth}
    shapes: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> None:
        def hook(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                shapes[path] = tuple(output.shape[1:])

        modules[path].register_forward_hook(hook)

    for path in modules:
        note(path)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    flops = {place: sum(counts.values()) for place, counts in counter.get_flop_counts().items()}
    root = type(model).__name__
    return [
        Part(
            name=path or name,
            kind=type(module).__name__,
            depth=_depth(path),
            shape=shapes.get(path, ()),
            params=sum(parameter.numel() for parameter in module.parameters()),
            flops=flops.get(f"{root}.{path}" if path else root, 0),
        )
        for path, module in modules.items()
    ]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive units of a network whose outputs have one resolution."""

    name: str
    """Resolution: "32 × 32" pixels, "65 tokens", "vector", or "own" for what the network holds outside its units."""
    units: int
    """How many there are: children of the network, those of a plain sequence counted one by one."""
    first: str
    """Dotted path of the first of them; empty for "own"."""
    last: str
    """Dotted path of the last of them."""
    shape: tuple[int, ...]
    """What the last of them gives for one image."""
    params: int
    """Trainable parameters of all."""
    flops: int
    """FLOPs of one image in all, two a multiply-add."""


def stages(parts: list[Part]) -> list[Stage]:
    """Group the parts of a network, dissected to a depth of 2 or more, by resolution; they sum up to the whole."""
    root = parts[0]
    sequences = {part.name for part in parts if part.depth == 1 and part.kind == "Sequential"}
    units = [
        part
        for part in parts
        if (part.depth == 1 and part.name not in sequences)
        or (part.depth == 2 and part.name.partition(".")[0] in sequences)
    ]
    found = [_stage(name, list(group)) for name, group in itertools.groupby(units, _resolution)]
    params = root.params - sum(stage.params for stage in found)
    flops = root.flops - sum(stage.flops for stage in found)
    if params or flops:
        own = Stage(name="own", units=0, first="", last="", shape=(), params=params, flops=flops)
        found.insert(0, own)
    return found


def _stage(name: str, units: list[Part]) -> Stage:
    return Stage(
        name=name,
        units=len(units),
        first=units[0].name,
        last=units[-1].name,
        shape=units[-1].shape,
        params=sum(unit.params for unit in units),
        flops=sum(unit.flops for unit in units),
    )


def _resolution(part: Part) -> str:
    match part.shape:
        case (_, height, width) if height * width > 1:
            return f"{height} × {width}"
        case (tokens, _):
            return f"{tokens} tokens"
    return "vector"


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0
