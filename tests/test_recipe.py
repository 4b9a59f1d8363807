"""A recipe says exactly what a run will be, or refuses in one sentence."""

import dataclasses

import pytest

from cockpit.errors import CockpitError
from cockpit.recipe import Recipe, changes, command, from_json, options, to_json, usual_recipe
from nets.catalog import MODELS

BAD = [
    ({"model": "resnet19"}, "unknown model 'resnet19'"),
    ({"dataset": "cifar11"}, "unknown dataset 'cifar11'"),
    ({"epochs": 0}, "epochs is 0; it must be at least 1"),
    ({"lr": -1.0}, "lr is -1.0; it must be more than 0"),
    ({"lr": float("nan")}, "lr is nan; it must be a finite number"),
    ({"lr": float("inf")}, "lr is inf; it must be a finite number"),
    ({"momentum": 1.0}, "momentum is 1.0; it must be less than 1"),
    ({"weight_decay": -0.1}, "weight_decay is -0.1; it must be at least 0"),
    ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
    ({"batch_size": 1295}, "batch size 1295 is larger than the 1,294 training images of digits"),
    ({"val_fraction": 0.0}, "val_fraction is 0.0; it must be more than 0"),
    ({"val_fraction": 0.9}, "val_fraction is 0.9; it must be at most 0.5"),
    ({"seed": -1}, "seed is -1; it must be at least 0"),
    ({"schedule": "exponential"}, "schedule is 'exponential'; choose one of step, cosine, linear, constant"),
    ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
    ({"epochs": 3, "warmup_epochs": 4.0}, "warmup_epochs is 4, longer than the 3 epochs of the run"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=lambda value: str(value)[:40])
def test_bad_values_are_refused_in_a_sentence(data_dir, changes, sentence):
    with pytest.raises(CockpitError) as caught:
        Recipe(**changes).complete()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_near_names_are_suggested(data_dir):
    with pytest.raises(CockpitError, match="did you mean resnet18"):
        Recipe(model="resnet-18").complete()


def test_unset_fields_are_resolved_by_the_dataset(data_dir):
    assert Recipe().complete().epochs == 30
    seed = Recipe(model="resnet50", dataset="cifar10").complete()
    assert (seed.epochs, seed.lr, seed.warmup_epochs, seed.batch_size) == (200, 0.1, 10, 128)


def test_every_field_is_documented():
    for option in options():
        assert option.doc.endswith((".", "-1.")), option.name


def test_json_gives_the_same_recipe_back(data_dir, tmp_path):
    recipe = Recipe(model="vgg16_bn", dataset="cifar100", lr=0.05, nesterov=True, precision="bf16").complete()
    assert from_json(to_json(recipe), tmp_path) == recipe


def test_fields_of_a_newer_cockpit_are_passed_over(tmp_path):
    assert from_json(b'{"model": "resnet18", "colour": "red"}', tmp_path) == Recipe(model="resnet18")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"epochs": "many"}', b'{"epochs": 0}', b"\xff\xfe"])
def test_a_damaged_recipe_is_named(tmp_path, damage):
    with pytest.raises(CockpitError, match=r"recipe\.json is not a recipe"):
        from_json(damage, tmp_path / "recipe.json")


def test_the_command_line_makes_the_same_recipe(data_dir):
    from cockpit.cli.parser import parse

    recipe = Recipe(model="resnet18", dataset="cifar10", epochs=3, lr=0.2, nesterov=True, schedule="cosine")
    line = command(recipe)
    assert line == (
        "cockpit train --model resnet18 --dataset cifar10 --epochs 3 --lr 0.2 --nesterov yes --schedule cosine"
    )
    assert getattr(parse(line.split()[1:]), "recipe") == recipe  # noqa: B009


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("epochs", "abc", "epochs is 'abc'; it must be a whole number"),
        ("epochs", "1.5", "epochs is '1.5'; it must be a whole number"),
        ("lr", "fast", "lr is 'fast'; it must be a number"),
        ("lr", "-1", "lr is -1.0; it must be more than 0"),
        ("augment", "all", "augment is 'all'; choose one of seed, light, cutout, none"),
        ("nesterov", "maybe", "nesterov is 'maybe'; write yes or no"),
    ],
)
def test_typed_text_is_judged_like_a_flag(name, text, sentence):
    option = next(option for option in options() if option.name == name)
    with pytest.raises(CockpitError) as caught:
        option.parse(text)
    assert str(caught.value) == sentence


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(), ""),
        (Recipe(epochs=30), ""),
        (Recipe(epochs=60), "epochs 60"),
        (Recipe(lr=0.05, nesterov=True), "lr 0.05 · nesterov yes"),
        (Recipe(model="vgg11_bn", dataset="cifar10", augment="none"), "augment none"),
        (Recipe(batch_size=1400, val_fraction=0.01), "batch_size 1400 · val_fraction 0.01"),
        (usual_recipe("resnet18", "cifar10", "fast"), "preset fast"),
        (usual_recipe("resnet18", "cifar10", "fast", epochs=10), "preset fast · epochs 10"),
        (usual_recipe("resnet18", "cifar10", "strong", lr=0.3), "preset strong · lr 0.3"),
    ],
)
def test_changes_name_what_differs_from_the_seed(data_dir, recipe, words):
    assert changes(recipe.complete()) == words


def test_a_preset_sets_what_nobody_chose(data_dir):
    fast = usual_recipe("resnet18", "cifar10", "fast", label_smoothing=0.0).complete()
    assert (fast.batch_size, fast.epochs, fast.nesterov, fast.label_smoothing) == (512, 24, True, 0.0)
    assert fast.lr == pytest.approx(0.4)  # four times the seed's batch
    assert fast.warmup_epochs == pytest.approx(4.8)
    strong = usual_recipe("vit_xs", "cifar10", "strong").complete()
    assert (strong.schedule, strong.augment, strong.lr) == ("cosine", "cutout", MODELS["vit_xs"].lr)


def test_a_small_dataset_keeps_the_seeds_batch(data_dir):
    assert usual_recipe("resnet20", "digits", "fast").complete().batch_size == 128


@pytest.mark.parametrize("preset", ["seed", "fast", "strong"])
def test_the_command_of_a_preset_makes_it_again(data_dir, preset):
    from cockpit.cli.parser import parse

    recipe = usual_recipe("resnet18", "cifar10", preset, weight_decay=1e-3, exact=True)
    line = command(recipe)
    assert line.endswith("--weight-decay 0.001 --exact yes")
    assert getattr(parse(line.split()[1:]), "recipe") == recipe  # noqa: B009
