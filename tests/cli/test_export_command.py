"""`cockpit export` as a user meets it: what it makes, what it refuses, and that it says so."""

import csv
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cockpit import durable
from cockpit.cli import main
from cockpit.engine.checkpoint import MEAN, STD
from cockpit.status import describe


@pytest.fixture(autouse=True)
def runs(tiny_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("COCKPIT_RUNS", str(tiny_run.path.parent))
    monkeypatch.chdir(tmp_path)


def test_several_formats_at_once_as_json(tiny_run, capsys):
    assert main(["export", "last", "--to", "safetensors", "csv", "--to", "card", "--json"]) == 0
    told = capsys.readouterr()
    made = {one["format"]: one for one in json.loads(told.out)}
    assert list(made) == ["safetensors", "csv", "card"]
    assert made["safetensors"]["verified"]["images"] == 40
    assert made["csv"]["verified"] is None
    assert "compared with the network on 40 test images of 10 classes" in told.err
    for one in made.values():
        assert Path(one["path"]).stat().st_size == one["size_bytes"]
    with safetensors.safe_open(made["safetensors"]["path"], "np") as file:
        facts = file.metadata()
    assert (facts["model"], facts["run"], json.loads(facts["classes"])[3]) == ("resnet20", tiny_run.id, "3")
    card = Path(made["card"]["path"]).read_text()
    assert "40 test images of 10 classes: logits within" in card
    assert f"{tiny_run.test_report().top1:.2%}" in card


def test_what_was_made_is_told_though_another_format_fails(tiny_run):
    """Where a file may be as long as a card, but no longer."""
    formats = "safetensors,torch,csv,card"
    words = f"{sys.executable} -m cockpit export {tiny_run.id} --to {formats} --unverified --json --out new"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; {words}"], check=False, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 2
    told = {one["format"]: one for one in json.loads(done.stdout)}
    assert list(told) == ["safetensors", "torch", "csv", "card"]
    for name in ("csv", "card"):
        assert Path(told[name]["path"]).stat().st_size == told[name]["size_bytes"]
    for name in ("safetensors", "torch"):
        assert told[name]["path"] in told[name]["error"]
        assert "cannot be written" in told[name]["error"]
        assert told[name]["error"] in done.stderr
        assert not Path(told[name]["path"]).exists()


def copied(tiny_run, tmp_path, monkeypatch) -> Path:
    """Return the folder of a copy of the run, which is the one that commands mean."""
    home = tmp_path / "runs" / tiny_run.id
    shutil.copytree(tiny_run.path, home)
    monkeypatch.setenv("COCKPIT_RUNS", str(home.parent))
    return home


def test_a_damaged_checkpoint_ends_no_curves(tiny_run, tmp_path, monkeypatch, capsys):
    (copied(tiny_run, tmp_path, monkeypatch) / "best.safetensors").write_bytes(b"damaged")
    assert main(["export", "last", "--to", "safetensors,csv,card", "--json", "--out", "new"]) == 2
    told = capsys.readouterr()
    errors = {one["format"]: one.get("error", "") for one in json.loads(told.out)}
    assert errors.keys() == {"safetensors", "csv", "card"}
    assert "is damaged" in errors["safetensors"] == errors["card"]
    assert errors["csv"] == ""
    assert told.err.count("is damaged") == 1
    assert [path.suffix for path in Path("new").iterdir()] == [".csv"]


def test_a_file_that_is_there_already_ends_no_other(tiny_run, capsys):
    there = Path("new") / f"{tiny_run.id}.csv"
    there.parent.mkdir()
    there.write_text("mine")
    (there.parent / "tensorboard").touch()
    words = ["export", "last", "--to", "csv,tensorboard,safetensors,card", "--unverified", "--json", "--out", "new"]
    assert main(words) == 2
    errors = {one["format"]: one.get("error", "") for one in json.loads(capsys.readouterr().out)}
    assert "is there already; --replace" in errors.pop("csv")
    assert "there can be no folder" in errors.pop("tensorboard")
    assert errors == {"safetensors": "", "card": ""}
    assert there.read_text() == "mine"


def test_a_card_is_of_the_weights_that_are_exported_with_it(tiny_run, tmp_path, monkeypatch):
    """While a training replaces them all the time."""
    home = copied(tiny_run, tmp_path, monkeypatch)
    with safetensors.safe_open(tiny_run.best_path, "pt") as file:
        facts, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    contents = [safetensors.torch.save(weights, facts | {"epoch": str(epoch)}) for epoch in range(3)]
    done = threading.Event()

    def replace_again_and_again() -> None:
        for content in itertools.cycle(contents):
            if done.is_set():
                return
            durable.write_checked(home / "best.safetensors", content)

    with futures.ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace_again_and_again)
        try:
            for number in range(4):
                words = ["export", "last", "--to", "safetensors,card", "--unverified", "--out", f"out{number}"]
                assert main(words) == 0
        finally:
            done.set()
        replacing.result()
    for folder in Path().glob("out*"):
        with safetensors.safe_open(next(folder.glob("*.safetensors")), "np") as file:
            digest = file.metadata()["source_sha256"]
        assert digest in next(folder.glob("*.md")).read_text()


