"""`cockpit import` as a user meets it: foreign weights become a run that is tested, or are refused in a sentence."""

import json
import os
import pickle
import random
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cockpit import status
from cockpit.cli import main
from cockpit.engine.checkpoint import load_best
from cockpit.store import RunStore
from nets import build


class Canary:
    """What a malicious pickle holds: code that runs when it is loaded the usual way."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@pytest.fixture
def runs(tmp_path, monkeypatch, digits) -> Path:
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


HEAD = "head.weight"
VARIANCE, COUNTED = (
    next(name for name in build("resnet20", 10).state_dict() if name.endswith(end))
    for end in ("running_var", "num_batches_tracked")
)


def pair(**parts: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return mean and deviation as cockpit exports them, but for what is given."""
    usual = {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)} | parts
    return {f"normalize.{name}": tensor for name, tensor in usual.items()}


def take(capsys, path: str, *words: str) -> tuple[int, str, str]:
    code = main(["import", path, "--model", "resnet20", "--dataset", "digits", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def trained() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build("resnet20", 10).state_dict()


def test_an_export_comes_back_with_the_same_result(runs, tiny_run, capsys):
    assert main(["export", tiny_run.id, "--to", "safetensors", "--out", "net.safetensors", "--runs",
                 str(tiny_run.path.parent)]) == 0  # fmt: skip
    assert main(["import", "net.safetensors", "--model", "resnet20", "--dataset", "tiny"]) == 0
    (run,) = RunStore(runs).list()
    assert main(["test", "last", "--json"]) == 0
    report = tiny_run.test_report()
    mine = run.test_report()
    assert report
    assert mine
    assert (mine.top1, mine.epoch) == (report.top1, 0)
    assert mine.loss == pytest.approx(report.loss, abs=1e-3)
    info = status.describe(run)
    assert (info.status, info.damage, info.model, info.dataset) == ("imported", "", "resnet20", "tiny")
    assert "net.safetensors" in info.detail
    assert info.recipe is None
    capsys.readouterr()
    assert main(["runs"]) == 0
    assert main(["runs", "show", "last"]) == 0
    listed = capsys.readouterr().out
    assert "imported net.safetensors" in listed
    assert "0/0" not in listed
    assert "0 of 0" not in listed
    assert main(["resume", "last"]) == 2
    assert main(["train", "--like", "last"]) == 2
    assert "was imported, so it has no recipe" in capsys.readouterr().err
    assert main(["export", "last", "--to", "safetensors,csv,card", "--out", "again"]) == 2
    assert "it has no curves for --to csv" in capsys.readouterr().err
    assert sorted(path.suffix for path in Path("again").iterdir()) == [".md", ".safetensors"]
    card = next(Path("again").glob("*.md")).read_text()
    assert "how they were trained is not known" in card


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_wrappers_and_prefixes_are_taken_away(suffix, runs, capsys):
    weights = {f"module.{name}": tensor for name, tensor in trained().items()}
    path = f"net{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save({"epoch": 3, "state_dict": weights}, path)
    code, out, err = take(capsys, path)
    assert code == 0, err
    assert "'module.' taken away" in err
    run = RunStore(runs).get(out.strip())
    best = load_best(run)
    assert all(torch.equal(best.weights[name], tensor) for name, tensor in trained().items())
    imported = run.imported()
    assert imported
    assert imported.source == path
    assert "measured on 1,294 training images of digits" in imported.normalization
    assert not (run.path / "recipe.json").exists()


def averaged(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    network = build("resnet20", 10)
    network.load_state_dict(weights)
    return torch.optim.swa_utils.AveragedModel(network).state_dict()


@pytest.mark.parametrize(
    ("wrap", "notes"),
    [
        (averaged, ["'n_averaged' left out", "'module.' taken away"]),
        (lambda w: {f"net.{name}": tensor for name, tensor in w.items()}, ["'net.' taken away"]),
        (lambda w: {"model": {"state_dict": w, "epoch": 3}}, ["the key 'model'", "the key 'state_dict'"]),
        (lambda w: {"model": {"ema": 0.9}, "net": w}, ["the key 'net'"]),
    ],
)
def test_the_wrappers_of_others_are_taken_away(wrap, notes, runs, capsys):
    torch.save(wrap(trained()), "net.pt")
    code, out, err = take(capsys, "net.pt")
    assert code == 0, err
    assert all(note in err for note in notes)
    best = load_best(RunStore(runs).get(out.strip()))
    assert all(torch.equal(best.weights[name], tensor) for name, tensor in trained().items())


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precisions_are_taken(kind, runs, capsys):
    weights = {name: tensor if name.endswith("tracked") else tensor.to(kind) for name, tensor in trained().items()}
    torch.save(weights, "net.pt")
    code, out, err = take(capsys, "net.pt", "--mean", "0.5", "--std", "0.25")
    assert code == 0, err
    best = load_best(RunStore(runs).get(out.strip()))
    assert best.weights[HEAD].equal(trained()[HEAD].to(kind).float())


def test_mean_and_deviation_by_channel(runs, capsys):
    torch.save(trained(), "net.pt")
    code, out, _ = take(capsys, "net.pt", "--mean", "0.49,0.48,0.45", "--std", "0.2,0.2,0.3")
    assert code == 0
    mean, std = load_best(RunStore(runs).get(out.strip())).normalization
    assert mean.flatten().tolist() == pytest.approx([0.49, 0.48, 0.45])
    assert std.flatten().tolist() == pytest.approx([0.2, 0.2, 0.3])


@pytest.mark.parametrize(
    ("spoil", "words", "sentence"),
    [
        (lambda w: w.pop("head.bias"), (), "is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), (), "resnet20 has no 'extra'"),
        (lambda w: w.update({next(iter(w)): torch.zeros(7)}), (), "has the shape (7,), not"),
        (lambda w: w.update({next(iter(w)): w[next(iter(w))] * torch.nan}), (), "something else than finite numbers"),
        (lambda w: w.update({next(iter(w)): w[next(iter(w))].to_sparse()}), (), "something else than finite numbers"),
        (lambda w: w.update({HEAD: w[HEAD].to(torch.float8_e4m3fn)}), (), "'head.weight': it is of float8_e4m3fn"),
        (lambda w: w.update({HEAD: w[HEAD] > 0}), (), "it is of bool"),
        (lambda w: w.update({HEAD: (w[HEAD] * 0).to(torch.uint16)}), (), "it is of uint16"),
        (lambda w: w.update({HEAD: w[HEAD].double() + 1e300}), (), "some of them are not finite in 32 bits"),
        (lambda w: w.update({HEAD: w[HEAD].to("meta")}), (), "it lies on the device meta, without values"),
        (lambda w: w.update({VARIANCE: w[VARIANCE] - 2}), (), "a variance is negative"),
        (lambda w: w.update({COUNTED: w[COUNTED].float()}), (), "it is of float32"),
        (lambda w: w.update(pair(mean=torch.zeros(3, 1, 1, device="meta"))), (), "'normalize.mean': it lies on"),
        (
            lambda w: w.update(pair(mean=torch.zeros(3, 1, 1, dtype=torch.complex64))),
            (),
            "'normalize.mean': it is of complex64",
        ),
        (lambda w: w.update(pair(mean=torch.full((3, 1, 1), torch.nan))), (), "'normalize.mean': some of them are not"),
        (lambda w: w.update(pair(mean=torch.zeros(3))), (), "a mean or deviation of the shape (3,)"),
        (lambda w: w.update(pair(mean=torch.zeros(3, 32, 32))), (), "of different shapes"),
        (lambda w: w.update(pair(std=torch.ones(3, 1, 1).to_sparse())), (), "'normalize.std': it is sparse"),
        (lambda w: w.update(pair(std=torch.tensor([1, 0, 1.0]).reshape(3, 1, 1))), (), "a deviation is not above 0"),
        (lambda w: w.update(pair(std=torch.full((3, 1, 1), 1e-60).double())), (), "a deviation is not above 0"),
        (lambda w: None, ("--mean", "0.5", "--std", "1e-60"), "a deviation is not above 0"),
        (lambda w: None, ("--mean", "0.5"), "give both"),
        (lambda w: None, ("--mean", "125,120,110", "--std", "60,60,60"), "divide by 255"),
        (lambda w: None, ("--mean", "0.5", "--std", "0"), "--std must be above 0"),
        (lambda w: None, ("--mean", "a,b", "--std", "0"), "must be numbers"),
        (lambda w: None, ("--normalize", "both"), "none of pixel, channel"),
        (lambda w: None, ("--model", "vgg11_bn"), "is not of vgg11_bn"),
        (lambda w: None, ("--model", "resnet21"), "unknown model"),
        (lambda w: None, ("--dataset", "digitz"), "unknown dataset"),
    ],
)
def test_a_mistake_is_one_sentence(spoil, words, sentence, runs, capsys):
    weights = dict(trained())
    spoil(weights)
    torch.save(weights, "net.pt")
    code, _, err = take(capsys, "net.pt", *words)
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not runs.exists() or not list(runs.iterdir())


@pytest.mark.parametrize("save", [lambda c: torch.save({"state_dict": c}, "net.pt"),
                                  lambda c: Path("net.pt").write_bytes(pickle.dumps(c))])  # fmt: skip
def test_a_malicious_pickle_executes_nothing(save, runs, tmp_path, capsys):
    save(Canary(tmp_path / "canary"))
    code, _, err = take(capsys, "net.pt")
    assert code == 2
    assert "nothing in it is executed" in err
    assert not (tmp_path / "canary").exists()
    with open("net.pt", "rb") as file:  # the trap is a trap
        if file.read(2) != b"PK":
            file.seek(0)
            pickle.load(file)
            assert (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("net.pt", b"", "it is empty"),
        ("net.pt", b"PK\3\4 no archive", "it begins like one of torch.save, but is cut short or damaged"),
        ("net.pt", b"\x80\2junk", "it begins like one of torch.save, but is cut short or damaged"),
        ("net.safetensors", b"\xff" * 100, "it does not hold what .safetensors says"),
        ("net.safetensors", b"", "it is empty"),
        ("net.txt", b"Dear owl,", "it is neither the archive nor the pickle that torch.save writes"),
        ("junk.pt", b"eeee", "it is neither the archive nor the pickle that torch.save writes"),
    ],
)
def test_what_is_no_file_of_weights_is_told_in_a_sentence(name, data, reason, runs, capsys):
    Path(name).write_bytes(data)
    code, _, err = take(capsys, name)
    assert code == 2
    assert f"{name} is no file of weights: {reason}" in err
    assert len(err.strip().splitlines()) == 1
    assert not runs.exists()


def test_random_bytes_are_no_file_of_weights(runs, capsys):
    draw = random.Random(0)
    for _ in range(300):
        Path("net.pt").write_bytes(draw.randbytes(200))
        code, _, err = take(capsys, "net.pt")
        assert code == 2
        assert len(err.strip().splitlines()) == 1


def test_no_file_and_no_state_dict(runs, capsys):
    code, _, err = take(capsys, "missing.pt")
    assert (code, "cannot be read" in err) == (2, True)
    torch.save([1, 2, 3], "list.pt")
    code, _, err = take(capsys, "list.pt")
    assert (code, "holds no state dict" in err) == (2, True)


def test_the_listing_is_json(runs, capsys):
    torch.save(trained(), "net.pt")
    code, out, _ = take(capsys, "net.pt", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "imported"


@pytest.mark.parametrize(("name", "kind"), [("run.onnx", "an ONNX graph"), ("run.pt2", "a program of torch.export")])
def test_a_whole_network_is_refused_by_what_it_is(name, kind, runs, capsys):
    Path(name).write_bytes(b"\x08\x0a")
    code, _, err = take(capsys, name)
    assert code == 2
    assert f"{name} is {kind} by its name, not weights alone; import the .safetensors" in err
    assert not runs.exists()
