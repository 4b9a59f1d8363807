"""The catalogue tells the truth about the networks, and the package stands alone."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from zoo import FAMILIES, build_shapes, smallest_of

import nets
from nets import MODELS, UnknownModelError, build
from nets.catalog import index
from nets.published import PUBLISHED

PARAMS_AT_10_AND_100_CLASSES = {
    "densenet121": (6_956_426, 7_048_676),
    "densenet169": (12_493_450, 12_643_300),
    "densenet201": (18_104_458, 18_277_348),
    "densenet264": (30_667_914, 30_909_924),
    "efficientnet_b0": (4_020_358, 4_135_648),
    "googlenet": (5_983_402, 6_075_652),
    "mobilenetv1": (3_217_226, 3_309_476),
    "mobilenetv2": (2_236_682, 2_351_972),
    "resnet20": (269_722, 275_572),
    "resnet18": (11_173_962, 11_220_132),
    "resnet34": (21_282_122, 21_328_292),
    "resnet50": (23_520_842, 23_705_252),
    "resnet101": (42_512_970, 42_697_380),
    "resnet152": (58_156_618, 58_341_028),
    "resnext50_32x4d": (22_992_714, 23_177_124),
    "resnext101_32x4d": (42_141_514, 42_325_924),
    "resnext152_32x4d": (57_915_210, 58_099_620),
    "seresnet18": (11_264_074, 11_310_244),
    "seresnet34": (21_444_866, 21_491_036),
    "seresnet50": (26_051_834, 26_236_244),
    "seresnet101": (47_290_682, 47_475_092),
    "seresnet152": (64_785_658, 64_970_068),
    "seresnext50_32x4d": (25_523_706, 25_708_116),
    "seresnext101_32x4d": (46_919_226, 47_103_636),
    "shufflenetv1_g8": (913_138, 1_051_468),
    "shufflenetv1_g4": (890_234, 988_244),
    "shufflenetv1_g3": (914_338, 1_000_828),
    "shufflenetv1_g2": (940_858, 1_012_948),
    "shufflenetv1_g1": (960_706, 1_012_636),
    "shufflenetv1_g3_x1_5": (2_015_578, 2_145_268),
    "vgg11_bn": (28_149_514, 28_518_244),
    "vgg13_bn": (28_334_410, 28_703_140),
    "vgg16_bn": (33_646_666, 34_015_396),
    "vgg19_bn": (38_958_922, 39_327_652),
    "vit_xs": (2_693_578, 2_710_948),
    "vit_s": (14_244_490, 14_279_140),
    "vit_b": (85_152_010, 85_221_220),
    "vit_l": (302_439_434, 302_531_684),
    "vit_h": (629_840_650, 629_955_940),
    "xception": (20_827_442, 21_011_852),
}
REFUSED_SIZES = {"VGG": (28,), "ViT": (28, 64, 96)}
PACKAGE = Path(nets.__file__).parent


def num_params(net: nn.Module) -> int:
    return sum(param.numel() for param in net.parameters() if param.requires_grad)


def run_python(code: str, *flags: str, cwd: Path) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run([sys.executable, *flags, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_network_has_a_known_parameter_count() -> None:
    assert PARAMS_AT_10_AND_100_CLASSES.keys() == MODELS.keys()


@pytest.mark.parametrize(("name", "counts"), PARAMS_AT_10_AND_100_CLASSES.items())
def test_parameter_counts_are_the_known_ones(name: str, counts: tuple[int, int]) -> None:
    assert (num_params(build_shapes(name)), num_params(build_shapes(name, 100))) == counts
    assert MODELS[name].params == counts[0]


@pytest.mark.parametrize("name", MODELS)
def test_catalogued_flops_are_those_of_one_forward_pass(name: str) -> None:
    net = build_shapes(name).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, 32, 32, device="meta"))
    assert MODELS[name].flops == counter.get_total_flops()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_reads_the_channels_and_gives_the_classes_asked_for(family: str) -> None:
    net = build_shapes(smallest_of(family), 7, in_channels=1).eval()
    assert net(torch.empty(2, 1, 32, 32, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("size", [28, 32, 64, 96])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_sizes_are_read_or_refused_with_a_remedy(family: str, size: int) -> None:
    net = build_shapes(smallest_of(family)).eval()
    images = torch.empty(2, 3, size, size, device="meta")
    if size in REFUSED_SIZES.get(family, ()):
        with pytest.raises(ValueError, match=f"{size}×{size} pixels: resize"):
            net(images)
    else:
        assert net(images).shape == (2, 10)


def test_families_are_in_order_and_whole() -> None:
    families = [spec.family for spec in MODELS.values()]
    assert families == sorted(families, key=str.casefold)
    for spec in MODELS.values():
        shared = {
            (s.entry, s.paper, s.authors, s.year, s.arxiv, s.idea) for s in MODELS.values() if s.family == spec.family
        }
        assert len(shared) == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_header_names_its_paper(name: str) -> None:
    spec = MODELS[name]
    module = spec.entry.split(":")[0]
    header = " ".join(((PACKAGE / f"{module.split('.')[1]}.py").read_text().split('"""')[1]).split())
    for fact in (spec.arxiv, spec.paper, str(spec.year)):
        assert fact in header, f"the header of {module} has to name the paper's title, year and arXiv number: {fact}"
    assert spec.idea.count(". ") == 1, "an idea is two sentences"


def test_published_accuracies_belong_to_a_network_and_are_fractions() -> None:
    assert PUBLISHED.keys() <= MODELS.keys()
    for rows in PUBLISHED.values():
        for row in rows:
            assert row.dataset in ("cifar10", "cifar100")
            assert 0.5 < row.top1 < (row.top5 or 1.0) < 1.0 or row.top5 is None
            assert row.top1 < 1.0


def test_a_name_given_twice_is_refused() -> None:
    spec = MODELS["resnet20"]
    with pytest.raises(ValueError, match="two networks are called 'resnet20'"):
        index([spec, dataclasses.replace(spec, family="other")])


def test_an_unknown_name_is_refused_with_its_neighbours() -> None:
    with pytest.raises(UnknownModelError, match=r"'resnet81'.*did you mean.*resnet18"):
        build("resnet81", 10)
    with pytest.raises(UnknownModelError, match=r"the names are .*resnet20"):
        build("qq", 10)


@pytest.mark.parametrize(("num_classes", "in_channels"), [(0, 3), (10, 0), (-1, 3)])
def test_impossible_sizes_are_refused(num_classes: int, in_channels: int) -> None:
    with pytest.raises(ValueError, match="at least one class and one channel"):
        build("resnet20", num_classes, in_channels=in_channels)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, nets; nets.MODELS['resnet20']; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert run_python(code, cwd=PACKAGE.parent) == "False False\n"


def test_the_package_works_where_cockpit_is_not_installed(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "nets", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
import importlib.abc, json, sys
class NoCockpit(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "cockpit":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoCockpit())
sys.path.insert(0, {str(tmp_path)!r})
import nets
net = nets.build("resnet20", 10)
print(json.dumps([nets.__file__, sum(p.numel() for p in net.parameters())]))
"""
    file, params = json.loads(run_python(code, "-I", cwd=tmp_path))
    assert Path(file) == tmp_path / "nets" / "__init__.py"
    assert params == MODELS["resnet20"].params


def test_no_network_is_made_for_torchscript() -> None:
    assert [file.name for file in PACKAGE.glob("*.py") if "torch.jit" in file.read_text()] == []
