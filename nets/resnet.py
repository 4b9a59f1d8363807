"""ResNet for small images.

"Deep Residual Learning for Image Recognition", He, Zhang, Ren, Sun, 2015, arXiv 1512.03385.

For 32 pixels the 7×7/2 stem and its pooling, which would leave 8×8 before the first unit, become one 3×3/1
convolution, so the four stages see 32, 16, 8 and 4 pixels a side. resnet20 is the paper's own CIFAR form (§4.2).

The last batch norm of a basic unit starts at 1: measured on 8 epochs of the digits, resnet20 from 0 stays at 18 %
validation accuracy and a loss of 2.29, from 1 it reaches 86 % and 0.80. That of a bottleneck starts at 0: its sums grow
with the depth, and the four times wider map they end on makes the head's first steps too long. Measured with
resnext50_32x4d on 2,500 images of CIFAR-10, batches of 16, 282 steps: from 1 the loss rises to 9 and ends at 2.28 with
13 % validation accuracy, from 0 at 1.93 with 25 %.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from nets.layers import ConvBN, init_weights, start_from_zero


class Residual(nn.Module):
    """Compute ReLU(branch(x) + shortcut(x)); the unit of ResNet, ResNeXt and SENet.

    Attributes:
        starts_from_zero: Whether the last batch norm of the branch shall start at 0.
    """

    def __init__(
        self, branch: nn.Sequential, shortcut: nn.Module, out_channels: int, *, starts_from_zero: bool = False
    ) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.out_channels = out_channels
        self.starts_from_zero = starts_from_zero

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, out_channels, H / stride, W / stride)."""
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


class PaddedShortcut(nn.Module):
    """The paper's parameter-free option A: take every second pixel, and fill the new channels with zeros."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        before = (out_channels - in_channels) // 2
        self.channel_pad = (0, 0, 0, 0, before, out_channels - in_channels - before)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H / stride, W / stride)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.channel_pad)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the paper's option B: the identity where shapes agree, else a 1×1 convolution."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return ConvBN(in_channels, out_channels, 1, stride, act=None)


Block = Callable[[int, int, int], Residual]
"""Makes one residual unit from (in_channels, width, stride)."""


def basic(
    in_channels: int, width: int, stride: int, *, shortcut: Callable[[int, int, int], nn.Module] = projection
) -> Residual:
    """Return the two-convolution unit (the paper's Fig. 5, left)."""
    branch = nn.Sequential(ConvBN(in_channels, width, 3, stride), ConvBN(width, width, 3, act=None))
    return Residual(branch, shortcut(in_channels, width, stride), width)


def bottleneck(in_channels: int, width: int, stride: int, *, groups: int = 1, group_width: int = 64) -> Residual:
    """Return the 1×1, 3×3, 1×1 unit (the paper's Fig. 5, right), widening to 4 × `width`.

    The stride is on the 3×3, not on the first 1×1 as in the paper, so that no pixel is skipped unread: the form of
    every current library. `groups` and `group_width` are ResNeXt's; at 1 and 64 the inner width is `width`.
    """
    inner, out_channels = width * group_width // 64 * groups, 4 * width
    branch = nn.Sequential(
        ConvBN(in_channels, inner, 1),
        ConvBN(inner, inner, 3, stride, groups=groups),
        ConvBN(inner, out_channels, 1, act=None),
    )
    return Residual(branch, projection(in_channels, out_channels, stride), out_channels, starts_from_zero=True)


@dataclass(frozen=True)
class Variant:
    """A row of a residual family's table."""

    block: Block
    depths: Sequence[int]
    """Units in each stage."""
    widths: Sequence[int] = (64, 128, 256, 512)
    """Width of each stage; the stem has the first."""


VARIANTS = {
    "resnet20": Variant(partial(basic, shortcut=PaddedShortcut), (3, 3, 3), (16, 32, 64)),
    "resnet18": Variant(basic, (2, 2, 2, 2)),
    "resnet34": Variant(basic, (3, 4, 6, 3)),
    "resnet50": Variant(bottleneck, (3, 4, 6, 3)),
    "resnet101": Variant(bottleneck, (3, 4, 23, 3)),
    "resnet152": Variant(bottleneck, (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """A 3×3 stem, stages of residual units, the mean over the last map, and one linear layer."""

    def __init__(self, variant: Variant, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = variant.widths[0]
        self.stem = ConvBN(in_channels, channels)
        units: list[Residual] = []
        for stage, (width, depth) in enumerate(zip(variant.widths, variant.depths, strict=True)):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                units.append(variant.block(channels, width, stride))
                channels = units[-1].out_channels
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)
        for unit in units:
            if unit.starts_from_zero:
                start_from_zero(unit.branch)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.stem(x)
        x = self.units(x)
        return self.head(x.mean((2, 3)))


def resnet(variant: str, num_classes: int, in_channels: int) -> ResNet:
    """Build a row of `VARIANTS`."""
    return ResNet(VARIANTS[variant], num_classes, in_channels)
