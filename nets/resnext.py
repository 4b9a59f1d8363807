"""ResNeXt for small images.

"Aggregated Residual Transformations for Deep Neural Networks", Xie, Girshick, Dollár, Tu, He, 2016, arXiv 1611.05431
(Table 1, 32×4d). For 32 pixels the stem is ResNet's: one 3×3/1 convolution, so the stages see 32, 16, 8 and 4.
"""

from functools import partial

from nets.resnet import ResNet, Variant, bottleneck

aggregated = partial(bottleneck, groups=32, group_width=4)
"""The bottleneck whose 3×3 is 32 parallel convolutions, 4 channels wide in the first stage."""

VARIANTS = {
    "resnext50_32x4d": Variant(aggregated, (3, 4, 6, 3)),
    "resnext101_32x4d": Variant(aggregated, (3, 4, 23, 3)),
    "resnext152_32x4d": Variant(aggregated, (3, 8, 36, 3)),
}


def resnext(variant: str, num_classes: int, in_channels: int) -> ResNet:
    """Build a row of `VARIANTS`."""
    return ResNet(VARIANTS[variant], num_classes, in_channels)
