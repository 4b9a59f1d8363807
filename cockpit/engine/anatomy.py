"""Take a network apart without running it: the shape, parameters and FLOPs of its parts, on the meta device."""

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


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0
