"""The bench and the preflight measure the real thing: small networks, real processes, no figure taken on trust."""

import json
import subprocess
import sys

import pytest

from cockpit.cli.measure import Bench
from cockpit.engine.bench import ARMS, bench
from cockpit.recipe import Recipe


@pytest.fixture(scope="module")
def result(tiny):
    said: list[str] = []
    recipe = Recipe(model="resnet20", dataset="tiny", epochs=3, batch_size=16).complete()
    return bench(recipe, "cpu", 1.0, said.append), said


@pytest.mark.slow
def test_every_arm_is_measured_and_told(result):
    found, said = result
    assert tuple(found.arms) == ARMS
    for arm in found.arms.values():
        assert arm is not None
        assert 0 < arm.low <= arm.img_per_s <= arm.high
    for name in ARMS:
        assert any(name in words for words in said)
    assert (found.model, found.device, found.precision, found.way) == ("resnet20", "cpu", "fp32", "eager")


@pytest.mark.slow
def test_the_ratios_are_those_of_the_arms(result):
    found, _ = result
    engine, floor = found.arms["engine"], found.arms["floor"]
    assert engine.low / floor.high <= found.engine_over_floor <= engine.high / floor.low
    assert found.engine_over_dataloader > 0
    assert found.recipe_s == pytest.approx(3 * 144 / engine.img_per_s)
    assert found.arms["augment"].img_per_s > engine.img_per_s


@pytest.mark.slow
def test_what_could_not_be_measured_is_said(result):
    found, _ = result
    assert found.mfu is None
    assert "no MFU: the peak of cpu is not known" in found.notes


@pytest.mark.slow
def test_several_networks_have_a_process_each(tiny):
    words = ["bench", "--model", "resnet20,mobilenetv1", "--dataset", "digits", "--device", "cpu", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", *words, "--batch-size", "32", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert [row["model"] for row in json.loads(done.stdout)] == ["resnet20", "mobilenetv1"]
    assert "mobilenetv1: round 5 of 5, loader" in done.stderr


def cockpit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cockpit", *words], capture_output=True, text=True, timeout=200)


def test_a_preflight_tells_what_the_run_would_need_and_leaves_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = ["preflight", "--dataset", "tiny", "--epochs", "7", "--batch-size", "16", "--device", "cpu"]
    done = cockpit(*words, "--seconds", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    estimate = json.loads(done.stdout)
    assert (estimate["device"], estimate["precision"], estimate["way"]) == ("cpu", "fp32", "eager")
    assert estimate["epoch_s"] >= 144 / estimate["img_per_s"]
    assert estimate["total_s"] > 7 * estimate["epoch_s"]
    assert estimate["peak_bytes"] > 100e6
    assert estimate["disk_bytes"] > 3 * 4 * 270_000  # weights twice and momentum once
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["preflight", "--dataset", "tiny", "--epochs", "0"], "epochs is 0; it must be at least 1"),
        (["preflight", "--dataset", "tiny", "--batch-size", "16", "--way", "graph"], "CUDA graphs need a CUDA card"),
        (["bench", "--model", "resnet19", "--dataset", "digits"], "resnet18"),
        (["bench", "--batch-size", "many", "--dataset", "digits"], "batch_size is 'many'"),
    ],
)
def test_a_mistake_is_one_sentence(tiny, words, sentence):
    done = cockpit(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_recipe_that_is_told_is_that_of_the_dataset():
    made = Bench(model="resnet20", dataset="digits", batch_size="32")._recipe("resnet20")
    assert made == Recipe(model="resnet20", dataset="digits", batch_size=32).complete()
    assert made.num_epochs == 30
