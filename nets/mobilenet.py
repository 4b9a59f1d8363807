"""MobileNet, first and second version, for small images.

"MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", Howard, Zhu, Chen, Kalenichenko,
Wang, Weyand, Andreetto, Adam, 2017, arXiv 1704.04861 (Table 1); and "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", Sandler, Howard, Zhu, Zhmoginov, Chen, 2018, arXiv 1801.04381 (Table 2).

Both divide an image's side by 32. For 32 pixels version 1 loses the stride of its stem, which leaves 2×2 at the end,
and version 2 that of its stem and of its second stage, which leaves 4×4. Both cap their ReLU at 6, as the authors'
code does.
"""

from torch import Tensor, nn

from nets.layers import ConvBN, init_weights

V1_STEM = 32
V1_ROWS = (  # output channels, stride
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)

V2_STEM, V2_LAST = 32, 1280
V2_ROWS = (  # expansion, output channels, repeats, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 1),  # stride 2 in the paper
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def depthwise(channels: int, stride: int) -> ConvBN:
    """Return a 3×3 convolution of each channel with itself alone."""
    return ConvBN(channels, channels, 3, stride, groups=channels, act=nn.ReLU6)


class MobileNetV1(nn.Module):
    """Depthwise 3×3 and pointwise 1×1 convolutions in turn, the mean, and one linear layer."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = V1_STEM
        layers: list[nn.Module] = [ConvBN(in_channels, channels, act=nn.ReLU6)]
        for out_channels, stride in V1_ROWS:
            layers += [depthwise(channels, stride), ConvBN(channels, out_channels, 1, act=nn.ReLU6)]
            channels = out_channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(x.mean((2, 3)))


class InvertedResidual(nn.Module):
    """Widen, convolve each channel, narrow without an activation, and add the input where the shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        widen = [ConvBN(in_channels, inner, 1, act=nn.ReLU6)] if expansion != 1 else []
        narrow = ConvBN(inner, out_channels, 1, act=None)
        self.branch = nn.Sequential(*widen, depthwise(inner, stride), narrow)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H / stride, W / stride)."""
        return x + self.branch(x) if self.adds_input else self.branch(x)


class MobileNetV2(nn.Module):
    """Inverted residuals, a last widening to `V2_LAST` channels, the mean, dropout, and one linear layer."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = V2_STEM
        layers: list[nn.Module] = [ConvBN(in_channels, channels, act=nn.ReLU6)]
        for expansion, out_channels, repeats, first_stride in V2_ROWS:
            for index in range(repeats):
                stride = first_stride if index == 0 else 1
                layers.append(InvertedResidual(channels, out_channels, stride, expansion))
                channels = out_channels
        layers.append(ConvBN(channels, V2_LAST, 1, act=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(V2_LAST, num_classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.features(x)
        return self.head(self.dropout(x.mean((2, 3))))


VARIANTS = {"mobilenetv1": MobileNetV1, "mobilenetv2": MobileNetV2}


def mobilenet(variant: str, num_classes: int, in_channels: int) -> MobileNetV1 | MobileNetV2:
    """Build a row of `VARIANTS`."""
    return VARIANTS[variant](num_classes, in_channels)
