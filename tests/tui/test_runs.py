"""The browser of runs: what it shows, and each of its keys."""

import asyncio
import signal
import subprocess
import sys

import psutil
import pytest
from folders import (
    epoch_record,
    finished,
    launched,
    launched_by,
    live,
    make_run,
    screen_text,
    settle,
    step,
    toasts,
    with_test,
    write,
)
from waiting import wait_for

from cockpit.recipe import Recipe
from cockpit.results import Imported
from cockpit.tui.app import CockpitApp, farewell
from cockpit.tui.confirm import ConfirmScreen
from cockpit.tui.help import HelpScreen
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable

FIRST, SECOND, THIRD = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2, 3))


def rows(app) -> list[str]:
    return [row.id for row in app.screen.query_one(RunTable).rows]


def row_text(app, run_id: str) -> str:
    return " | ".join(app.screen.query_one(RunTable).texts(run_id))


async def test_no_runs_teaches_the_first_keys(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        assert "Press n" in screen_text(app)
        assert "no download" in screen_text(app)


async def test_runs_are_listed_newest_first_with_their_best_checkpoint_and_test(app, store):
    with_test(finished(make_run(store, FIRST), val_acc=0.912))
    make_run(store, SECOND, Recipe(model="resnet18", lr=0.05))
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot, lambda: rows(app) == [SECOND, FIRST])
        assert row_text(app, FIRST).startswith("✓ finished | resnet20 | digits | 3/30 | 91.2 | 1 | 97.2 | 99.9 | 11-23")
        assert row_text(app, SECOND).startswith(
            "◦ created | resnet18 | digits | 0/30 | — | — | — | — | — | 0:00 | lr 0.05"
        )


async def test_the_important_columns_fit_80_columns(app, store):
    with_test(finished(make_run(store, FIRST)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        table = app.screen.query_one(RunTable)
        assert [column.title for column in table.columns] == [
            "status",
            "model",
            "dataset",
            "epoch",
            "val %",
            "at",
            "test %",
            "started",
        ]
        assert sum(column.width + 2 for column in table.columns) <= 80


async def test_names_of_networks_are_whole_where_there_is_room(app, store):
    make_run(store, SECOND, recipe=Recipe(model="seresnext101_32x4d").complete())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "sere…1_32x4d" in screen_text(app))
        await pilot.resize_terminal(120, 40)
        await settle(pilot, lambda: "seresnext101_32x4d" in screen_text(app))


async def test_the_detail_names_the_cause_and_the_remedy(app, store):
    finished(make_run(store, FIRST), state="failed", detail="CUDA out of memory; halve batch_size")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot, lambda: "CUDA out of memory; halve batch_size · r tries again" in screen_text(app))


async def test_the_detail_names_a_file_that_cannot_be_used(app, store):
    finished(make_run(store, FIRST)).test_path.write_text("[]")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot, lambda: "test.json is not a test result (Expected `object`" in screen_text(app))
        assert "finished" in screen_text(app)


async def test_a_run_that_goes_on_changes_its_row_and_leaves_the_cursor(app, store):
    make_run(store, FIRST)
    run = live(make_run(store, SECOND))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app))
        await pilot.press("down")
        write(run, step(0.9), epoch_record(1, val_acc=0.876))
        await settle(pilot, lambda: "1/30 | 87.6 | 1" in row_text(app, SECOND))
        make_run(store, THIRD)
        await settle(pilot, lambda: rows(app) == [THIRD, SECOND, FIRST])
        assert app.screen.query_one(RunTable).chosen.id == FIRST


