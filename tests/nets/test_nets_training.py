"""Every network can be trained: it starts near chance, every parameter gets a gradient, and layouts are kept."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from zoo import FAMILIES, by_cost, smallest_of

from nets import MODELS, build

SLOW_TO_TRACE = {
    "DenseNet",
    "EfficientNet",
    "GoogLeNet",
    "MobileNetV1",
    "MobileNetV2",
    "ResNeXt",
    "SE-ResNet",
    "SE-ResNeXt",
    "Xception",
}
"""Families of many or wide units, whose parts the other families' graphs hold as well."""
CONVOLUTIONAL = [name for name, spec in MODELS.items() if spec.family != "ViT"]


@contextmanager
def watch_maps(net: nn.Module) -> Iterator[list[tuple[str, Tensor]]]:
    """Collect every feature map of more than one pixel that goes into or comes out of a module."""
    maps: list[tuple[str, Tensor]] = []

    def watcher(name: str):
        def note(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            maps.extend((name, x) for x in (*args, output) if x.dim() == 4 and x.shape[2] * x.shape[3] > 1)

        return note

    handles = [module.register_forward_hook(watcher(name)) for name, module in net.named_modules()]
    yield maps
    for handle in handles:
        handle.remove()


FIRST_LOSS = "the first loss has to be at most 1.4 ln(classes): as initialised, the network favours some classes"


def mean_over_labels(logits: Tensor) -> Tensor:
    """Return the loss that random labels cost on average, free of the luck of a few labels."""
    return F.cross_entropy(logits, torch.full_like(logits, 1 / logits.shape[1]))


@pytest.mark.parametrize("name", by_cost(MODELS))
def test_a_step_starts_near_chance_and_gives_every_parameter_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, 10).train()
    logits = net(torch.randn(4, 3, 32, 32))
    assert logits.shape == (4, 10)
    loss = mean_over_labels(logits)
    assert loss.item() <= 1.4 * math.log(10), FIRST_LOSS
    loss.backward()
    for param_name, param in net.named_parameters():
        assert param.grad is not None, param_name
        assert param.grad.isfinite().all(), param_name


@pytest.mark.parametrize("name", by_cost(MODELS))
def test_a_hundred_classes_start_near_chance_too(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, 100).train()
    with torch.no_grad():
        loss = mean_over_labels(net(torch.randn(2, 3, 32, 32)))
    assert loss.item() <= 1.4 * math.log(100), FIRST_LOSS


@pytest.mark.parametrize("name", by_cost(CONVOLUTIONAL))
def test_channels_last_is_kept_to_the_last_map(name: str) -> None:
    with torch.device("meta"):
        net = build(name, 10)
    net = net.to_empty(device="cpu").to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last)
    with torch.no_grad(), watch_maps(net) as maps:
        net(images)
    assert len(maps) > 10
    assert [name for name, x in maps if not x.is_contiguous(memory_format=torch.channels_last)] == []


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW_TO_TRACE else name for name in FAMILIES],
)
def test_compiles_in_one_graph(family: str) -> None:
    net = build(smallest_of(family), 10).train()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(1)
        expected = net(images)
        torch.manual_seed(1)
        assert torch.equal(compiled(images), expected)
