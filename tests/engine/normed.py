"""Batch norm on the parts of a batch, by ranks that are real processes, for tests to compare with the whole batch."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from started import run_ranks
from torch import Tensor, nn

from cockpit.engine.backend import Backend
from cockpit.engine.norm import Exchange, sync_batch_norm
from cockpit.engine.ranks import Ranks, SharedStep, share
from cockpit.engine.step import EagerStep, make_optimizer
from cockpit.recipe import Recipe
from nets import build


class Case(NamedTuple):
    """A layer, and the batches that it sees one after another."""

    make: Callable[[], nn.Module]
    sizes: tuple[int, ...]
    shape: tuple[int, ...] = (4, 3, 3)
    bf16: bool = False
    channels_last: bool = True
    freeze: bool = False


CASES = {
    "2d": Case(lambda: nn.BatchNorm2d(4), (7, 5)),
    "fewer images than ranks": Case(lambda: nn.BatchNorm2d(4), (7, 1)),
    "contiguous": Case(lambda: nn.BatchNorm2d(4), (8, 3), channels_last=False),
    "1d": Case(lambda: nn.BatchNorm1d(4), (7, 2), shape=(4,)),
    "1d of sequences": Case(lambda: nn.BatchNorm1d(4), (7, 1), shape=(4, 6)),
    "no weights": Case(lambda: nn.BatchNorm2d(4, affine=False), (7, 2)),
    "frozen weights": Case(lambda: nn.BatchNorm2d(4), (7, 2), freeze=True),
    "no running statistics": Case(lambda: nn.BatchNorm2d(4, track_running_stats=False), (7, 2)),
    "running means of all batches": Case(lambda: nn.BatchNorm2d(4, momentum=None), (7, 5, 1)),
    "another eps and momentum": Case(lambda: nn.BatchNorm2d(4, eps=0.1, momentum=0.7), (7, 5)),
    "bf16": Case(lambda: nn.BatchNorm2d(4), (64, 9), bf16=True),
}


def batch(case: Case, number: int) -> tuple[Tensor, Tensor]:
    """Return a whole batch, of channels that lie far from 0, and the gradient that comes back."""
    torch.manual_seed(number)
    size = (case.sizes[number], *case.shape)
    away = torch.tensor([0.0, 30.0, -3.0, 1e3]).view(1, -1, *(1,) * (len(case.shape) - 1))
    images, gradient = torch.randn(size) * 2 + (0 if case.bf16 else away), torch.randn(size)
    return (images.bfloat16(), gradient.bfloat16()) if case.bf16 else (images, gradient)


def pass_through(case: Case, exchange: Exchange | None, rank: int, size: int) -> dict[str, Tensor]:
    """Send a rank's parts of the batches through the layer and back; return all that came of it, by name."""
    torch.manual_seed(99)
    layer = nn.Sequential(case.make(), nn.ReLU(inplace=True))
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0)
        parameter.requires_grad = not case.freeze
    if exchange is not None:
        assert sync_batch_norm(layer, exchange) == 1
    found: dict[str, Tensor] = {}
    for number in range(len(case.sizes)):
        images, gradient = (whole[slice(*share(len(whole), rank, size))] for whole in batch(case, number))
        if case.channels_last and images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        images = images.clone().requires_grad_()
        output = layer(images * 1)
        output.backward(gradient)
        assert images.grad is not None
        found |= {f"output {number}": output.detach(), f"gradient {number}": images.grad}
    grads = {f"gradient of {name}": p.grad for name, p in layer.named_parameters() if p.grad is not None}
    layer.eval()
    return found | grads | layer.state_dict() | {"in eval mode": layer(batch(case, 0)[0]).detach()}


def take_steps(ranks: Ranks | None) -> dict[str, Tensor]:
    """Train a network in float64, on batches of 7, 5 and 2 images; return all that it learned, loss and hits.

    In float64 nothing that the ranks do wrong can hide behind rounding; the loss alone is taken in float32.
    """
    backend, recipe = Backend(torch.device("cpu"), "fp32", "cpu"), Recipe(momentum=0.5, label_smoothing=0.1)
    torch.manual_seed(3)
    network = build("resnet20", 10).double().train()
    optimizer = make_optimizer(network, recipe)
    if ranks is None:
        take_step = EagerStep(network, optimizer, backend, label_smoothing=0.1)
    else:
        sync_batch_norm(network, ranks)
        take_step = SharedStep(network, optimizer, backend, ranks, label_smoothing=0.1)
    outcomes = []
    for size in (7, 5, 2):
        images, labels = torch.randn(size, 3, 32, 32, dtype=torch.float64), torch.randint(0, 10, (size,))
        own = slice(*(ranks.share(size) if ranks else (0, size)))
        outcomes.append(take_step(images[own], labels[own], 0.01).double())
    return network.state_dict() | {"outcomes": torch.stack(outcomes)}


def start(size: int, folder: Path) -> dict[str, list[dict[str, Tensor]]]:
    """Send every case through so many processes; return what came of each, rank by rank."""
    run_ranks(__file__, size, str(folder))
    parts = [torch.load(folder / str(rank)) for rank in range(size)]
    return {name: [part[name] for part in parts] for name in parts[0]}


def _main(folder: Path) -> None:
    ranks = Ranks(",".join(["cpu"] * int(os.environ["WORLD_SIZE"])), patience_s=20)
    found = {name: pass_through(case, ranks, ranks.rank, ranks.size) for name, case in CASES.items()}
    found["steps"] = take_steps(ranks)
    try:
        one = nn.Sequential(nn.BatchNorm1d(4))
        sync_batch_norm(one, ranks)
        one(torch.randn(1 if ranks.rank == 0 else 0, 4))
    except ValueError as error:
        found["one value"] = {str(error): torch.ones(1)}
    torch.save(found, folder / str(ranks.rank))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