async def test_only_the_changed_cells_are_painted(app, store):
    run = live(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app))
        table = app.screen.query_one(RunTable)
        await pilot.pause()
        painted = []
        refresh = table.refresh

        def note(*regions, **options):
            painted.append(regions)
            return refresh(*regions, **options)

        table.refresh = note
        write(run, epoch_record(1))
        await settle(pilot, lambda: "1/30" in row_text(app, FIRST))
        assert [region.width - 2 for regions in painted for region in regions] == [7, 6, 4], "epoch, accuracy and where"
        assert all(painted), "no refresh of the whole table"


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["down"], 1),
        (["j", "j", "k"], 1),
        (["end"], 39),
        (["G", "up"], 38),
        (["end", "home"], 0),
        (["pagedown"], 15),
        (["pagedown", "pageup"], 0),
        (["up"], 0),
    ],
)
async def test_the_cursor_moves_and_stays_in_sight(app, store, keys, place):
    ids = [make_run(store, f"20251123-14{n:02}00-resnet20-digits-0000").id for n in range(40)][::-1]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app) == ids)
        table = app.screen.query_one(RunTable)
        await pilot.press(*keys)
        assert table.chosen.id == ids[place]
        assert place in range(table.scroll_offset.y, table.scroll_offset.y + table.size.height - 1)
        await settle(pilot, lambda: ids[place] in screen_text(app), "the detail")


async def test_hostile_text_is_shown_as_it_stands(app, store):
    run = make_run(store, FIRST)
    (run.path / "recipe.json").write_text('{"model": "[/x]\\u001b[31m\\u202eevil", "dataset": "[red]d", "epochs": 3}')
    finished(run, state="failed", detail="[@click=app.quit]boom[/] \x1b[2J[/]")
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot, lambda: "[@click=app.quit]boom[/]" in screen_text(app))
        assert "│[/x]evil│[red]d│" in row_text(app, FIRST).replace(" | ", "│")
        assert "\x1b" not in screen_text(app)
        assert "\u202e" not in screen_text(app)


@pytest.mark.parametrize(
    ("typed", "left"),
    [("second", []), ("0002", [SECOND]), ("finished", [FIRST]), ("resnet20 created", [THIRD, SECOND]), ("LR", [THIRD])],
)
async def test_slash_filters_and_escape_shows_all(app, store, typed, left):
    finished(make_run(store, FIRST))
    make_run(store, SECOND)
    make_run(store, THIRD, Recipe(lr=0.3))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: len(rows(app)) == 3)
        await pilot.press("slash", *("space" if letter == " " else letter for letter in typed))
        await settle(pilot, lambda: rows(app) == left)
        if not left:
            assert "No run contains second" in screen_text(app)
        await pilot.press("escape")
        await settle(pilot, lambda: rows(app) == [THIRD, SECOND, FIRST])
        assert isinstance(app.screen.focused, RunTable)


async def test_q_in_the_filter_is_a_letter_and_enter_returns_to_the_table(app, store):
    make_run(store, FIRST)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press("slash", "q", "enter")
        assert app.is_running
        assert isinstance(app.screen.focused, RunTable)


@pytest.mark.parametrize(
    ("key", "screen"), [("n", NewRunScreen), ("enter", RunScreen), ("question_mark", HelpScreen), ("d", ConfirmScreen)]
)
async def test_keys_open_screens_and_escape_returns(app, store, key, screen):
    make_run(store, FIRST)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press(key)
        await settle(pilot, lambda: isinstance(app.screen, screen))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_click_opens_the_run(app, store):
    make_run(store, FIRST)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.click(RunTable, offset=(5, 1))
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_the_key_bar_can_be_clicked(app, store):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        await pilot.click(".key-bar", offset=(3, 0))
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))


