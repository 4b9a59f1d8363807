"""The one table of networks and `build`, which makes one of them. Reading the table must never import torch."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nets.published import PUBLISHED
from nets.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


class UnknownModelError(ValueError):
    """A name that is not in `MODELS`; the message says which names are near."""


def _family(
    family: str,
    *,
    entry: str,
    paper: str,
    authors: str,
    year: int,
    arxiv: str,
    idea: str,
    rows: Iterable[tuple[str, int, int]],
    lr: float | None = None,
) -> list[ModelSpec]:
    """Return the specs of one family; a row is (name, params, flops)."""
    return [
        ModelSpec(
            name=name,
            family=family,
            entry=entry,
            params=params,
            flops=flops,
            paper=paper,
            authors=authors,
            year=year,
            arxiv=arxiv,
            idea=idea,
            published=PUBLISHED.get(name, ()),
            lr=lr,
        )
        for name, params, flops in rows
    ]


def index(specs: Iterable[ModelSpec]) -> dict[str, ModelSpec]:
    """Return the specs by name, in their order.

    Raises:
        ValueError: two specs share a name.
    """
    by_name: dict[str, ModelSpec] = {}
    for spec in specs:
        if spec.name in by_name:
            raise ValueError(f"two networks are called {spec.name!r}")
        by_name[spec.name] = spec
    return by_name


MODELS: dict[str, ModelSpec] = index(
    [
        *_family(
            "DenseNet",
            entry="nets.densenet:densenet",
            paper="Densely Connected Convolutional Networks",
            authors="Gao Huang, Zhuang Liu, Laurens van der Maaten, Kilian Q. Weinberger",
            year=2016,
            arxiv="1608.06993",
            idea="Every layer reads the stacked outputs of all layers before it and adds a few channels of its own. "
            "Features are reused rather than computed again, so a deep net stays small.",
            rows=[
                ("densenet121", 6_956_426, 1_776_701_440),
                ("densenet169", 12_493_450, 2_119_598_592),
                ("densenet201", 18_104_458, 2_727_777_792),
                ("densenet264", 30_667_914, 3_680_948_736),
            ],
        ),
        *_family(
            "EfficientNet",
            entry="nets.efficientnet:efficientnet",
            paper="EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
            authors="Mingxing Tan, Quoc V. Le",
            year=2019,
            arxiv="1905.11946",
            idea="A search under a budget of operations found a base net of gated inverted residuals. Depth, width and "
            "image size then grow together by fixed ratios, which pays more than growing one alone.",
            rows=[("efficientnet_b0", 4_020_358, 232_334_336)],
        ),
        *_family(
            "GoogLeNet",
            entry="nets.googlenet:googlenet",
            paper="Going Deeper with Convolutions",
            authors="Christian Szegedy, Wei Liu, Yangqing Jia, Pierre Sermanet, Scott Reed, Dragomir Anguelov, Dumitru "
            "Erhan, Vincent Vanhoucke, Andrew Rabinovich",
            year=2014,
            arxiv="1409.4842",
            idea="Each module looks at its input at several scales at once and stacks the results. Cheap 1×1 "
            "convolutions narrow the map before the large kernels, so width and depth fit one budget.",
            rows=[("googlenet", 5_983_402, 959_401_984)],
        ),
        *_family(
            "MobileNetV1",
            entry="nets.mobilenet:mobilenet",
            paper="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
            authors="Andrew G. Howard, Menglong Zhu, Bo Chen, Dmitry Kalenichenko, Weijun Wang, Tobias Weyand, Marco "
            "Andreetto, Hartwig Adam",
            year=2017,
            arxiv="1704.04861",
            idea="A convolution is split in two: one filters each channel by itself, the other mixes channels pixel by "
            "pixel. That costs about an eighth of the operations of a full 3×3.",
            rows=[("mobilenetv1", 3_217_226, 92_708_864)],
        ),
        *_family(
            "MobileNetV2",
            entry="nets.mobilenet:mobilenet",
            paper="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
            authors="Mark Sandler, Andrew Howard, Menglong Zhu, Andrey Zhmoginov, Liang-Chieh Chen",
            year=2018,
            arxiv="1801.04381",
            idea="The sums run between narrow maps, and each unit widens its map only to filter it. Its narrow end has "
            "no activation, because a ReLU there would destroy what few channels hold.",
            rows=[("mobilenetv2", 2_236_682, 175_952_896)],
        ),
        *_family(
            "ResNet",
            entry="nets.resnet:resnet",
            paper="Deep Residual Learning for Image Recognition",
            authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
            year=2015,
            arxiv="1512.03385",
            idea="Each unit adds a correction to its input instead of replacing it, so a unit with nothing to add can "
            "stay near zero. Gradients reach the early layers through the sums, and depth stops hurting.",
            rows=[
                ("resnet20", 269_722, 81_102_080),
                ("resnet18", 11_173_962, 1_110_845_440),
                ("resnet34", 21_282_122, 2_318_804_992),
                ("resnet50", 23_520_842, 2_595_659_776),
                ("resnet101", 42_512_970, 5_019_967_488),
                ("resnet152", 58_156_618, 7_444_275_200),
            ],
        ),
        *_family(
            "ResNeXt",
            entry="nets.resnext:resnext",
            paper="Aggregated Residual Transformations for Deep Neural Networks",
            authors="Saining Xie, Ross Girshick, Piotr Dollár, Zhuowen Tu, Kaiming He",
            year=2016,
            arxiv="1611.05431",
            idea="A residual unit's branch is split into many narrow parallel paths of the same shape, whose results "
            "are summed. At equal cost more paths serve better than more depth or more width.",
            rows=[
                ("resnext50_32x4d", 22_992_714, 2_687_934_464),
                ("resnext101_32x4d", 42_141_514, 5_130_067_968),
                ("resnext152_32x4d", 57_915_210, 7_572_201_472),
            ],
        ),
        *_family(
            "SE-ResNet",
            entry="nets.senet:senet",
            paper="Squeeze-and-Excitation Networks",
            authors="Jie Hu, Li Shen, Samuel Albanie, Gang Sun, Enhua Wu",
            year=2017,
            arxiv="1709.01507",
            idea="Each unit averages its channels over the picture and computes from that a gate for every channel. "
            "The net can so turn channels up or down by what the whole image shows, at little cost.",
            rows=[
                ("seresnet18", 11_264_074, 1_111_021_568),
                ("seresnet34", 21_444_866, 2_319_122_432),
                ("seresnet50", 26_051_834, 2_600_689_664),
                ("seresnet101", 47_290_682, 5_029_453_824),
                ("seresnet152", 64_785_658, 7_457_431_552),
            ],
        ),
        *_family(
            "SE-ResNeXt",
            entry="nets.senet:senet",
            paper="Squeeze-and-Excitation Networks",
            authors="Jie Hu, Li Shen, Samuel Albanie, Gang Sun, Enhua Wu",
            year=2017,
            arxiv="1709.01507",
            idea="The channel gates of SENet sit at the end of ResNeXt's branches of many parallel paths. The two "
            "gains add up, since one concerns how channels are made and the other how they are weighed.",
            rows=[
                ("seresnext50_32x4d", 25_523_706, 2_692_964_352),
                ("seresnext101_32x4d", 46_919_226, 5_139_554_304),
            ],
        ),
        *_family(
            "ShuffleNet",
            entry="nets.shufflenet:shufflenet",
            paper="ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
            authors="Xiangyu Zhang, Xinyu Zhou, Mengxiao Lin, Jian Sun",
            year=2017,
            arxiv="1707.01083",
            idea="Even the 1×1 convolutions are split into groups, which makes them cheap but keeps the groups apart. "
            "Shuffling the channels between two of them lets every group hear from all the others.",
            rows=[
                ("shufflenetv1_g1", 960_706, 89_093_376),
                ("shufflenetv1_g2", 940_858, 87_487_104),
                ("shufflenetv1_g3", 914_338, 85_181_184),
                ("shufflenetv1_g4", 890_234, 83_062_016),
                ("shufflenetv1_g8", 913_138, 85_407_744),
                ("shufflenetv1_g3_x1_5", 2_015_578, 186_090_624),
            ],
        ),
        *_family(
            "VGG",
            entry="nets.vgg:vgg",
            paper="Very Deep Convolutional Networks for Large-Scale Image Recognition",
            authors="Karen Simonyan, Andrew Zisserman",
            year=2014,
            arxiv="1409.1556",
            idea="Two 3×3 convolutions in a row see as far as one 5×5 with fewer weights and one more non-linearity. "
            "Nothing but such layers and poolings is stacked, wider each time the map halves.",
            rows=[
                ("vgg11_bn", 28_149_514, 343_359_488),
                ("vgg13_bn", 28_334_410, 494_354_432),
                ("vgg16_bn", 33_646_666, 664_223_744),
                ("vgg19_bn", 38_958_922, 834_093_056),
            ],
        ),
        *_family(
            "ViT",
            entry="nets.vit:vit",
            paper="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
            authors="Alexey Dosovitskiy, Lucas Beyer, Alexander Kolesnikov, Dirk Weissenborn, Xiaohua Zhai, Thomas "
            "Unterthiner, Mostafa Dehghani, Matthias Minderer, Georg Heigold, Sylvain Gelly, Jakob Uszkoreit, "
            "Neil Houlsby",
            year=2020,
            arxiv="2010.11929",
            idea="The image is cut into patches, and a transformer reads them as it would the words of a sentence. It "
            "assumes almost nothing about pictures, so it needs more data than a convolutional net to do as well.",
            rows=[
                ("vit_xs", 2_693_578, 365_699_328),
                ("vit_s", 14_244_490, 1_894_534_656),
                ("vit_b", 85_152_010, 11_201_989_632),
                ("vit_l", 302_439_434, 39_680_331_776),
                ("vit_h", 629_840_650, 82_489_041_920),
            ],
            lr=0.01,  # within the range of the paper's own SGD on CIFAR, 0.001 to 0.03 (Table 4)
        ),
        *_family(
            "Xception",
            entry="nets.xception:xception",
            paper="Xception: Deep Learning with Depthwise Separable Convolutions",
            authors="François Chollet",
            year=2016,
            arxiv="1610.02357",
            idea="If space and channels can be looked at apart, as Inception half does, they may be looked at wholly "
            "apart. Every convolution is separable, in a plain stack with residual sums.",
            rows=[("xception", 20_827_442, 2_719_311_872)],
        ),
    ]
)
"""Every network by name; families in alphabetical order."""


def build(name: str, num_classes: int, *, in_channels: int = 3) -> nn.Module:
    """Build a freshly initialised network; the first call of a family imports torch.

    Args:
        name: A key of `MODELS`.
        num_classes: Width of the logits, 1 or more.
        in_channels: Channels of the images, 1 or more.

    Returns:
        A module that maps float images (B, in_channels, H, W), meant for H = W = 32, to logits (B, num_classes).

    Raises:
        UnknownModelError: `MODELS` has no such name.
        ValueError: `num_classes` or `in_channels` is below 1.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(MODELS)}."
        raise UnknownModelError(f"There is no network called {name!r}; {hint}")
    if num_classes < 1 or in_channels < 1:
        raise ValueError(
            f"A network needs at least one class and one channel, not num_classes={num_classes} "
            f"and in_channels={in_channels}."
        )
    module, function = MODELS[name].entry.split(":")
    return getattr(importlib.import_module(module), function)(name, num_classes, in_channels)
