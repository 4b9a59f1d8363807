"""GoogLeNet, with batch norm, for small images.

"Going Deeper with Convolutions", Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, 2014,
arXiv 1409.4842 (Table 1). Batch norm (2015, arXiv 1502.03167) replaces its response normalisation and does the work of
its two auxiliary classifiers, which are left out.

For 32 pixels the 7×7/2 stem and its pooling become one 3×3/1 convolution, so the three groups of modules see 16, 8 and
4 pixels a side. The last pooling is 2×2, as in Google's later code and in torchvision, not 3×3, and reads a pixel once.
"""

import torch
from torch import Tensor, nn

from nets.layers import ConvBN, init_weights

Row = tuple[int, int, int, int, int, int]
"""One row of Table 1: 1×1 · 3×3 reduce, 3×3 · 5×5 reduce, 5×5 · pool projection."""

MODULES: tuple[tuple[Row, ...], ...] = (
    (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
    ),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    (
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    ),
)
VARIANTS = {"googlenet": MODULES}


class Inception(nn.Module):
    """Look at one map four ways, 1×1, 3×3, 5×5 and pooled, and stack the answers as channels."""

    def __init__(self, in_channels: int, row: Row) -> None:
        super().__init__()
        one, reduce_three, three, reduce_five, five, pooled = row
        self.one = ConvBN(in_channels, one, 1)
        self.three = nn.Sequential(ConvBN(in_channels, reduce_three, 1), ConvBN(reduce_three, three, 3))
        self.five = nn.Sequential(ConvBN(in_channels, reduce_five, 1), ConvBN(reduce_five, five, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvBN(in_channels, pooled, 1))
        self.out_channels = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, out_channels, H, W)."""
        return torch.cat((self.one(x), self.three(x), self.five(x), self.pooled(x)), 1)


class GoogLeNet(nn.Module):
    """A three-convolution stem, nine Inception modules in three groups, the mean, dropout, and one linear layer."""

    def __init__(self, groups: tuple[tuple[Row, ...], ...], num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = 192
        layers: list[nn.Module] = [ConvBN(in_channels, 64), ConvBN(64, 64, 1), ConvBN(64, channels)]
        for group, rows in enumerate(groups):
            layers.append(nn.MaxPool2d(2 if group == len(groups) - 1 else 3, 2, ceil_mode=True))
            for row in rows:
                module = Inception(channels, row)
                layers.append(module)
                channels = module.out_channels
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.4)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(self.dropout(x.mean((2, 3))))


def googlenet(variant: str, num_classes: int, in_channels: int) -> GoogLeNet:
    """Build a row of `VARIANTS`."""
    return GoogLeNet(VARIANTS[variant], num_classes, in_channels)
