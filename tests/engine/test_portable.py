"""What is exported says of real images what the network says, or is not kept."""

import json
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch
from readme import README
from torch import nn

from cockpit import datasets
from cockpit.card import usage
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import load_best
from cockpit.engine.exporting import export_network, write_compared
from cockpit.engine.faithful import TOLERANCE, Trial, UnfaithfulError, compare, make_trial
from cockpit.engine.portable import WRITERS, Portable, facts_of, read_onnx, write_onnx
from cockpit.errors import CockpitError
from cockpit.results import Exported
from nets import MODELS, build

LONG_FLOPS = 0.9e9
"""Families above it take minutes to export."""
SMALLEST = [
    min((s for s in MODELS.values() if s.family == family), key=lambda s: s.params).name
    for family in dict.fromkeys(spec.family for spec in MODELS.values())
]
"""One network a family."""


def trial_of(portable: Portable, images: np.ndarray) -> Trial:
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    with torch.inference_mode():
        return Trial(pixels, np.arange(len(images)) % 10, portable(torch.from_numpy(pixels)).numpy())


def normalization() -> Normalization:
    draw = torch.Generator().manual_seed(0)
    return Normalization(*(torch.rand(32, 32, 3, generator=draw) + start for start in (0.0, 0.2)))


def tried(network: nn.Module, images: np.ndarray) -> Portable:
    """Return a network whose batch statistics are those of the images, as a trained one's are of its own."""
    portable = Portable(network, normalization())
    for module in portable.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = None  # from nothing else
    with torch.no_grad():
        portable(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    portable.eval()
    return portable


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_a_run_is_exported_and_compared(form, tiny_run, tmp_path):
    path = tmp_path / f"net{WRITERS[form][0]}"
    (made,) = export_network(tiny_run, {form: path})
    assert isinstance(made, Exported)
    assert made.verified
    assert made.verified.images == 40
    assert made.verified.classes == 10
    assert made.verified.largest_difference <= made.verified.tolerance
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_onnx_takes_uint8_images_in_any_number(digits, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    images = datasets.load_packed("digits", "test").images[:200]
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(1800, 10))
    portable, path = tried(layers, images), tmp_path / "small.onnx"
    write_onnx(portable, {"model": "small"}, path)
    found = compare(trial_of(portable, images), read_onnx(path))
    assert found.largest_difference < 1e-5
    model = onnx.load(path)
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    for value, sizes in ((model.graph.input[0], ["batch", 3, 32, 32]), (model.graph.output[0], ["batch", 10])):
        shape = value.type.tensor_type.shape.dim
        assert [one.dim_param or one.dim_value for one in shape] == sizes
    assert {entry.key: entry.value for entry in model.metadata_props}["model"] == "small"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if MODELS[name].flops > LONG_FLOPS else pytest.mark.slow)
        for name in SMALLEST
    ],
)
def test_every_family_is_exported_in_every_form(name, digits, tmp_path):
    pytest.importorskip("onnxruntime")
    images = datasets.load_packed("digits", "test").images[:150]
    torch.manual_seed(0)
    portable = tried(build(name, 10), images)
    trial = trial_of(portable, images)
    assert np.ptp(trial.logits, axis=0).min() > 1e-3  # it tells images apart
    for form, (suffix, write, read) in WRITERS.items():
        path = tmp_path / f"{name}{suffix}"
        write(portable, {"model": name, "classes": json.dumps([*range(10)])}, path)
        found = compare(trial, read(path))
        print(f"{name} as {form}: {found.largest_difference:.1e} of {np.abs(trial.logits).max():.1f}")


def test_what_says_something_else_is_refused(tiny_run):
    trial = make_trial(load_best(tiny_run))
    assert len(np.unique(trial.labels)) == 10

    def told(images: np.ndarray) -> np.ndarray:
        places = [np.flatnonzero((trial.images == image).all((1, 2, 3)))[0] for image in images]
        return trial.logits[places]

    assert compare(trial, told).largest_difference == 0
    largest = np.abs(trial.logits).max()
    with pytest.raises(UnfaithfulError, match="differ by up to"):
        compare(trial, lambda images: told(images) + 2 * TOLERANCE * largest)
    with pytest.raises(UnfaithfulError, match="shape"):
        compare(trial, lambda images: told(images)[:, :5])
    with pytest.raises(UnfaithfulError, match="not finite"):
        compare(trial, lambda images: told(images) * np.nan)


def test_a_file_that_says_something_else_is_not_kept(tiny_run, tmp_path):
    best = load_best(tiny_run)
    torch.manual_seed(1)
    another = Portable(build("resnet20", 10), best.normalization)
    for form in ("safetensors", "torch"):
        with pytest.raises(UnfaithfulError, match=r"net is not kept: its logits differ by up to"):
            write_compared(another, facts_of(best, "another"), make_trial(best), form, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_without_the_dataset_nothing_is_exported_unless_told(tiny_run, tmp_path, data_dir):
    path = tmp_path / "net.safetensors"
    with pytest.raises(CockpitError, match=r"test images of tiny, which are not on this machine.*--unverified"):
        list(export_network(tiny_run, {"safetensors": path}))
    assert not path.exists()
    (made,) = export_network(tiny_run, {"safetensors": path}, verify=False)
    assert isinstance(made, Exported)
    assert made.verified is None
    assert path.exists()


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_what_the_umask_hides_stays_hidden(form, tiny_run, tmp_path):
    before = os.umask(0o077)
    try:
        list(export_network(tiny_run, {form: tmp_path / "net"}, verify=False))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net").stat().st_mode) == 0o600


def test_what_is_there_stays_unless_forced(tiny_run, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_text("mine")
    with pytest.raises(CockpitError, match="--replace"):
        list(export_network(tiny_run, {"safetensors": path}))
    assert path.read_text() == "mine"
    list(export_network(tiny_run, {"safetensors": path}, force=True))
    assert path.stat().st_size > 1_000_000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def snippet() -> str:
    """Return README's lines that load the weights."""
    (found,) = re.findall(r"```python\n(from nets import build\n.*?)```", README.read_text(), re.DOTALL)
    return found


def test_readme_s_lines_of_plain_pytorch_load_the_weights(tiny_run, tmp_path):
    """Nothing of cockpit is imported."""
    list(export_network(tiny_run, {"safetensors": tmp_path / "RUN.safetensors"}))
    trial = make_trial(load_best(tiny_run))
    np.save(tmp_path / "images.npy", trial.images)
    code = [
        "import sys, numpy, torch",
        "images = torch.from_numpy(numpy.load('images.npy'))",
        snippet(),
        "numpy.save('logits.npy', logits.detach())",
        "assert not any(name.partition('.')[0] == 'cockpit' for name in sys.modules)",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(code)], check=True, cwd=tmp_path)
    assert np.abs(np.load(tmp_path / "logits.npy") - trial.logits).max() < 1e-4


def test_a_card_has_the_lines_of_readme():
    assert "\n".join(usage("resnet20", 10, "RUN.safetensors")) == snippet().strip()
