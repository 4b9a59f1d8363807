"""Each network computes, and learns, what an independent implementation with the same weights does."""

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth
from zoo import by_cost

from nets import MODELS
from nets.efficientnet import StochasticDepth


def norms(net: nn.Module) -> list[nn.BatchNorm2d | nn.LayerNorm]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)]


def oracle_without_values(name: str) -> nn.Module:
    """Return the oracle in float64; the weights copied into it are its first, so none are drawn in vain."""
    with torch.device("meta"):
        net = oracles.ORACLES[name]()
    return net.double().to_empty(device="cpu")


def drop_probabilities(net: nn.Module) -> list[float]:
    return [module.p for module in net.modules() if isinstance(module, nn.Dropout) and module.p > 0]


def align(ours: nn.Module, theirs: nn.Module) -> None:
    """Give the oracle our epsilons and neither net any chance; let one step set most of the running statistics."""
    assert drop_probabilities(ours) == drop_probabilities(theirs)
    for norm, other in zip(norms(ours), norms(theirs), strict=True):
        other.eps = norm.eps
        if isinstance(norm, nn.BatchNorm2d) and isinstance(other, nn.BatchNorm2d):
            norm.momentum = other.momentum = 0.9
    for module in [*ours.modules(), *theirs.modules()]:
        if isinstance(module, nn.Dropout | TorchvisionStochasticDepth | StochasticDepth):
            module.p = 0.0


def randomise_norms(net: nn.Module) -> None:
    """Give each norm a scale and shift of its own, and batch norms statistics off the batch's."""
    for norm in norms(net):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
        if isinstance(norm, nn.BatchNorm2d):
            mean, var = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            mean += 0.1 * var.sqrt() * torch.randn_like(mean)
            var *= torch.empty_like(var).uniform_(0.8, 1.25)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy parameters and buffers in module order."""
    ours, theirs = source.state_dict(), target.state_dict()
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
    target.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))


def difference(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


def train_step(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the train-mode logits, leaving gradients and moved statistics in the net."""
    logits = net.train()(images)
    F.cross_entropy(logits, labels).backward()
    return logits.detach()


@pytest.mark.parametrize("name", by_cost(oracles.ORACLES))
def test_learns_and_predicts_as_its_oracle_does(name: str) -> None:
    torch.manual_seed(0)
    ours = oracles.build_ours(name).double()
    theirs = oracle_without_values(name)
    align(ours, theirs)
    randomise_norms(ours)
    copy_weights(ours, theirs)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    labels = torch.tensor([1, 7])

    assert difference(train_step(ours, images, labels), train_step(theirs, images, labels)) < 1e-10
    for (name, param), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert param.grad is not None, name
        assert other.grad is not None, name
        assert difference(param.grad, other.grad) <= 1e-10 * max(1.0, other.grad.abs().max().item()), name
    for (name, buffer), other in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(buffer, other, rtol=1e-10, atol=1e-12), name

    randomise_norms(ours)
    copy_weights(ours, theirs)
    with torch.inference_mode():
        assert difference(ours.eval()(images), theirs.eval()(images)) < 1e-10


def test_every_network_has_an_oracle() -> None:
    assert oracles.ORACLES.keys() == MODELS.keys()


def test_efficientnet_leaves_branches_out_as_often_as_its_oracle() -> None:
    with torch.device("meta"):
        ours, theirs = oracles.build_ours("efficientnet_b0"), oracles.ORACLES["efficientnet_b0"]()
    expected = [m.stochastic_depth.p for m in theirs.modules() if isinstance(m, MBConv) and m.use_res_connect]
    assert [module.p for module in ours.modules() if isinstance(module, StochasticDepth)] == expected
    assert len(expected) == 9
