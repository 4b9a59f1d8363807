"""EfficientNet-B0 for small images.

"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan, Le, 2019, arXiv 1905.11946 (Table 1).

The paper divides an image's side by 32. For 32 pixels the stem and the second stage lose their strides, so the last map
is 4×4. The head starts by the count of its inputs: torchvision's, by that of its outputs, costs 3.73 at 10 classes.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from nets.layers import ConvBN, SqueezeExcite, init_weights

STEM_CHANNELS, LAST_CHANNELS = 32, 1280
DROP_BRANCH = 0.2
"""Chance that the last unit's branch is left out; it falls linearly to 0 at the first unit (survival 0.8, §5.2)."""


@dataclass(frozen=True)
class Row:
    """One stage of the paper's Table 1."""

    expansion: int
    kernel: int
    stride: int
    """Of the stage's first unit."""
    out_channels: int
    repeats: int


ROWS = (
    Row(1, 3, 1, 16, 1),
    Row(6, 3, 1, 24, 2),  # stride 2 in the paper
    Row(6, 5, 2, 40, 2),
    Row(6, 3, 2, 80, 3),
    Row(6, 5, 1, 112, 3),
    Row(6, 5, 2, 192, 4),
    Row(6, 3, 1, 320, 1),
)
VARIANTS = {"efficientnet_b0": ROWS}


class StochasticDepth(nn.Module):
    """In training, zero whole samples with chance `p` and scale the rest by 1 / (1 - p) (arXiv 1603.09382)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        if not self.training or self.p == 0:
            return x
        return x * F.dropout(x.new_ones(len(x), 1, 1, 1), self.p)


class MBConv(nn.Module):
    """Widen, convolve each channel, gate, narrow without an activation, and add the input where the shapes agree."""

    def __init__(self, in_channels: int, row: Row, stride: int, drop_branch: float) -> None:
        super().__init__()
        inner = in_channels * row.expansion
        layers: list[nn.Module] = []
        if row.expansion != 1:
            layers.append(ConvBN(in_channels, inner, 1, act=nn.SiLU))
        layers += [
            ConvBN(inner, inner, row.kernel, stride, groups=inner, act=nn.SiLU),
            SqueezeExcite(inner, in_channels // 4, nn.SiLU),
            ConvBN(inner, row.out_channels, 1, act=None),
        ]
        self.adds_input = stride == 1 and in_channels == row.out_channels
        if self.adds_input:
            layers.append(StochasticDepth(drop_branch))
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H / stride, W / stride)."""
        return x + self.branch(x) if self.adds_input else self.branch(x)


class EfficientNet(nn.Module):
    """A 3×3 stem, seven stages, a last widening to `LAST_CHANNELS`, the mean, dropout, and one linear layer."""

    def __init__(self, rows: tuple[Row, ...], num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = STEM_CHANNELS
        layers: list[nn.Module] = [ConvBN(in_channels, channels, act=nn.SiLU)]
        num_units, unit = sum(row.repeats for row in rows), 0
        for row in rows:
            for index in range(row.repeats):
                stride = row.stride if index == 0 else 1
                layers.append(MBConv(channels, row, stride, DROP_BRANCH * unit / num_units))
                channels, unit = row.out_channels, unit + 1
        layers.append(ConvBN(channels, LAST_CHANNELS, 1, act=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(LAST_CHANNELS, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(self.dropout(x.mean((2, 3))))


def efficientnet(variant: str, num_classes: int, in_channels: int) -> EfficientNet:
    """Build a row of `VARIANTS`."""
    return EfficientNet(VARIANTS[variant], num_classes, in_channels)
