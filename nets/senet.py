"""SE-ResNet and SE-ResNeXt for small images.

"Squeeze-and-Excitation Networks", Hu, Shen, Albanie, Sun, Wu, 2017, arXiv 1709.01507 (Fig. 3, Table 1). For 32 pixels
the stem is ResNet's: one 3×3/1 convolution, so the stages see 32, 16, 8 and 4 pixels a side.
"""

from nets.layers import SqueezeExcite
from nets.resnet import Block, Residual, ResNet, Variant, basic, bottleneck
from nets.resnext import aggregated

REDUCTION = 16
"""The paper's r (§6.1), channels of a unit to hidden channels of its gate."""
MIN_SQUEEZED = 8
"""Hidden channels at the least, so that the gate of a 64-channel unit has 8, not 4 (as in timm)."""


def gated(block: Block) -> Block:
    """Return `block` with a gate at the end of the branch, before the sum."""

    def gated_block(in_channels: int, width: int, stride: int) -> Residual:
        unit = block(in_channels, width, stride)
        squeezed = max(MIN_SQUEEZED, unit.out_channels // REDUCTION)
        unit.branch.append(SqueezeExcite(unit.out_channels, squeezed))
        return unit

    return gated_block


VARIANTS = {
    "seresnet18": Variant(gated(basic), (2, 2, 2, 2)),
    "seresnet34": Variant(gated(basic), (3, 4, 6, 3)),
    "seresnet50": Variant(gated(bottleneck), (3, 4, 6, 3)),
    "seresnet101": Variant(gated(bottleneck), (3, 4, 23, 3)),
    "seresnet152": Variant(gated(bottleneck), (3, 8, 36, 3)),
    "seresnext50_32x4d": Variant(gated(aggregated), (3, 4, 6, 3)),
    "seresnext101_32x4d": Variant(gated(aggregated), (3, 4, 23, 3)),
}


def senet(variant: str, num_classes: int, in_channels: int) -> ResNet:
    """Build a row of `VARIANTS`."""
    return ResNet(VARIANTS[variant], num_classes, in_channels)
