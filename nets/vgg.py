"""VGG, with batch norm, for small images.

"Very Deep Convolutional Networks for Large-Scale Image Recognition", Simonyan, Zisserman, 2014, arXiv 1409.1556
(Table 1, columns A, B, D, E). Batch norm (2015, arXiv 1502.03167) is a later addition of everybody's.

Five poolings take 32 pixels to one, so the first linear layer reads 512 values, not the 25,088 of a 7×7 map.
Larger images are averaged to one pixel before it; smaller ones are refused.
"""

from torch import Tensor, nn

from nets.layers import ConvBN, init_weights

NUM_POOLINGS = 5
MIN_SIZE = 2**NUM_POOLINGS
"""Pixels a side below which a pooling would have nothing left to halve."""
WIDTHS = (64, 128, 256, 512, 512)
HIDDEN = 4096

VARIANTS = {  # convolutions before each pooling
    "vgg11_bn": (1, 1, 2, 2, 2),
    "vgg13_bn": (2, 2, 2, 2, 2),
    "vgg16_bn": (2, 2, 3, 3, 3),
    "vgg19_bn": (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """Plain 3×3 convolutions in five stages, each ended by a 2×2 max pooling, then three linear layers.

    The convolutions keep their bias though batch norm makes it idle, so that the parameter counts are the known ones.
    """

    def __init__(self, depths: tuple[int, ...], num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for width, depth in zip(WIDTHS, depths, strict=True):
            for _ in range(depth):
                layers.append(ConvBN(channels, width, bias=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(channels, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(HIDDEN, num_classes),
        )
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes).

        Raises:
            ValueError: an image has a side shorter than `MIN_SIZE`.
        """
        height, width = x.shape[-2:]
        if height < MIN_SIZE or width < MIN_SIZE:
            raise ValueError(
                f"VGG halves its image {NUM_POOLINGS} times and cannot read one of {height}×{width} pixels: "
                f"resize it to {MIN_SIZE}×{MIN_SIZE} or more, or choose another net."
            )
        x = self.features(x)
        return self.head(x.mean((2, 3)))


def vgg(variant: str, num_classes: int, in_channels: int) -> VGG:
    """Build a row of `VARIANTS`."""
    return VGG(VARIANTS[variant], num_classes, in_channels)
