"""The form of a new run: it launches what it shows, and says what is wrong with what it would not."""

import re
import threading

import pytest
from folders import finished, live, make_run, screen_text, settle, toasts, with_test
from textual.widgets import Input

from cockpit.datasets import list_datasets
from cockpit.recipe import options, usual_recipe
from cockpit.tui import places_pane
from cockpit.tui.choice import Choice
from cockpit.tui.menus import Menu, device_lines
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.places_pane import PlacesPane
from cockpit.tui.recipe_form import FIELDS, RecipeForm
from cockpit.tui.runs import RunsScreen
from nets.catalog import MODELS


async def form(app, pilot) -> NewRunScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "--dataset digits" in screen_text(app))
    return app.screen


def flat(app) -> str:
    return " ".join(screen_text(app).split())


def focused_id(screen) -> str | None:
    return screen.focused.id if screen.focused else None


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
async def test_the_defaults_are_ready_to_launch(app, size):
    async with app.run_test(size=size) as pilot:
        await form(app, pilot)
        text = screen_text(app)
        assert "$ cockpit train --model resnet20 --dataset digits" in text
        assert "enter launches this" in text
        assert "resnet20" in text
        assert "1,438 in 10 classes" in text
        for name in list(FIELDS)[: 14 if size[1] < 30 else None]:  # the others are scrolled to
            assert name.replace("_", " ") in text


async def test_what_is_to_be_fetched_is_told_once_the_disk_was_looked_at_and_not_before(app, monkeypatch):
    looked = threading.Event()
    monkeypatch.setattr(places_pane, "list_datasets", lambda: (looked.wait(), list_datasets())[1])
    async with app.run_test(size=(80, 24)) as pilot:
        try:
            await form(app, pilot)
            assert "cifar10     …" in screen_text(app)
            assert "digits      ready" in screen_text(app)
            await pilot.press("tab", "down")
            await settle(pilot, lambda: "50,000 images to train and validate on, 10,000 to test" in flat(app))
            assert "170 MB" not in screen_text(app)
        finally:
            looked.set()
        await settle(pilot, lambda: "cifar10     ↓ ~170 MB" in screen_text(app))
        assert "^g downloads ~170 MB now" in flat(app)


async def test_every_network_of_the_catalogue_can_be_chosen(app):
    async with app.run_test(size=(160, 100)) as pilot:
        screen = await form(app, pilot)
        menu = screen.query_one("#model", Menu)
        values = [option.id for option in menu.options if option.id]
        assert values == list(MODELS)
        seen = {menu.chosen}
        for _ in MODELS:
            await pilot.press("down")
            seen.add(menu.chosen)
        assert seen == set(MODELS)


async def test_placeholders_follow_the_dataset_and_the_epochs(app):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await form(app, pilot)
        recipe_form = screen.query_one(RecipeForm)
        names = ("epochs", "lr", "warmup_epochs")

        def shown() -> list[str]:
            return [str(recipe_form.query_one(f"#{name}", Input).placeholder) for name in names]

        assert shown() == ["30", "0.1", "1.5"]
        await pilot.press("tab", "down")
        await settle(pilot, lambda: shown() == ["200", "0.1", "10"])
        assert "--dataset cifar10" in screen_text(app)
        await pilot.press("tab", "tab", "down", *"40")
        await settle(pilot, lambda: shown() == ["200", "0.1", "2"])


