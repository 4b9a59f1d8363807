"""DenseNet-BC for small images.

"Densely Connected Convolutional Networks", Huang, Liu, van der Maaten, Weinberger, 2016, arXiv 1608.06993 (Table 1,
growth rate 32).

For 32 pixels the 7×7/2 stem and its pooling become one 3×3/1 convolution, so the four blocks see 32, 16, 8 and 4
pixels a side. As in the paper there are three transitions: none after the last block.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nets.layers import ConvBN, init_weights

GROWTH = 32
"""Channels each layer adds, the paper's k."""
BOTTLENECK = 4 * GROWTH
"""Channels between a layer's two convolutions (§3, bottleneck layers)."""
STEM_CHANNELS = 2 * GROWTH

VARIANTS = {  # layers in each block
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
    "densenet264": (6, 12, 64, 48),
}


def norm_relu_conv(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """Return the paper's composite function: batch norm and ReLU come before the convolution."""
    return [
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
    ]


class DenseLayer(nn.Module):
    """Append `GROWTH` new channels, computed from all channels so far, to them."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.new = nn.Sequential(*norm_relu_conv(in_channels, BOTTLENECK, 1), *norm_relu_conv(BOTTLENECK, GROWTH, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C + GROWTH, H, W)."""
        return torch.cat((x, self.new(x)), 1)


class DenseNet(nn.Module):
    """Dense blocks with halving transitions between, a last batch norm and ReLU, the mean, and one linear layer."""

    def __init__(self, depths: Sequence[int], num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBN(in_channels, STEM_CHANNELS)]
        channels = STEM_CHANNELS
        for block, depth in enumerate(depths):
            if block > 0:
                layers += [*norm_relu_conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
                channels //= 2
            for _ in range(depth):
                layers.append(DenseLayer(channels))
                channels += GROWTH
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(x.mean((2, 3)))


def densenet(variant: str, num_classes: int, in_channels: int) -> DenseNet:
    """Build a row of `VARIANTS`."""
    return DenseNet(VARIANTS[variant], num_classes, in_channels)
