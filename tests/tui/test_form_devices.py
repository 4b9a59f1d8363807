"""Several devices in the form of a new run, on a made-up box of four cards; without cards nothing gets in the way."""

import sys
from collections.abc import Callable

import pytest
from folders import finished, make_run, screen_text, settle, toasts
from textual.widgets import Input
from tiny import make_trainer

from cockpit import devices
from cockpit.devices import Gpu
from cockpit.dispatch import order, slots
from cockpit.recipe import Recipe, usual_recipe
from cockpit.tui.choice import Choice
from cockpit.tui.device_menu import DeviceMenu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.run import RunScreen

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])


@pytest.fixture
def box(monkeypatch) -> Callable[[int], None]:
    """A function that gives this machine so many cards, as NVML would tell of them."""

    def give(number: int) -> None:
        facts = {"memory_bytes": 1 << 29, "memory_total_bytes": 80 << 30, "busy": 0.0, "power_w": 60.0}
        gpus = [Gpu(index=n, name="NVIDIA A100", temperature_c=30.0, pids=(), **facts) for n in range(number)]
        for module in (devices, slots, order):
            monkeypatch.setattr(module, "list_gpus", lambda: gpus)

    return give


def words(app) -> str:
    return " ".join(screen_text(app).split())


async def open_devices(app, pilot, last: str) -> DeviceMenu:
    """Open the form and go to the list of devices, whose last but the CPU is this one."""
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    menu = app.screen.query_one(DeviceMenu)
    await settle(pilot, lambda: last in [option.id for option in menu.options])
    menu.focus()
    await settle(pilot, lambda: menu.has_focus)
    return menu


@SIZES
async def test_space_marks_cards_and_the_command_names_them(app, box, size):
    box(4)
    async with app.run_test(size=size) as pilot:
        menu = await open_devices(app, pilot, "cuda:3")
        assert "space marks several" in screen_text(app)
        await pilot.press("down", "space", "down", "down", "space")
        await settle(pilot, lambda: "--dataset digits --devices cuda:0,cuda:2" in words(app))
        assert menu.device == "cuda:0,cuda:2"
        assert "Device, 2 marked" in screen_text(app)
        assert "2 processes, each with its share of every batch" in words(app)
        assert "enter launches this" in screen_text(app)
        await pilot.press("up", "up", "space")
        await settle(pilot, lambda: "--device cuda:2" in words(app), "what is marked, not what is highlighted")
        await pilot.press("down", "down", "space", "up")
        await settle(pilot, lambda: "--device cuda:1" in words(app), "what is highlighted, for nothing is marked")


async def test_marks_stay_while_the_devices_are_read_again(app, box):
    box(4)
    async with app.run_test(size=(80, 24)) as pilot:
        menu = await open_devices(app, pilot, "cuda:3")
        await pilot.press("down", "space", "down", "space", "tab", "shift+tab")
        await settle(pilot, lambda: menu.has_focus)
        assert menu.device == "cuda:0,cuda:1"
        box(2)
        await pilot.press("tab", "shift+tab")
        await settle(pilot, lambda: len(menu.options) == 4)
        assert menu.device == "cuda:0,cuda:1"
        box(1)
        await pilot.press("tab", "shift+tab")
        await settle(pilot, lambda: "--device cuda:0" in words(app), "the card that was pulled out is not marked")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (["down", "space", "end", "space"], "device 'cuda:0,cpu' mixes cards and CPU, which would wait for the CPU"),
        (["space", "down", "space"], "device 'auto' of 'auto,cuda:0' cannot be one of several; name each card"),
    ],
)
async def test_devices_that_cannot_share_a_run_are_told_as_they_are_marked(app, store, box, keys, sentence):
    box(4)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_devices(app, pilot, "cuda:3")
        await pilot.press(*keys)
        await settle(pilot, lambda: sentence in words(app))
        await pilot.press("enter", "ctrl+n")
        await pilot.pause()
        assert store.list() == []
        await pilot.press("space")
        await settle(pilot, lambda: "enter launches this" in screen_text(app))