async def test_every_field_is_reached_with_the_arrows_and_explained(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        await pilot.press("shift+tab")
        for option in options()[2:]:
            assert focused_id(screen) == option.name
            text = " ".join(screen_text(app).split())
            assert option.flag in text
            assert option.doc in text
            await pilot.press("down")
        assert focused_id(screen) == options()[-1].name


async def test_choices_turn_with_the_arrows_and_the_mouse(app):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await form(app, pilot)
        screen.query_one("#schedule").focus()
        await pilot.press("right")
        await settle(pilot, lambda: "--schedule cosine" in screen_text(app))
        await pilot.press("right")
        await settle(pilot, lambda: "--schedule linear" in screen_text(app))
        await pilot.click("#nesterov")
        await settle(pilot, lambda: "--nesterov yes --schedule linear" in screen_text(app))


async def test_a_preset_turns_what_nobody_turned(app):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await form(app, pilot)
        schedule, nesterov = screen.query_one("#schedule", Choice), screen.query_one("#nesterov", Choice)
        await pilot.press("tab", "down", "tab", "tab")  # cifar10, then the recipe
        screen.query_one("#augment").focus()
        await pilot.press("left")
        await settle(pilot, lambda: "--augment none" in screen_text(app))
        screen.query_one("#preset").focus()
        await pilot.press("right")
        await settle(pilot, lambda: "--preset fast --augment none" in " ".join(screen_text(app).split()))
        assert (schedule.value, nesterov.value) == ("linear", "yes")
        shown = [screen.query_one(f"#{name}", Input).placeholder for name in ("batch_size", "epochs", "lr")]
        assert shown == ["512", "24", "0.4"]
        await pilot.press("left")
        await settle(pilot, lambda: "--preset fast" not in screen_text(app))
        assert (schedule.value, nesterov.value) == ("step", "no")


async def test_tab_goes_round_the_panes(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        visited = [focused_id(screen)]
        for _ in range(4):
            await pilot.press("tab")
            visited.append(focused_id(screen))
        assert visited == ["model", "dataset", "device", "preset", "model"]
        await pilot.press("shift+tab", "shift+tab")
        assert focused_id(screen) == "device"


async def test_slash_narrows_the_networks_and_escape_leaves_first_the_filter_then_the_form(app):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await form(app, pilot)
        await pilot.press("slash", *"vgg16")
        await settle(pilot, lambda: "--model vgg16_bn" in screen_text(app))
        menu = screen.query_one("#model", Menu)
        assert [option.id for option in menu.options if option.id] == ["vgg16_bn"]
        await pilot.press(*"zzz")
        await settle(pilot, lambda: "no network is highlighted" in screen_text(app))
        await pilot.press("escape")
        await settle(pilot, lambda: menu.option_count > len(MODELS))
        assert isinstance(app.screen, NewRunScreen)
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_click_chooses_and_does_not_launch(app, store):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        await pilot.click("#dataset", offset=(3, 3))
        await settle(pilot, lambda: "--dataset cifar10" in screen_text(app))
        assert isinstance(app.screen, NewRunScreen)
        assert not store.list()


async def test_the_chosen_device_is_in_the_command(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        menu = screen.query_one("#device", Menu)
        await settle(pilot, lambda: menu.option_count >= 2)
        await pilot.press("tab", "tab", "end")
        await settle(pilot, lambda: "--device cpu" in screen_text(app))


def test_every_device_shows_its_free_memory():
    lines = device_lines([("cuda:1", "NVIDIA H200, 100 of 140 GiB free")])
    assert [(value, text.plain) for value, text in lines] == [("cuda:1", "cuda:1  NVIDIA H200, 100 of 140 GiB free")]


async def test_a_folder_that_cannot_be_written_is_a_toast(app, store):
    store.root.write_text("a file where the folder should be")
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "no run can be made in" in toasts(app))
        assert isinstance(app.screen, NewRunScreen)
        await settle(pilot, lambda: "enter launches this" in screen_text(app))


async def test_nothing_is_left_of_a_run_whose_trainer_does_not_start(app, store, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "ended before it began" in toasts(app))
        assert isinstance(app.screen, NewRunScreen)
        assert not store.list()


async def test_q_is_a_letter_in_a_field_and_ctrl_q_quits(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        await pilot.press("tab", "tab", "tab", "down", "q")
        assert screen.query_one("#epochs", Input).value == "q"
        await pilot.press("ctrl+q")
    assert app.return_code == 0


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_ones_own_best_stands_beside_the_network(app, store, size):
    run = with_test(finished(make_run(store)))
    report = run.test_report()
    assert report is not None
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: "finished" in screen_text(app))
        await pilot.press("n")
        await settle(pilot, lambda: f"your best digits {100 * report.top1:.1f} %" in screen_text(app))


async def test_an_own_best_by_another_recipe_than_the_seeds_is_marked(app, store):
    with_test(finished(make_run(store, recipe=usual_recipe("resnet20", "digits", "fast"))))
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot, lambda: "finished" in screen_text(app))
        assert "preset fast" in screen_text(app)
        await pilot.press("n")
        await settle(pilot, lambda: "(* preset fast)" in screen_text(app))
        line = next(line for line in screen_text(app).splitlines() if "│resnet20" in line)
        assert re.search(r"\d\.\d\*", line)


async def test_the_command_is_copied_by_a_key(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        screen.query_one("#epochs", Input).value = "3"
        await settle(pilot, lambda: "--epochs 3" in screen_text(app))
        await pilot.press("ctrl+y")
        assert app.clipboard == "cockpit train --model resnet20 --dataset digits --epochs 3"
        await settle(pilot, lambda: "copied" in toasts(app))


async def test_enter_in_the_filter_goes_to_what_was_found(app, store):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        await pilot.press("slash", *"vgg", "enter")
        assert focused_id(screen) == "model"
        assert "--model vgg11_bn" in screen_text(app)
        assert app.screen is screen
        assert not store.root.exists()


async def test_the_whole_idea_of_every_network_is_read_at_80_columns(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        for name, spec in MODELS.items():
            screen.query_one("#model", Menu).choose(name)
            idea = " ".join(spec.idea.split())
            await settle(pilot, lambda idea=idea: idea in " ".join(screen_text(app).split()), name, timeout_s=5)


async def test_devices_are_looked_at_again_when_they_are_looked_at(app):
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await form(app, pilot)
        menu = screen.query_one("#device", Menu)
        await settle(pilot, lambda: "GiB free, load" in screen_text(app))
        pane = screen.query_one(PlacesPane)
        pane._show_devices({"local": (("auto", "nothing is known"),)})
        await settle(pilot, lambda: "nothing is known" in screen_text(app))
        await pilot.press("tab", "tab")
        await settle(pilot, lambda: menu.option_count >= 2)


async def test_a_value_is_typed_anew_in_a_field_that_is_gone_to(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        epochs = screen.query_one("#epochs", Input)
        await pilot.press("shift+tab", "down", "3", "down", "up", "1", "2")
        assert epochs.value == "12"
        await pilot.press("up", "down", "end", "0")
        assert epochs.value == "120"


@pytest.mark.parametrize("width", [80, 160])
async def test_a_device_that_trains_already_is_said_before_enter(app, store, width):
    run = live(make_run(store))
    async with app.run_test(size=(width, 45)) as pilot:
        screen = await form(app, pilot)
        await settle(pilot, lambda: screen.query_one("#device", Menu).option_count >= 2, timeout_s=20)
        await pilot.press("tab", "tab", "end")
        name = run.id if width == 160 else "another run"
        sentence = f"enter launches this · cpu trains {name} already; ^n lets it wait"
        await settle(pilot, lambda: sentence in flat(app), timeout_s=20)


async def test_words_that_no_network_has_are_said_and_escape_brings_the_choice_back(app):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        menu = screen.query_one("#model", Menu)
        menu.choose("vgg13_bn")
        await pilot.press("slash", *"zz")
        await settle(pilot, lambda: "no network fits; esc: all" in screen_text(app), timeout_s=20)
        await pilot.press("escape")
        await settle(pilot, lambda: "--model vgg13_bn" in screen_text(app), timeout_s=20)
        assert focused_id(screen) == "model"
        await pilot.press("slash", *"resnext", "enter", "escape")
        await settle(pilot, lambda: "--model resnext50_32x4d" in screen_text(app), timeout_s=20)


async def test_the_columns_of_the_networks_have_headings(app):
    async with app.run_test(size=(160, 45)) as pilot:
        await form(app, pilot)
        lines = screen_text(app).splitlines()
        heading = next(line for line in lines if "/ finds" in line)
        row = next(line for line in lines if "│resnet20" in line)
        spec = MODELS["resnet20"]
        seed = {one.dataset: f"{100 * one.top1:.1f}" for one in spec.published if one.source == "seed"}
        for name, data in (("C10", "cifar10"), ("C100", "cifar100")):
            if data in seed:
                assert heading.index(f" {name} ") + len(name) + 1 == row.index(seed[data]) + len(seed[data])
        assert "yours" in heading
        assert "published" in flat(app)
        assert "peers" not in flat(app)
