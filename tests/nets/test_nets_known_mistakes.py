"""The mistakes of the code this project began from, as far as they concern networks: none may come back."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from zoo import build_shapes

from nets import MODELS, build
from nets.efficientnet import StochasticDepth
from nets.shufflenet import Unit, shuffle
from nets.vit import ViT


def test_every_family_that_was_never_offered_is() -> None:
    offered = {spec.family for spec in MODELS.values()}
    assert {"DenseNet", "GoogLeNet", "Xception", "ShuffleNet", "SE-ResNet", "EfficientNet", "ViT"} <= offered


@pytest.mark.parametrize("name", MODELS)
def test_the_number_of_classes_reaches_the_head(name: str) -> None:
    layers = [module for module in build_shapes(name).modules() if isinstance(module, nn.Linear)]
    assert layers, "the head has to be an nn.Linear, and there is none"
    assert layers[-1].out_features == 10, "the head has to be the last nn.Linear, with an output for each class"


@pytest.mark.parametrize("name", ["googlenet", "xception", "mobilenetv1"])
def test_constructs_and_goes_forward_and_backward(name: str) -> None:
    net = build(name, 10).train()
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(param.grad is not None for param in net.parameters())


def test_shufflenet_deals_each_group_out_over_all_groups() -> None:
    channels = torch.arange(12.0).view(1, 12, 1, 1).expand(1, 12, 2, 2)
    dealt = shuffle(channels, 3)
    assert dealt[0, :, 0, 0].tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    assert torch.equal(shuffle(dealt, 4), channels)


@pytest.mark.parametrize("name", [name for name, spec in MODELS.items() if spec.family == "ShuffleNet"])
def test_shufflenet_convolves_each_channel_alone(name: str) -> None:
    units = [module for module in build_shapes(name).modules() if isinstance(module, Unit)]
    assert len(units) == 16
    for unit in units:
        conv = unit.depthwise[0]
        assert isinstance(conv, nn.Conv2d)
        assert conv.kernel_size == (3, 3)
        assert conv.groups == conv.in_channels == conv.out_channels


@pytest.mark.parametrize("name", ["densenet121", "densenet264"])
def test_densenet_convolves_the_image_before_any_relu(name: str) -> None:
    net = build_shapes(name)
    leaves = [type(module) for module in net.modules() if not list(module.children())]
    assert leaves[:3] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert leaves[-3:] == [nn.BatchNorm2d, nn.ReLU, nn.Linear]
    assert sum(isinstance(module, nn.AvgPool2d) for module in net.modules()) == 3


def test_vit_normalises_the_tokens_before_the_head() -> None:
    net = build("vit_xs", 10)
    assert isinstance(net, ViT)
    with torch.no_grad():
        net.norm.weight.zero_()
        assert torch.equal(net(torch.randn(2, 3, 32, 32)), net.head.bias.expand(2, 10))


@pytest.mark.parametrize("name", ["vgg11_bn", "vgg19_bn"])
def test_vgg_starts_near_chance(name: str) -> None:
    torch.manual_seed(0)
    logits = build(name, 10)(torch.randn(10, 3, 32, 32))
    assert F.cross_entropy(logits, torch.arange(10)).item() == pytest.approx(math.log(10), abs=0.3)


def test_batch_statistics_are_not_used_once_training_is_over() -> None:
    net = build("resnet20", 10).eval()
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(net(images)[:1], net(images[:1]), atol=1e-5)


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    depth = StochasticDepth(0.25).train()
    out = depth(torch.ones(4000, 2, 3, 3))
    per_image = out.flatten(1)
    assert torch.equal(per_image.amin(1), per_image.amax(1))
    assert sorted(set(per_image[:, 0].tolist())) == pytest.approx([0, 4 / 3])
    assert out.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(depth.eval()(out), out)
