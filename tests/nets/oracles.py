"""Independent implementations of the networks, brought to the 32-pixel form.

torchvision's and timm's, patched, and transcriptions of a paper's table where neither has the network.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import timm
import torch
import torch.nn.functional as F
import torchvision.models as tv
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models.densenet import DenseNet as TorchvisionDenseNet
from torchvision.models.googlenet import BasicConv2d
from torchvision.models.resnet import Bottleneck

from nets import build, vit

NUM_CLASSES = 10
REDUCED_DEPTH = {"vit_l": 2, "vit_h": 2}
"""Blocks kept of a transformer that is too large to hold twice in float64."""


class TranscribedResNet20(nn.Module):
    """He et al. 2015, §4.2 with n = 3 and option A, written out layer by layer over one flat list."""

    def __init__(self) -> None:
        super().__init__()
        widths = [16] * 7 + [32] * 6 + [64] * 6
        self.layers = nn.ModuleList()
        for before, after in zip([3, *widths[:-1]], widths, strict=True):
            stride = 2 if after == 2 * before else 1
            self.layers.append(nn.Conv2d(before, after, 3, stride, padding=1, bias=False))
            self.layers.append(nn.BatchNorm2d(after))
        self.fc = nn.Linear(64, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.layers[1](self.layers[0](x)))
        for first in range(2, 38, 4):
            conv1, bn1, conv2, bn2 = self.layers[first : first + 4]
            y = bn2(conv2(F.relu(bn1(conv1(x)))))
            if y.shape[1] != x.shape[1]:
                every_second = F.max_pool2d(x, kernel_size=1, stride=2)
                zeros = torch.zeros_like(every_second[:, ::2])
                x = torch.cat([zeros, every_second, zeros], dim=1)
            x = F.relu(x + y)
        return self.fc(F.avg_pool2d(x, 8).flatten(1))


class TranscribedShuffleNet(nn.Module):
    """Zhang et al. 2017, Table 1 without the stem's strides, read row by row; the shuffle is a list of channels."""

    def __init__(self, groups: int, stage_channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.groups = groups
        self.stem = nn.ModuleList([nn.Conv2d(3, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24)])
        self.units = nn.ModuleList()
        before = 24
        for stage, (channels, num_units) in enumerate(zip(stage_channels, (4, 8, 4), strict=True)):
            for index in range(num_units):
                made = channels - before if index == 0 else channels
                middle = channels // 4
                ungrouped = stage == 0 and index == 0
                self.units.append(
                    nn.ModuleList(
                        [
                            nn.Conv2d(before, middle, 1, groups=1 if ungrouped else groups, bias=False),
                            nn.BatchNorm2d(middle),
                            nn.Conv2d(middle, middle, 3, 2 if index == 0 else 1, 1, groups=middle, bias=False),
                            nn.BatchNorm2d(middle),
                            nn.Conv2d(middle, made, 1, groups=groups, bias=False),
                            nn.BatchNorm2d(made),
                        ]
                    )
                )
                before = channels
        self.fc = nn.Linear(before, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        conv, bn = self.stem
        x = F.relu(bn(conv(x)))
        for conv1, bn1, conv2, bn2, conv3, bn3 in self.units:  # pyright: ignore[reportGeneralTypeIssues]
            y = F.relu(bn1(conv1(x)))
            size = y.shape[1] // self.groups
            y = y[:, [group * size + place for place in range(size) for group in range(self.groups)]]
            y = bn3(conv3(bn2(conv2(y))))
            halves = conv2.stride == (2, 2)
            x = F.relu(torch.cat([F.avg_pool2d(x, 3, stride=2, padding=1), y], dim=1) if halves else x + y)
        return self.fc(F.avg_pool2d(x, 4).flatten(1))


def small_stem(net: Any) -> nn.Module:
    """Give torchvision's or timm's ResNet, of whichever sort, the 3×3/1 stem and no first pooling."""
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net


def resnext(*depths: int) -> nn.Module:
    net = tv.ResNet(Bottleneck, list(depths), num_classes=NUM_CLASSES, groups=32, width_per_group=4)
    return small_stem(net)


def timm_resnet(name: str) -> nn.Module:
    return small_stem(timm.create_model(name, num_classes=NUM_CLASSES))


def densenet(*depths: int) -> nn.Module:
    net: Any = TorchvisionDenseNet(block_config=depths, num_classes=NUM_CLASSES)  # pyright: ignore[reportArgumentType]
    net.features.conv0 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.features.pool0 = nn.Identity()
    return net


def googlenet() -> nn.Module:
    """Return torchvision's GoogLeNet, whose third branch has a 3×3 where the paper's has a 5×5."""
    net: Any = tv.GoogLeNet(NUM_CLASSES, aux_logits=False, init_weights=False, dropout=0.4)
    net.conv1 = BasicConv2d(3, 64, kernel_size=3, padding=1)
    net.maxpool1 = nn.Identity()
    for name, module in net.named_children():
        if name.startswith("inception"):
            conv = module.branch3[1].conv
            module.branch3[1] = BasicConv2d(conv.in_channels, conv.out_channels, kernel_size=5, padding=2)
    return net


def mobilenetv1() -> nn.Module:
    net: Any = timm.create_model("mobilenetv1_100", num_classes=NUM_CLASSES)
    net.conv_stem.stride = (1, 1)
    return net


def mobilenetv2() -> nn.Module:
    net: Any = tv.mobilenet_v2(num_classes=NUM_CLASSES)
    net.features[0][0].stride = (1, 1)
    net.features[2].conv[1][0].stride = (1, 1)
    return net


def efficientnet() -> nn.Module:
    net: Any = tv.efficientnet_b0(num_classes=NUM_CLASSES)
    net.features[0][0].stride = (1, 1)
    net.features[2][0].block[1][0].stride = (1, 1)
    return net


def xception() -> nn.Module:
    net: Any = timm.create_model("legacy_xception", num_classes=NUM_CLASSES)
    net.conv1.stride = net.conv1.padding = net.conv2.padding = (1, 1)
    net.block1.skip.stride = (1, 1)
    net.block1.rep = net.block1.rep[:-1]  # the pooling that halved the map
    return net


def vgg(make: Callable[..., tv.VGG]) -> nn.Module:
    """Return torchvision's VGG with a first linear layer that reads a 1×1 map."""
    net: Any = make(num_classes=NUM_CLASSES)
    net.avgpool = nn.Identity()
    net.classifier[0] = nn.Linear(512, 4096)
    return net


def transformer(dim: int, depth: int, heads: int) -> nn.Module:
    return VisionTransformer(
        img_size=32, patch_size=4, num_classes=NUM_CLASSES, embed_dim=dim, depth=depth, num_heads=heads
    )


ORACLES: dict[str, Callable[[], nn.Module]] = {
    "densenet121": lambda: densenet(6, 12, 24, 16),
    "densenet169": lambda: densenet(6, 12, 32, 32),
    "densenet201": lambda: densenet(6, 12, 48, 32),
    "densenet264": lambda: densenet(6, 12, 64, 48),
    "efficientnet_b0": efficientnet,
    "googlenet": googlenet,
    "mobilenetv1": mobilenetv1,
    "mobilenetv2": mobilenetv2,
    "resnet20": TranscribedResNet20,
    "resnet18": lambda: small_stem(tv.resnet18(num_classes=NUM_CLASSES)),
    "resnet34": lambda: small_stem(tv.resnet34(num_classes=NUM_CLASSES)),
    "resnet50": lambda: small_stem(tv.resnet50(num_classes=NUM_CLASSES)),
    "resnet101": lambda: small_stem(tv.resnet101(num_classes=NUM_CLASSES)),
    "resnet152": lambda: small_stem(tv.resnet152(num_classes=NUM_CLASSES)),
    "resnext50_32x4d": lambda: resnext(3, 4, 6, 3),
    "resnext101_32x4d": lambda: resnext(3, 4, 23, 3),
    "resnext152_32x4d": lambda: resnext(3, 8, 36, 3),
    "seresnet18": lambda: timm_resnet("seresnet18"),
    "seresnet34": lambda: timm_resnet("seresnet34"),
    "seresnet50": lambda: timm_resnet("seresnet50"),
    "seresnet101": lambda: timm_resnet("seresnet101"),
    "seresnet152": lambda: timm_resnet("seresnet152"),
    "seresnext50_32x4d": lambda: timm_resnet("seresnext50_32x4d"),
    "seresnext101_32x4d": lambda: timm_resnet("seresnext101_32x4d"),
    "shufflenetv1_g8": lambda: TranscribedShuffleNet(8, (384, 768, 1536)),
    "shufflenetv1_g4": lambda: TranscribedShuffleNet(4, (272, 544, 1088)),
    "shufflenetv1_g3": lambda: TranscribedShuffleNet(3, (240, 480, 960)),
    "shufflenetv1_g2": lambda: TranscribedShuffleNet(2, (200, 400, 800)),
    "shufflenetv1_g1": lambda: TranscribedShuffleNet(1, (144, 288, 576)),
    "shufflenetv1_g3_x1_5": lambda: TranscribedShuffleNet(3, (360, 720, 1440)),
    "vgg11_bn": lambda: vgg(tv.vgg11_bn),
    "vgg13_bn": lambda: vgg(tv.vgg13_bn),
    "vgg16_bn": lambda: vgg(tv.vgg16_bn),
    "vgg19_bn": lambda: vgg(tv.vgg19_bn),
    "vit_xs": lambda: transformer(192, 6, 3),
    "vit_s": lambda: transformer(384, 8, 6),
    "vit_b": lambda: transformer(768, 12, 12),
    "vit_l": lambda: transformer(1024, REDUCED_DEPTH["vit_l"], 16),
    "vit_h": lambda: transformer(1280, REDUCED_DEPTH["vit_h"], 16),
    "xception": xception,
}
"""By name of our network: a function that makes its oracle with `NUM_CLASSES` classes."""


def build_ours(name: str) -> nn.Module:
    """Build our network, at `REDUCED_DEPTH` where its oracle has that."""
    if name in REDUCED_DEPTH:
        variant = dataclasses.replace(vit.VARIANTS[name], depth=REDUCED_DEPTH[name])
        return vit.ViT(variant, NUM_CLASSES, in_channels=3)
    return build(name, NUM_CLASSES)