def test_the_curves_are_those_of_the_records(tiny_run):
    assert main(["export", tiny_run.id, "--to", "csv", "--out", "curves.csv"]) == 0
    with open("curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    records = [json.loads(line) for line in tiny_run.metrics_path.read_text().splitlines()]
    epochs = [(row["step"], row["val_loss"]) for row in records if row["kind"] == "epoch"]
    assert [(int(r["step"]), float(r["value"])) for r in rows if r["metric"] == "val_loss"] == epochs


def test_the_best_run_of_a_pair_and_a_folder(tiny_run):
    assert main(["export", "--model", "resnet20", "--dataset", "tiny", "--to", "csv,card", "--out", "new/folder"]) == 0
    assert sorted(path.suffix for path in Path("new/folder").iterdir()) == [".csv", ".md"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["last", "--to", "pickle"], "cannot be exported as 'pickle'; the formats are safetensors, onnx"),
        (["last"], "name a format"),
        (["--to", "csv"], "name a run"),
        (["nobody", "--to", "csv"], "unknown run"),
        (["last", "--to", "csv", "--live"], "--live is for --to tensorboard alone"),
        (["last", "--to", "csv", "--out", "there.csv"], "there.csv is there already; --replace writes over it"),
        (["last", "--to", "card", "--out", "there.csv"], "--replace"),
        (["last", "--to", "csv", "--out", "no/folder/x.csv"], "no/folder"),
        (["last", "--to", "csv,card", "--out", "there.csv"], "there can be no folder"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(words, sentence, capsys):
    Path("there.csv").write_text("mine")
    assert main(["export", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert Path("there.csv").read_text() == "mine"
    assert [path.name for path in Path().iterdir()] == ["there.csv"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda w, f: w.update({MEAN: w[MEAN][0, 0].clone()}), "its mean has the shape (3,)"),
        (lambda w, f: w.update({STD: torch.zeros(32, 32, 3, dtype=torch.int32)}), "its deviation: it is of int32"),
        (lambda w, f: w.update({STD: w[STD] * 0}), "a deviation is not above 0"),
        (lambda w, f: f.update(classes=json.dumps([*"012345678"])), "the best checkpoint is not of resnet20"),
        (lambda w, f: f.update(classes=json.dumps("0123456789")), "its classes are no list of names"),
        (lambda w, f: w.pop("head.weight"), "the best checkpoint is not of resnet20"),
        (lambda w, f: w.update({"head.bias": w["head.bias"] > 0}), "'head.bias': it is of bool"),
        (lambda w, f: f.update(recipe=f["recipe"].replace("resnet20", "vgg11_bn")), "is not of vgg11_bn"),
    ],
)
def test_a_checkpoint_that_cannot_be_one_is_a_sentence(spoil, sentence, tiny_run, tmp_path, monkeypatch, capsys):
    """Its SHA-256 is right: it may come from anybody."""
    home = tmp_path / "runs" / tiny_run.id
    home.mkdir(parents=True)
    (home / "recipe.json").write_bytes((tiny_run.path / "recipe.json").read_bytes())
    with safetensors.safe_open(tiny_run.best_path, "pt") as file:
        facts, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    spoil(weights, facts)
    durable.write_checked(home / "best.safetensors", safetensors.torch.save(weights, facts))
    monkeypatch.setenv("COCKPIT_RUNS", str(home.parent))
    assert main(["export", "last", "--to", "safetensors", "--unverified"]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1
    assert not [*Path().glob("*.safetensors")]


@pytest.mark.parametrize("flag", ["--replace", "--force"])
def test_what_is_there_is_replaced_when_that_is_said(flag):
    Path("there.csv").write_text("mine")
    assert main(["export", "last", "--to", "csv", "--out", "there.csv", flag]) == 0
    assert Path("there.csv").read_text() != "mine"


def test_curves_and_a_card_are_whole_or_not_there(tiny_run):
    """Where a file may not be longer than a block."""
    words = f"ulimit -f 1; {sys.executable} -m cockpit export {tiny_run.id} --to card --out card.md"
    done = subprocess.run(["bash", "-c", words], check=False, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "card.md cannot be written: File too large" in done.stderr
    assert not [*Path().iterdir()]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_files_are_made_to_the_last_though_nobody_reads(tiny_run, closed):
    argv = [sys.executable, "-m", "cockpit", "export", tiny_run.id, "--to", "csv,card", "--out", "new"]
    reader, writer = os.pipe()
    os.close(reader)
    out, err = (writer if closed == name else subprocess.DEVNULL for name in ("stdout", "stderr"))
    done = subprocess.run(argv, check=False, env=os.environ, stdout=out, stderr=err)
    os.close(writer)
    assert sorted(path.suffix for path in Path("new").iterdir()) == [".csv", ".md"]
    assert done.returncode == 0


def test_a_command_that_stops_halfway_because_nobody_reads_is_no_success(tiny_run):
    reader, writer = os.pipe()
    os.close(reader)
    for words, code in ((["export", tiny_run.id, "--to", "csv", "--json"], 1), (["runs", "--json"], 0)):
        assert subprocess.run([sys.executable, "-m", "cockpit", *words], check=False, stdout=writer).returncode == code
    os.close(writer)


@pytest.mark.parametrize(("form", "package"), [("onnx", "onnxscript"), ("tensorboard", "tensorboard")])
def test_a_missing_package_is_a_sentence(form, package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert main(["export", "last", "--to", f"csv,{form}"]) == 2
    assert f"{package} is not installed; `pip install 'cockpit[export]'` brings it" in capsys.readouterr().err
    assert [path.suffix for path in Path().rglob("*") if path.is_file()] == [".csv"]


def test_a_run_without_a_checkpoint(tiny_run, tmp_path, monkeypatch, capsys):
    empty = tmp_path / "runs" / tiny_run.id
    empty.mkdir(parents=True)
    (empty / "recipe.json").write_bytes((tiny_run.path / "recipe.json").read_bytes())
    monkeypatch.setenv("COCKPIT_RUNS", str(empty.parent))
    assert main(["export", "last", "--to", "onnx,card", "--out", "new"]) == 2
    assert "has no best checkpoint yet" in capsys.readouterr().err
    assert not Path("new").exists()
    assert main(["export", "last", "--to", "csv", "--out", "empty.csv"]) == 0


def test_a_card_shows_hostile_text_literally(tiny_run, tmp_path, monkeypatch):
    home = tmp_path / "runs" / tiny_run.id
    home.mkdir(parents=True)
    for path in tiny_run.path.iterdir():
        if path.is_file():
            (home / path.name).write_bytes(path.read_bytes())
    launch = json.loads((home / "launches.jsonl").read_text())
    launch["versions"] = {"torch": "<script>alert(1)</script> | [x](http://x) `\x1b[31m`\n# Title"}
    launch["git_commit"] = "`|`\n"
    (home / "launches.jsonl").write_text(json.dumps(launch) + "\n")
    monkeypatch.setenv("COCKPIT_RUNS", str(home.parent))
    assert main(["export", "last", "--to", "card", "--out", "card.md"]) == 0
    card = Path("card.md").read_text()
    assert "\x1b" not in card
    assert not re.search(r"(?<!\\)<script", card)
    assert r"\[x\](http://x)" in card
    assert "\n# Title" not in card
    assert describe(tiny_run).status == "finished"
