"""ShuffleNet, first version, for small images.

"ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", Zhang, Zhou, Lin, Sun, 2017,
arXiv 1707.01083 (Table 1).

For 32 pixels the stem loses its stride and its pooling, so the three stages end on 16, 8 and 4 pixels a side. The wider
variant multiplies the stages' channels and leaves the stem's 24, as the authors' code does.

The last batch norm of a unit that adds its input starts at 0. From 1 the sums pile up: measured on the digits with a
learning rate of 0.1 after 11 steps of warm-up, the first epoch's mean loss was 47 from 1, and 2.3 from 0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets.layers import ConvBN, init_weights, start_from_zero

STEM_CHANNELS = 24
REPEATS = (4, 8, 4)
"""Units in each stage; the first of a stage halves the map."""


@dataclass(frozen=True)
class Variant:
    """A column of the paper's Table 1."""

    groups: int
    """Groups of the pointwise convolutions, the paper's g."""
    width: int
    """Channels of the first stage; each later stage has twice those before."""


VARIANTS = {
    "shufflenetv1_g1": Variant(1, 144),
    "shufflenetv1_g2": Variant(2, 200),
    "shufflenetv1_g3": Variant(3, 240),
    "shufflenetv1_g4": Variant(4, 272),
    "shufflenetv1_g8": Variant(8, 384),
    "shufflenetv1_g3_x1_5": Variant(3, 360),
}


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out over all groups: channel i of group j becomes channel i · groups + j.

    Works on the channels-last view of (B, C, H, W): so a channels-last map comes out as one, where the usual
    transposition of an NCHW view would not keep it.
    """
    nhwc = x.permute(0, 2, 3, 1)
    dealt = nhwc.unflatten(3, (groups, -1)).transpose(3, 4).flatten(3)
    return dealt.permute(0, 3, 1, 2)


class Unit(nn.Module):
    """Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1 (Fig. 2 b, c).

    At stride 1 the input is added. At stride 2 its average pooling is put beside the branch, which therefore
    makes only the channels that are missing.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, groups: int) -> None:
        super().__init__()
        inner = out_channels // 4
        branch_channels = out_channels - in_channels if stride == 2 else out_channels
        # §3.3: the stem's 24 channels are too few to be split
        first_groups = 1 if in_channels == STEM_CHANNELS else groups
        self.groups, self.stride = groups, stride
        self.reduce = ConvBN(in_channels, inner, 1, groups=first_groups)
        self.depthwise = ConvBN(inner, inner, 3, stride, groups=inner, act=None)
        self.expand = ConvBN(inner, branch_channels, 1, groups=groups, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H / stride, W / stride)."""
        branch = shuffle(self.reduce(x), self.groups)
        branch = self.expand(self.depthwise(branch))
        if self.stride == 1:
            return F.relu(x + branch, inplace=True)
        return F.relu(torch.cat((F.avg_pool2d(x, 3, 2, padding=1), branch), 1), inplace=True)


class ShuffleNet(nn.Module):
    """A 3×3 stem, three stages of units, the mean over the last map, and one linear layer."""

    def __init__(self, variant: Variant, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = STEM_CHANNELS
        layers: list[nn.Module] = [ConvBN(in_channels, channels)]
        for stage, repeats in enumerate(REPEATS):
            out_channels = variant.width * 2**stage
            for index in range(repeats):
                layers.append(Unit(channels, out_channels, 2 if index == 0 else 1, variant.groups))
                channels = out_channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)
        for layer in layers:
            if isinstance(layer, Unit) and layer.stride == 1:
                start_from_zero(layer.expand)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(x.mean((2, 3)))


def shufflenet(variant: str, num_classes: int, in_channels: int) -> ShuffleNet:
    """Build a row of `VARIANTS`."""
    return ShuffleNet(VARIANTS[variant], num_classes, in_channels)
