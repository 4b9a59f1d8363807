"""A new run like an old one: the form is filled with its recipe, and says what of it is not here."""

import shutil

import msgspec
import numpy as np
import pytest
from folders import finished, live, make_run, screen_text, settle, toasts
from textual.widgets import Input

from cockpit import datasets
from cockpit.recipe import usual_recipe
from cockpit.tui.choice import Choice
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.recipe_form import FIELDS
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen

CHANGED = {"epochs": 7, "batch_size": 64, "seed": 11, "lr": 0.03, "augment": "none", "exact": True}
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])


def words(app) -> str:
    return " ".join(screen_text(app).split())


async def clone(app, pilot, run) -> NewRunScreen:
    await settle(pilot, lambda: run.id in screen_text(app))
    await pilot.press("N")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and f"{run.id}" in screen_text(app))
    return app.screen


@SIZES
async def test_every_field_that_was_chosen_is_filled_and_no_other(app, store, size):
    recipe = usual_recipe("resnet18", "digits", "strong", **CHANGED)
    run = finished(make_run(store, recipe=recipe))
    async with app.run_test(size=size) as pilot:
        screen = await clone(app, pilot, run)
        command = "--model resnet18 --dataset digits --preset strong --epochs 7 --batch-size 64 --seed 11 --lr 0.03"
        await settle(pilot, lambda: f"{command} --augment none --exact yes --device cpu" in words(app))
        assert f"enter launches this · like {run.id}, with its seed" in words(app)
        for name in FIELDS:
            field = screen.query_one(f"#{name}")
            if isinstance(field, Input):
                assert field.value == (str(CHANGED[name]) if name in CHANGED else ""), name
        assert screen.query_one("#schedule", Choice).value == "cosine"
        assert not screen.query_one("#schedule", Choice).turned


async def test_it_can_be_begun_from_the_run_too_and_changed(app, store):
    run = live(make_run(store, recipe=usual_recipe("vgg11_bn", "cifar100", "fast")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: run.id in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "epoch" in screen_text(app))
        screen = await clone(app, pilot, run)
        await settle(pilot, lambda: "--model vgg11_bn --dataset cifar100 --preset fast --device cpu" in words(app))
        screen.query_one("#seed", Input).value = "3"
        await settle(pilot, lambda: "--preset fast --seed 3" in words(app))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


@SIZES
async def test_a_dataset_that_is_not_here_is_said_and_nothing_launched_in_its_place(app, store, data_dir, size):
    spec = msgspec.structs.replace(datasets.DATASETS["digits"], name="gone", train_images=200, test_images=10)
    part = datasets.Packed(np.zeros((200, 32, 32, 3), np.uint8), np.zeros(200, np.int64))
    datasets.write_packed(spec, part, part)
    run = finished(make_run(store, recipe=usual_recipe("resnet20", "gone", "seed", epochs=3, seed=4)))
    shutil.rmtree(data_dir / "gone")
    async with app.run_test(size=size) as pilot:
        screen = await clone(app, pilot, run)
        sentence = f"{run.id} is of a dataset that is not here; ctrl+g imports it as gone, or choose another"
        await settle(pilot, lambda: sentence in words(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is screen
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "data get gone" in words(app))
        await pilot.press("escape")
        await settle(pilot, lambda: app.screen is screen)
        assert screen.query_one("#seed", Input).value == "4"
        await pilot.press("tab", "down")
        await settle(pilot, lambda: "enter launches this · like" in words(app))
        assert len(store.list()) == 1


async def test_a_device_that_is_not_here_is_said(app, store):
    run = finished(make_run(store))
    launches = run.launches_path.read_text().replace('"device":"cpu"', '"device":"cuda:7"')
    run.launches_path.write_text(launches)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await clone(app, pilot, run)
        await settle(pilot, lambda: f"{run.id} was trained on cuda:7, which cannot be chosen here" in toasts(app))
        assert screen.query_one("#device", Menu).chosen == "auto"


async def test_a_damaged_recipe_is_a_toast(app, store):
    run = finished(make_run(store))
    (run.path / "recipe.json").write_text("[b]no[/b] recipe")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: run.id in screen_text(app))
        await pilot.press("N")
        await settle(pilot, lambda: "is not a recipe" in toasts(app))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_what_is_changed_is_said_to_differ(app, store):
    run = finished(make_run(store, recipe=usual_recipe("resnet20", "digits", "seed", seed=4)))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await clone(app, pilot, run)
        await settle(pilot, lambda: f"like {run.id}, with its seed" in words(app))
        screen.query_one("#seed", Input).value = "5"
        await settle(pilot, lambda: f"like {run.id} but for seed" in words(app), timeout_s=20)
        screen.query_one("#epochs", Input).value = "5"
        await settle(pilot, lambda: f"like {run.id} but for epochs, seed" in words(app), timeout_s=20)
        screen.query_one("#seed", Input).value = "4"
        screen.query_one("#epochs", Input).value = ""
        await settle(pilot, lambda: f"like {run.id}, with its seed" in words(app), timeout_s=20)
