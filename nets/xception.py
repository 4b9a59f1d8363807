"""Xception for small images.

"Xception: Deep Learning with Depthwise Separable Convolutions", Chollet, 2016, arXiv 1610.02357 (Fig. 5).

The paper divides an image's side by 32. For 32 pixels the stem and the first block lose their strides and the stem is
padded, so the middle flow sees 8×8 and the exit ends on 4×4. No convolution has a bias: batch norm follows each. A
block's first ReLU is never in place, since its shortcut reads the same input.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from nets.layers import ConvBN, init_weights

STEM = (32, 64)
EXIT = (1536, 2048)


@dataclass(frozen=True)
class Row:
    """One block: separable convolutions with a shortcut round them."""

    widths: tuple[int, ...]
    """Output channels of each convolution."""
    stride: int = 1
    """Of the pooling at the branch's end and of the shortcut."""
    starts_with_relu: bool = True
    """False where the input is already rectified."""


ROWS = (
    Row((128, 128), stride=1, starts_with_relu=False),  # stride 2 in the paper
    Row((256, 256), stride=2),
    Row((728, 728), stride=2),
    *[Row((728, 728, 728))] * 8,
    Row((728, 1024), stride=2),
)
VARIANTS = {"xception": ROWS}


def separable(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return a 3×3 convolution of each channel alone, a 1×1 over the channels, and a batch norm."""
    return [
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]


class Block(nn.Module):
    """Compute branch(x) + shortcut(x), with a ReLU before each of the branch's convolutions."""

    def __init__(self, in_channels: int, row: Row) -> None:
        super().__init__()
        self.out_channels = row.widths[-1]
        keeps_shape = row.stride == 1 and in_channels == self.out_channels
        self.shortcut = (
            nn.Identity() if keeps_shape else ConvBN(in_channels, self.out_channels, 1, row.stride, act=None)
        )
        layers: list[nn.Module] = []
        channels = in_channels
        for index, width in enumerate(row.widths):
            if index > 0 or row.starts_with_relu:
                layers.append(nn.ReLU(inplace=index > 0))
            layers += separable(channels, width)
            channels = width
        if row.stride > 1:
            layers.append(nn.MaxPool2d(3, row.stride, padding=1))
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, out_channels, H / stride, W / stride)."""
        return self.branch(x) + self.shortcut(x)


class Xception(nn.Module):
    """A stem, blocks (the paper's entry, middle and exit flow), two last convolutions, the mean, one linear layer."""

    def __init__(self, rows: tuple[Row, ...], num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBN(in_channels, STEM[0]), ConvBN(STEM[0], STEM[1])]
        channels = STEM[1]
        for row in rows:
            block = Block(channels, row)
            layers.append(block)
            channels = block.out_channels
        for width in EXIT:
            layers += [*separable(channels, width), nn.ReLU(inplace=True)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(x.mean((2, 3)))


def xception(variant: str, num_classes: int, in_channels: int) -> Xception:
    """Build a row of `VARIANTS`."""
    return Xception(VARIANTS[variant], num_classes, in_channels)
