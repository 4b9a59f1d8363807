"""What the Runs screen does to many runs: marks, undo, stops, tests, comparison and export."""

import json
import signal
import subprocess
import sys

import pytest
from folders import live, make_run, screen_text, settle, toasts
from listed import SIZE, A, B, C, D, answer, opened, rows, table, title, type_in
from textual.widgets import Input

from cockpit.store.trash import deleted
from cockpit.tui.app import CockpitApp
from cockpit.tui.ask import AskScreen
from cockpit.tui.confirm import ConfirmScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import MARK, RunTable


async def test_space_marks_and_a_marks_all_or_none(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("space", "down", "space")
        assert [row.id for row in table(app).marked] == [D, B]
        marked = [line for line in screen_text(app).splitlines() if line.startswith(MARK)]
        assert len(marked) == 2, "by a sign that needs no colour"
        assert "2 marked" in title(app)
        await pilot.press("up", "space")
        assert [row.id for row in table(app).marked] == [D]
        await pilot.press("a")
        assert len(table(app).marked) == 4
        await pilot.press("a")
        assert table(app).marked == []
        await pilot.press("a", "escape")
        assert table(app).num_marks == 0


async def test_marks_that_a_filter_hides_are_not_acted_on(app, store, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("a", "slash")
        await type_in(pilot, "model:vgg*")
        await pilot.press("enter")
        await settle(pilot, lambda: "3 of them not shown" in title(app))
        await pilot.press("d", "y")
        await settle(pilot, lambda: [run.id for run in store.list()] == [D, B, A])
        await pilot.press("escape")
        await settle(pilot, lambda: "3 marked" in title(app))


async def test_a_click_with_ctrl_marks(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.click(RunTable, offset=(5, 2), control=True)
        assert [row.id for row in table(app).marked] == [C]
        assert isinstance(app.screen, RunsScreen)


async def test_what_d_deletes_u_brings_back_from_the_last_to_the_first(app, store, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("u")
        await settle(pilot, lambda: "nothing was deleted that could be brought back" in toasts(app))
        await pilot.press("d")
        await settle(pilot, lambda: "u brings back what was deleted, until you quit" in screen_text(app))
        await pilot.press("y")
        await settle(pilot, lambda: rows(app) == [C, B, A])
        assert f"{D} is deleted; u brings it back, until you quit" in toasts(app)
        await pilot.press("space", "space", "d")
        await settle(
            pilot, lambda: "Delete 2 runs with their checkpoints (best validation 90.0 %)?" in screen_text(app)
        )
        assert B in screen_text(app)
        await pilot.press("y")
        await settle(pilot, lambda: rows(app) == [A])
        await pilot.press("u")
        await settle(pilot, lambda: rows(app) == [C, B, A])
        assert toasts(app).splitlines()[-1] == "2 runs are back; u brings back 1 more run"
        assert "deleted; u brings" not in toasts(app)
        await pilot.press("u")
        await settle(pilot, lambda: rows(app) == [D, C, B, A])
        assert deleted(store.root) == []


async def test_runs_that_go_on_are_left_out_of_a_deletion(app, store, four):
    live(make_run(store, "20251123-150000-resnet20-digits-0005"))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: len(rows(app)) == 5)
        await pilot.press("a", "d")
        await settle(pilot, lambda: "1 marked run that goes on will stay" in screen_text(app))
        await pilot.press("y")
        await settle(pilot, lambda: len(rows(app)) == 1)
        app.clear_notifications()
        await pilot.press("d")
        await settle(pilot, lambda: "stop it first (s)" in toasts(app))


async def test_capital_d_empties_the_trash_after_a_question(app, store, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("D")
        await settle(pilot, lambda: "the trash is empty" in toasts(app))
        await pilot.press("d", "y")
        await settle(pilot, lambda: rows(app) == [C, B, A])
        await pilot.press("D")
        await settle(pilot, lambda: "Delete 1 deleted run for good?" in screen_text(app))
        await pilot.press("y")
        await settle(pilot, lambda: "1 run gone for good" in toasts(app))
        assert deleted(store.root) == []
        await pilot.press("u")
        await settle(pilot, lambda: "nothing was deleted that could be brought back" in toasts(app))


async def test_what_a_killed_cockpit_deleted_is_brought_back_by_the_next(store, four):
    code = f"""
import os, pathlib, signal
from cockpit.store import RunStore
from cockpit.store.trash import Trash

store = RunStore(pathlib.Path({str(store.root)!r}))
Trash(store.root).put(store.list()[:1])
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    app = CockpitApp(store)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: "u brings back a run that was deleted before the last cockpit" in toasts(app))
        await pilot.press("u")
        await settle(pilot, lambda: rows(app) == [D, C, B, A])


async def test_s_asks_before_it_stops_several(app, store, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("down", "space", "space", "s")
        await settle(pilot, lambda: "none of the 2 marked runs goes on or waits" in toasts(app))
        live(make_run(store, "20251123-161000-resnet20-digits-0005"))
        await settle(pilot, lambda: len(rows(app)) == 5)
        await pilot.press("a", "s")
        await settle(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Stop 1 run, each with a checkpoint?" in screen_text(app)
        await pilot.press("n")


@pytest.mark.slow
async def test_t_tests_several_one_after_another(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("end", "space", "up", "space", "t")
        assert "2 runs are tested, one after another" in toasts(app)
        assert len(app.testing) == 1
        assert len(app.tests_ahead) == 1
        await settle(pilot, lambda: toasts(app).count("the test of") == 2 and not app.testing, "both have failed")
        assert app.tests_ahead == []


@pytest.mark.parametrize(("marks", "sentence"), [(0, "mark 2 to 8 runs with the space bar"), (1, "mark 2 to 8 runs")])
async def test_c_says_how_many_it_compares(app, four, marks, sentence):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press(*["space"] * marks, "c")
        await settle(pilot, lambda: sentence in toasts(app))


async def test_c_refuses_more_than_eight_and_compares_fewer(app, store, monkeypatch):
    for n in range(9):
        make_run(store, f"20251123-14{n}000-resnet20-digits-000{n}")
    compared = []
    monkeypatch.setattr(app, "open_compare", compared.append)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: len(rows(app)) == 9)
        await pilot.press("a", "c")
        await settle(pilot, lambda: "9 runs are marked; at most 8 are compared" in toasts(app))
        await pilot.press("space", "c")
        assert [len(runs) for runs in compared] == [8]


async def test_x_writes_what_is_shown_and_never_over_a_file_unasked(app, four, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, "status:finished")
        await settle(pilot, lambda: rows(app) == [B, A])
        await pilot.press("enter", "x")
        await settle(pilot, lambda: isinstance(app.screen, AskScreen) and "Write 2 runs to a file" in screen_text(app))
        assert app.screen.query_one(Input).value.endswith(".csv")
        await answer(app, pilot, "runs.txt")
        await settle(pilot, lambda: "ends neither in .csv nor in .json" in screen_text(app))
        await answer(app, pilot, "runs.json")
        await settle(pilot, lambda: f"2 runs written to {tmp_path / 'runs.json'}" in toasts(app).replace("\n", ""))
        assert [row["id"] for row in json.loads((tmp_path / "runs.json").read_text())] == [B, A]
        await pilot.press("space", "x")
        await settle(pilot, lambda: isinstance(app.screen, AskScreen) and "Write 1 marked run" in screen_text(app))
        await answer(app, pilot, "runs.json")
        await settle(pilot, lambda: "enter again writes over it" in screen_text(app).replace("\n", " "))
        assert len(json.loads((tmp_path / "runs.json").read_text())) == 2
        await pilot.press("enter")
        await settle(pilot, lambda: "1 run written to" in toasts(app))
        assert [row["id"] for row in json.loads((tmp_path / "runs.json").read_text())] == [B]


@pytest.mark.parametrize("key", ["u", "D", "o", "O", "space", "a", "m", "number_sign", "c", "x"])
async def test_keys_without_a_run_do_no_harm(app, key):
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)
