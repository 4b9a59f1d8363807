"""`--like RUN` makes a run again, and every other flag changes it."""

import json
from typing import Any

import pytest
from folders import finished, make_run

from cockpit.cli import main
from cockpit.cli.parser import parse
from cockpit.recipe import Recipe, flags, usual_recipe
from cockpit.store import RunStore

CHANGED = {"epochs": 7, "batch_size": 64, "seed": 11, "lr": 0.03, "nesterov": False, "augment": "none", "exact": True}


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def parsed(store: RunStore, *words: str) -> Any:
    return parse([*words, "--runs", str(store.root)])


@pytest.mark.parametrize("preset", ["seed", "fast", "strong"])
def test_the_recipe_is_that_of_the_run(store, preset):
    recipe = usual_recipe("resnet18", "digits", preset, **CHANGED).complete()
    run = finished(make_run(store, recipe=recipe))
    for verb in ("train", "preflight"):
        command = parsed(store, verb, "--like", run.id)
        assert command.recipe.complete() == recipe
        assert command.device == "cpu"


@pytest.mark.parametrize("words", [("--seed", "3"), ("--seed=3",)])
def test_other_flags_override_wherever_they_stand(store, words):
    recipe = usual_recipe("resnet18", "digits", "fast", **CHANGED).complete()
    finished(make_run(store, recipe=recipe))
    for order in (("train", *words, "--like", "last"), ("train", "--like", "last", *words)):
        command = parsed(store, *order, "--exact", "no", "--model", "vgg11_bn", "--device", "auto")
        assert (command.recipe.seed, command.recipe.exact, command.recipe.model) == (3, False, "vgg11_bn")
        assert (command.recipe.epochs, command.recipe.preset, command.device) == (7, "fast", "auto")


def test_a_list_makes_a_sweep_of_it(store):
    finished(make_run(store, recipe=Recipe(epochs=2)))
    assert [recipe.seed for recipe in parsed(store, "train", "--like", "last", "--seed", "1,2").sweep] == [1, 2]
    assert {recipe.epochs for recipe in parsed(store, "train", "--like", "last", "--seed", "1,2").sweep} == {2}


def test_a_run_that_is_not_there_is_a_sentence(store, capsys):
    assert main(["train", "--like", "nothing", "--runs", str(store.root)]) == 2
    assert "nothing" in capsys.readouterr().err


def spoil(run, **fields) -> None:
    path = run.path / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_dataset_that_is_not_here_is_said_unless_another_is_named(store, capsys):
    run = finished(make_run(store, recipe=Recipe(epochs=2, lr=0.3)))
    spoil(run, dataset="gone")
    assert main(["train", "--like", "last", "--runs", str(store.root)]) == 2
    err = capsys.readouterr().err
    assert f"run {run.id} is of the dataset 'gone', which is not here" in err
    assert "name another with --dataset" in err
    recipe = parsed(store, "train", "--like", "last", "--dataset", "digits").recipe
    assert (recipe.dataset, recipe.epochs, recipe.lr) == ("digits", 2, 0.3)


def test_a_hostile_recipe_gives_no_flags(store, capsys):
    run = finished(make_run(store))
    spoil(run, model="--detach", dataset="--enqueue")
    assert main(["train", "--like", "last", "--dataset", "digits", "--runs", str(store.root)]) == 2
    assert "unknown model '--detach'" in capsys.readouterr().err
    assert len(store.list()) == 1


def test_a_device_that_is_not_here_is_said(store, capsys):
    run = finished(make_run(store))
    run.launches_path.write_text(run.launches_path.read_text().replace('"device":"cpu"', '"device":"cuda:7"'))
    assert parsed(store, "train", "--like", "last").device == "auto"
    assert f"{run.id} was trained on cuda:7, which is not here" in capsys.readouterr().err


def test_the_flags_are_the_shortest():
    assert flags(Recipe().complete()) == ["--model", "resnet20", "--dataset", "digits", "--preset", "seed"]


def test_several_devices_are_kept(store):
    run = finished(make_run(store))
    run.launches_path.write_text(run.launches_path.read_text().replace('"device":"cpu"', '"device":"cpu,cpu"'))
    assert parsed(store, "train", "--like", run.id).device == "cpu,cpu"
    assert parsed(store, "preflight", "--like", run.id, "--devices", "cpu").device == "cpu"
