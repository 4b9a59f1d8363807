"""The accuracies others have published for these networks on CIFAR: what a run of ours is set beside. No torch."""

from nets.spec import Published, Source


def _row(
    source: Source, c10: float | None, c100: float | None, top5: float | None = None, note: str | None = None
) -> tuple[Published, ...]:
    """Return the records of one source: CIFAR-10 top-1, CIFAR-100 top-1 and top-5; None where it gives none."""
    found = []
    if c10 is not None:
        found.append(Published(dataset="cifar10", top1=c10, top5=None, source=source, note=note))
    if c100 is not None:
        found.append(Published(dataset="cifar100", top1=c100, top5=top5, source=source, note=note))
    return tuple(found)


LATER = "from the seed's later table"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "densenet121": _row("seed", 0.9050, 0.7057, 0.8973) + _row("peer", 0.9504, 0.7701),
    "densenet169": _row("seed", 0.9100, 0.7137, 0.9012),
    "densenet201": _row("seed", 0.9124, 0.7148, 0.9004) + _row("peer", None, 0.7854),
    "densenet264": _row("seed", 0.9089, 0.7060, 0.9001),
    "efficientnet_b0": _row("seed", 0.9254, 0.7305, 0.9311, LATER),
    "googlenet": _row("seed", 0.9072, 0.6843, 0.8868) + _row("peer", None, 0.7803),
    "mobilenetv1": _row("seed", 0.8044, 0.5172, 0.8007) + _row("peer", None, 0.6598),
    "mobilenetv2": _row("seed", 0.8522, 0.5385, 0.8271, LATER) + _row("peer", 0.9443, 0.6808),
    "resnet18": _row("seed", 0.9034, 0.6904, 0.8883) + _row("peer", 0.9302, 0.7561),
    "resnet34": _row("seed", 0.9072, 0.7016, 0.8941) + _row("peer", None, 0.7676),
    "resnet50": _row("seed", 0.9053, 0.7063, 0.8962) + _row("peer", 0.9362, 0.7739),
    "resnet101": _row("seed", 0.9013, 0.7098, 0.8950) + _row("peer", 0.9375, 0.7778),
    "resnet152": _row("seed", 0.9037, 0.7070, 0.8983) + _row("peer", None, 0.7769),
    "resnext50_32x4d": (
        _row("seed", 0.9035, 0.7225, 0.9015)
        + _row("peer", 0.9473, None, note="by a ResNeXt of 29 layers, not 50")
        + _row("peer", None, 0.7777)
    ),
    "resnext101_32x4d": _row("seed", 0.9062, 0.7231, 0.9035) + _row("peer", None, 0.7778),
    "resnext152_32x4d": _row("seed", 0.9094, 0.7245, 0.9056) + _row("peer", None, 0.7760),
    "seresnet18": _row("seed", 0.9428, 0.7544, note=LATER) + _row("peer", None, 0.7644),
    "seresnet34": _row("seed", 0.9465, 0.7746, note=LATER) + _row("peer", None, 0.7793),
    "seresnet50": _row("seed", 0.9512, 0.7842, note=LATER) + _row("peer", None, 0.7858),
    "seresnet101": _row("seed", 0.9508, 0.7848, note=LATER) + _row("peer", None, 0.7902),
    "seresnet152": _row("seed", 0.9481, 0.7895, note=LATER) + _row("peer", None, 0.7934),
    "shufflenetv1_g3": _row("seed", 0.9165, 0.7040, note=LATER) + _row("peer", None, 0.7006),
    "vgg11_bn": _row("seed", 0.9156, 0.6734, 0.8792) + _row("peer", None, 0.6864),
    "vgg13_bn": _row("seed", 0.9181, 0.6837, 0.8898) + _row("peer", None, 0.7200),
    "vgg16_bn": _row("seed", 0.9281, 0.6890, 0.8857) + _row("peer", 0.9264, 0.7293),
    "vgg19_bn": _row("seed", 0.9288, 0.6768, 0.8733) + _row("peer", None, 0.7223),
    "xception": _row("seed", 0.8589, 0.5694, 0.8087) + _row("peer", None, 0.7493),
}
"""By name of the network; a network that nobody published on CIFAR has no row."""
