"""Weights from elsewhere on the command line: what is known of them is told, and what only a training leaves is not."""

import time

import pytest

from cockpit.cli import main
from cockpit.results import Imported
from cockpit.store import Run, RunStore


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    imported = Imported(
        model="resnet20",
        dataset="digits",
        source="net.pth",
        sha256="0" * 64,
        normalization="as given",
        time=time.time(),
        notes=["module. taken away"],
    )

    def save_weights(run: Run) -> None:
        run.best_path.write_bytes(b"w")

    return RunStore(tmp_path / "runs").create_imported(imported, save_weights)


def test_what_is_known_of_it_is_told(run, capsys):
    assert main(["runs", "show", "last"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"model resnet20", "dataset digits", "mean, deviation as given", "changed module. taken away"} <= {*lines}
    assert any(line.startswith(f"imported {time.strftime('%Y-')}") for line in lines)


def test_its_age_is_that_of_the_import(run, capsys):
    assert main(["runs", "--filter", "age<1h"]) == 0
    assert run.id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "lack"),
    [
        (["watch"], "there is nothing to watch"),
        (["curves"], "it has no curves"),
        (["export", "--to", "csv"], "it has no curves for --to csv"),
        (["export", "--to", "tensorboard"], "it has no curves for --to tensorboard"),
    ],
)
def test_what_only_a_training_leaves_is_refused_in_a_sentence(run, words, lack, tmp_path, capsys):
    assert main([words[0], "last", *words[1:]]) == 2
    assert capsys.readouterr() == ("", f"cockpit: run {run.id} was imported, not trained here: {lack}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
