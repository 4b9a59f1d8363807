"""The queue on the screen: what it shows, each of its keys, and that the cockpit keeps it moving."""

import sys

import pytest
from folders import live, make_run, screen_text, settle, toasts
from tiny import make_trainer, ran
from waiting import wait_for

from cockpit import tickets
from cockpit.dispatch import order
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tui.app import farewell
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.queue import QueueScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RowTable


def enqueue(store: RunStore, count: int = 3, **settings) -> list[Run]:
    return order.enqueue(store, [Recipe(seed=seed).complete() for seed in range(count)], **settings)


@pytest.fixture
def waiting(store) -> list[Run]:
    """Three runs that wait while the queue is paused."""
    order.pause(store, True)
    return enqueue(store)


async def open_queue(app, pilot) -> RowTable:
    await pilot.press("w")
    await settle(pilot, lambda: isinstance(app.screen, QueueScreen) and app.screen._look is not None)
    return app.screen.query_one(RowTable)


def ids(table: RowTable) -> list[str]:
    return [row.id for row in table.rows]


def chosen_id(app) -> str:
    return app.screen.query_one(RowTable).chosen.id


async def test_an_empty_queue_teaches_how_to_fill_it(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_queue(app, pilot)
        assert "Nothing waits." in screen_text(app)
        assert "ctrl+n puts it into the queue" in screen_text(app)
        assert "cpu       free  CPU" in screen_text(app)
        for key in ("enter", "K", "plus", "x"):
            await pilot.press(key)
        assert isinstance(app.screen, QueueScreen)
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_it_shows_what_trains_what_waits_why_and_the_devices(app, store):
    trained = live(make_run(store))
    first, second = enqueue(store, 1, device="cpu")[0], enqueue(store, 1, priority=-2)[0]
    async with app.run_test(size=(160, 45)) as pilot:
        table = await open_queue(app, pilot)
        assert ids(table) == [trained.id, first.id, second.id]
        assert table.texts(trained.id)[:4] == ["●", "resnet20", "digits", "cpu"]
        assert "running, epoch 0/30" in table.texts(trained.id)
        assert table.texts(first.id)[:5] == ["1", "resnet20", "digits", "cpu", ""]
        assert table.texts(second.id)[:5] == ["2", "resnet20", "digits", "auto", "-2"]
        text = screen_text(app)
        assert "2 waiting  1 training" in text
        assert "cpu       taken  CPU" in text
        assert f"cpu is busy with {trained.id.split('-', 2)[2]}" in table.texts(first.id)
        await pilot.press("down")
        await settle(pilot, lambda: f"cpu is busy with {trained.id}" in screen_text(app), "the whole reason")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["K"], [1, 0, 2]),
        (["shift+up"], [1, 0, 2]),
        (["J"], [0, 2, 1]),
        (["shift+down"], [0, 2, 1]),
        (["down", "T"], [2, 0, 1]),
        (["down", "plus"], [2, 0, 1]),
        (["up", "minus"], [1, 2, 0]),
        (["x"], [0, 2]),
    ],
)
async def test_keys_change_the_order_and_the_cursor_stays_on_its_run(app, store, waiting, keys, expected):
    async with app.run_test(size=(80, 24)) as pilot:
        table = await open_queue(app, pilot)
        await pilot.press("down", *keys[:-1])
        chosen = chosen_id(app)
        await pilot.press(keys[-1])
        await settle(pilot, lambda: ids(table) == [waiting[n].id for n in expected])
        assert [*tickets.places(tickets.read_tickets(store.root))] == ids(table)
        assert keys[-1] == "x" or chosen_id(app) == chosen
        assert waiting[1].path.exists()


async def test_p_pauses_and_goes_on_and_the_first_is_launched(app, store, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    order.set_slots(store, "cpu", 0)
    (run,) = enqueue(store, 1)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_queue(app, pilot)
        await pilot.press("p")
        await settle(pilot, lambda: "paused: p goes on" in screen_text(app))
        order.set_slots(store, "cpu", 1)
        await pilot.press("p")
        await settle(pilot, lambda: f"queue: {run.id} is launched on cpu" in toasts(app))
        await settle(pilot, lambda: "Nothing waits." in screen_text(app))
    wait_for(lambda: len(ran(store)) == 1)


async def test_an_open_cockpit_keeps_the_queue_moving(app, store, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        (run,) = enqueue(store, 1)  # by somebody who was killed before he ticked
        await settle(pilot, lambda: f"queue: {run.id} is launched on cpu" in toasts(app))


async def test_damaged_settings_are_told_and_not_overwritten(app, store):
    enqueue(store, 1)
    (store.root / "queue.json").write_text("{")
    async with app.run_test(size=(160, 45)) as pilot:
        await open_queue(app, pilot)
        assert "queue.json is damaged" in screen_text(app)
        await pilot.press("p")
        await settle(pilot, lambda: "correct it or delete it" in toasts(app))
    assert (store.root / "queue.json").read_text() == "{"


async def test_enter_opens_the_run_and_a_training_one_is_not_taken_out(app, store):
    trained = live(make_run(store))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_queue(app, pilot)
        await pilot.press("x")
        await settle(pilot, lambda: f"{trained.id} trains already" in toasts(app))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_ctrl_n_puts_a_new_run_into_the_queue_and_leaves_the_form(app, store, waiting):
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        for place in (4, 5):
            await pilot.press("ctrl+n")
            await settle(pilot, lambda place=place: f"queued, place {place}" in toasts(app))
        assert isinstance(app.screen, NewRunScreen)
    assert len(tickets.read_tickets(store.root)) == 5


async def test_a_queue_that_cannot_be_written_is_a_toast_and_the_form_stays(app, store):
    store.root.write_text("a file where the folder should be")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("ctrl+n")
        await settle(pilot, lambda: "cannot be written" in toasts(app))
        await settle(pilot, lambda: not app.screen._launching)


async def test_runs_show_their_place_and_s_takes_one_from_the_queue(app, store, waiting):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen) and "queued, place" in screen_text(app))
        assert "3 runs  3 queued" in screen_text(app)
        assert "s takes it out, r launches it" in screen_text(app)
        chosen = chosen_id(app)
        await pilot.press("s")
        await settle(pilot, lambda: f"{chosen} is taken from the queue" in toasts(app))
        await settle(pilot, lambda: "not launched yet · r launches it" in screen_text(app))
        assert "◦ created" in screen_text(app)
        assert screen_text(app).count("○ waiting") == 2
        await pilot.press("/", *"status:created", "enter")
        await settle(pilot, lambda: "1 of 3 runs" in screen_text(app))


async def test_the_run_screen_follows_its_place(app, store, waiting):
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot, lambda: app.screen.query_one(RowTable).rows)
        app.open_run(waiting[2])
        await settle(pilot, lambda: "queued, place 3" in screen_text(app))
        order.move(store, waiting[2], "top")
        await settle(pilot, lambda: "queued, place 1" in screen_text(app))


def test_the_farewell_tells_what_waits(app, store, waiting):
    assert farewell(app.reader) == "3 runs wait in the queue. `cockpit` shows them again."
    order.withdraw(store, waiting[0])
    order.withdraw(store, waiting[1])
    assert farewell(app.reader) == "1 run waits in the queue. `cockpit` shows it again."