async def test_a_recipe_that_is_not_for_several_is_told(app, box):
    box(4)
    async with app.run_test(size=(160, 45)) as pilot:
        await open_devices(app, pilot, "cuda:3")
        await pilot.press("down", "space", "down", "space")
        app.screen.query_one("#batch_size", Input).value = "1"
        await settle(
            pilot, lambda: "batch size 1 is smaller than the 2 devices that share it; take at least 2" in words(app)
        )
        app.screen.query_one("#batch_size", Input).value = ""
        app.screen.query_one("#exact", Choice).value = "yes"
        app.screen.query_one("#exact", Choice).post_message(Choice.Changed())
        await settle(pilot, lambda: "exact reruns are of one device, not of cuda:0,cuda:1" in words(app))


async def test_what_is_marked_is_queued_and_measured(app, store, box):
    box(4)
    order.pause(store, True)
    async with app.run_test(size=(160, 45)) as pilot:
        await open_devices(app, pilot, "cuda:3")
        await pilot.press("down", "space", "down", "space", "ctrl+n")
        await settle(pilot, lambda: "queued, place 1" in toasts(app))
        (run,) = store.list()
        ticket = run.ticket()
        assert ticket is not None
        assert ticket.device == "cuda:0,cuda:1"
        subject = app.screen._subject()
        assert subject is not None
        assert subject.device == "cuda:0,cuda:1"


@pytest.mark.parametrize("number", [0, 1])
async def test_with_one_card_or_none_there_is_nothing_to_mark(app, box, number):
    box(number)
    async with app.run_test(size=(80, 24)) as pilot:
        menu = await open_devices(app, pilot, "cpu")
        assert "space marks" not in screen_text(app)
        await pilot.press("down", "space")
        await settle(pilot, lambda: "this machine has no two cards to train on together" in toasts(app))
        assert menu.device == ("cuda:0" if number else "cpu")


async def test_space_elsewhere_marks_nothing(app, box):
    box(4)
    async with app.run_test(size=(80, 24)) as pilot:
        menu = await open_devices(app, pilot, "cuda:3")
        app.screen.query_one("#model").focus()
        await pilot.press("space")
        await settle(pilot, lambda: "space marks devices in their list" in toasts(app))
        assert menu.device == "auto"


def was_on(run, device: str) -> None:
    run.launches_path.write_text(run.launches_path.read_text().replace('"device":"cpu"', f'"device":"{device}"'))


async def clone(app, pilot, run) -> None:
    await settle(pilot, lambda: run.id in screen_text(app))
    await pilot.press("N")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and f"like {run.id}" in words(app))


@SIZES
async def test_a_run_on_two_processes_of_the_cpu_is_made_again(app, store, tmp_path, monkeypatch, size):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    run = finished(make_run(store, recipe=usual_recipe("resnet20", "digits", "seed", epochs=3)))
    was_on(run, "cpu,cpu")
    async with app.run_test(size=size) as pilot:
        await clone(app, pilot, run)
        await settle(pilot, lambda: "--epochs 3 --devices cpu,cpu" in words(app))
        menu = app.screen.query_one(DeviceMenu)
        menu.focus()
        await settle(pilot, lambda: "2 × cpu 2 processes" in words(app))
        assert menu.device == "cpu,cpu"
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        (new,) = [other for other in store.list() if other.id != run.id]
        assert new.launches()[0].device == "cpu,cpu"


async def test_the_cards_of_a_run_are_marked(app, store, box):
    box(4)
    run = finished(make_run(store))
    was_on(run, "cuda:1,cuda:3")
    async with app.run_test(size=(160, 45)) as pilot:
        await clone(app, pilot, run)
        await settle(pilot, lambda: "--devices cuda:1,cuda:3" in words(app))
        assert "Device, 2 marked" in screen_text(app)


async def test_what_a_queued_run_asks_for_is_kept_and_cards_that_are_not_here_are_said(app, store, box):
    box(4)
    order.pause(store, True)
    (run,) = order.enqueue(store, [Recipe().complete()], device="cuda,cuda,cuda")
    async with app.run_test(size=(160, 45)) as pilot:
        await clone(app, pilot, run)
        await settle(pilot, lambda: "--devices cuda,cuda,cuda" in words(app))
        await pilot.press("escape")
        box(2)
        await clone(app, pilot, run)
        await settle(
            pilot, lambda: f"{run.id} was trained on cuda,cuda,cuda, which cannot be chosen here" in toasts(app)
        )
        assert app.screen.query_one(DeviceMenu).device == "auto"