@pytest.mark.parametrize(("answer", "left"), [("y", []), ("enter", []), ("n", [FIRST]), ("escape", [FIRST])])
async def test_d_deletes_only_after_a_yes(app, store, answer, left):
    finished(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press("d")
        await settle(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert FIRST in screen_text(app)
        assert "best validation 90.0 %" in screen_text(app)
        await pilot.press(answer)
        await settle(pilot, lambda: rows(app) == left)
        assert [run.id for run in store.list()] == left


async def test_a_live_run_is_not_deleted(app, store):
    live(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app))
        await pilot.press("d")
        await settle(pilot, lambda: "stop it first" in toasts(app))
        assert isinstance(app.screen, RunsScreen)


async def test_s_asks_the_trainer_to_stop(app, store):
    trainer = subprocess.Popen([sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()"], stdout=-1)
    assert trainer.stdout is not None
    assert trainer.stdout.readline()
    launched_by(make_run(store, FIRST), psutil.Process(trainer.pid))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "● running" in screen_text(app))
        await pilot.press("s")
        await settle(pilot, lambda: "is stopping after the next step, with a checkpoint" in toasts(app))
        assert await asyncio.to_thread(trainer.wait, 10) == -signal.SIGTERM
        await settle(pilot, lambda: "? lost" in screen_text(app))
    trainer.stdout.close()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("s", f"run {FIRST} is finished; there is nothing to stop"),
        ("r", f"run {FIRST} is finished, so there is nothing to resume"),
        ("t", "the test of"),
    ],
)
async def test_what_cannot_be_done_is_said(app, store, key, sentence):
    finished(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press(key)
        await settle(pilot, lambda: sentence in toasts(app))


@pytest.mark.parametrize("key", ["t", "s", "r", "enter", "d"])
async def test_keys_without_a_run_do_no_harm(app, key):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)


async def test_a_test_without_a_checkpoint_says_when_there_will_be_one(app, store):
    launched(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press("t")
        await settle(pilot, lambda: "has no best checkpoint yet" in toasts(app))
        assert not app.testing


async def test_q_leaves_at_once_and_the_farewell_names_what_goes_on(app, store):
    live(make_run(store, FIRST))
    finished(make_run(store, SECOND))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: rows(app))
        await pilot.press("q")
        await asyncio.to_thread(wait_for, lambda: not app.is_running)
    assert app.return_code == 0
    assert farewell(app.reader) == f"1 run goes on in the background: {FIRST}. `cockpit` shows it again."


def test_the_farewell_of_an_idle_cockpit(store):
    assert farewell(CockpitApp(store).reader) == "Nothing is training now."


def test_the_farewell_counts_many_runs(store):
    ids = [f"2025112{n}-140000-resnet20-digits-0000" for n in range(1, 7)]
    for run_id in ids:
        live(make_run(store, run_id))
    words = farewell(CockpitApp(store).reader, {ids[0]})
    assert words.startswith("6 runs go on in the background: ")
    assert "and 2 more" in words
    assert f"The test of {ids[0]} goes on too" in words
    assert words.endswith("`cockpit` shows them again.")


async def test_t_says_that_it_tests_and_that_it_does_already(app, store):
    run = finished(make_run(store))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: app.screen._look.complete and "t tests it" in screen_text(app))
        await pilot.press("t", "t")
        assert f"testing {run.id}" in toasts(app)
        assert f"{run.id} is being tested already" in toasts(app)
        await settle(pilot, lambda: not app.testing, "the test has failed")


async def test_the_sign_beside_an_accuracy_is_explained(app, store):
    run = finished(make_run(store, recipe=Recipe(lr=0.05)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "* not the seed's recipe: lr 0.05" in screen_text(app))
        assert "90.0*" in app.screen.query_one(RunTable).texts(run.id)
        await pilot.press("question_mark")
        await settle(pilot, lambda: "* beside an accuracy: not the seed's recipe" in screen_text(app))


async def test_imported_runs_are_told_apart_by_their_files(app, store):
    for name in ("net.pth", "resnet20-best.pt"):
        facts = {"model": "resnet20", "dataset": "digits", "sha256": "0" * 64, "normalization": "given", "time": 1e9}
        store.create_imported(Imported(source=name, **facts), lambda run: run.best_path.write_bytes(b"weights"))
    async with app.run_test(size=(200, 24)) as pilot:
        await settle(pilot, lambda: "imported net.pth" in screen_text(app))
        assert "imported resnet20-best.pt" in screen_text(app)
        assert "0/0" not in screen_text(app)
        assert "0:00" not in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: " net.pth " in screen_text(app) and " resnet…" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: "no epoch was trained here" in screen_text(app))
        assert "imported, not trained here" in screen_text(app)
        assert "no data yet" not in screen_text(app)
        await pilot.press("p")
        await settle(pilot, lambda: "Its weights were imported, not trained here." in screen_text(app))
        await pilot.press("escape", "l")
        await settle(pilot, lambda: "imported, so there is none" in screen_text(app))
