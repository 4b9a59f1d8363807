"""A network that has diverged is tested like any other: its accuracy counts, and that it has diverged is told."""

import json
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load, save

from cockpit import afterwards, durable, status
from cockpit.cli import main
from cockpit.store import Run


@pytest.fixture
def run(tiny_run, tiny, tmp_path) -> Run:
    """A tested run whose best weights are not numbers."""
    run = Run(shutil.copytree(tiny_run.path, tmp_path / "runs" / tiny_run.id))
    data = run.best_path.read_bytes()
    facts = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    weights = load(data)
    next(each for name, each in weights.items() if name.endswith(".weight")).fill_(float("nan"))
    durable.write_checked(run.best_path, save(weights, facts))
    return run


def test_its_test_is_read_and_told_everywhere(run, capsys, tmp_path):
    def told(*words: str) -> str:
        assert main([*words, "--runs", str(run.path.parent)]) == 0
        return capsys.readouterr().out

    assert "outputs not finite" in told("test", run.id, "--device", "cpu")
    info = status.describe(run)
    assert info.damage == ""
    assert info.test is not None
    assert info.test.loss is None
    assert "outputs not finite" in afterwards.sentence(info)

    assert "outputs not finite" in told("runs", "show", run.id)
    assert "outputs not finite" in told("runs", "report", run.id)
    assert json.loads(told("runs", "report", run.id, "--json"))["loss"] is None
    assert run.id in json.loads(told("report", "--json"))["others"][0]["run"]
    told("export", run.id, "--to", "card", "--out", str(tmp_path / "card.md"))
    assert "outputs not finite" in (tmp_path / "card.md").read_text()


def test_the_trainers_own_test_tells_so_and_keeps_no_older_predictions(run):
    assert run.predictions_path.exists()
    words = [sys.executable, "-m", "cockpit.engine", str(run.path), "test", "--device", "cpu"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "outputs not finite  (40 images)" in done.stdout
    assert not run.predictions_path.exists()


def test_what_needs_a_result_of_each_image_says_why_there_is_none(run, capsys, tmp_path):
    words = ["--runs", str(run.path.parent)]
    assert main(["test", run.id, "--device", "cpu", *words]) == 0
    assert main(["runs", "report", run.id, "--png", str(tmp_path / "a.png"), *words]) == 2
    assert "the network has diverged" in capsys.readouterr().err
