"""The keys of the Runs screen for many runs: filter language, order, marks, notes, tags, undo and export."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from folders import epoch_record, finished, live, make_run, screen_text, settle, toasts, with_test, write
from textual.widgets import Input
from waiting import wait_for

from cockpit.recipe import Recipe
from cockpit.store import Run
from cockpit.store.trash import deleted
from cockpit.tui.app import CockpitApp
from cockpit.tui.ask import AskScreen
from cockpit.tui.confirm import ConfirmScreen
from cockpit.tui.filter_line import FilterLine
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import MARK, RunTable

A, B, C, D = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2, 3, 4))
SIZE = (80, 24)


@pytest.fixture
def four(store) -> list[Run]:
    """Runs A to D, the oldest first: two finished ones, one of another network, one created."""
    return [
        finished(make_run(store, A), val_acc=0.5),
        with_test(finished(make_run(store, B), val_acc=0.9)),
        finished(make_run(store, C, Recipe(model="vgg16_bn")), val_acc=0.7, state="failed", detail="loss is NaN"),
        make_run(store, D, Recipe(lr=0.3)),
    ]


def table(app) -> RunTable:
    return app.screen.query_one(RunTable)


def rows(app) -> list[str]:
    return [row.id for row in table(app).rows]


def chosen(app) -> str:
    row = table(app).chosen
    assert row is not None
    return row.id


def title(app) -> str:
    return screen_text(app).splitlines()[0]


def header(app) -> str:
    return screen_text(app).splitlines()[2]


async def opened(app, pilot) -> None:
    await settle(pilot, lambda: len(rows(app)) == 4)


async def type_in(pilot, text: str) -> None:
    for letter in text:
        names = {" ": "space", ":": "colon", ">": "greater_than_sign", "%": "percent_sign", "*": "asterisk"}
        await pilot.press(names.get(letter, letter))


async def answer(app, pilot, text: str, key: str = "enter") -> None:
    """Answer the question that has just been asked with a line."""
    await settle(pilot, lambda: isinstance(app.screen, AskScreen))
    app.screen.query_one(Input).value = text
    await pilot.press(key)


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("model:vgg*", [C]),
        ("val>60%", [C, B]),
        ("val>60% -status:failed", [B]),
        ("status:created", [D]),
        ("lr:0.3", [D]),
        ("model:vg", [C]),
        ("-resnet20", []),
    ],
)
async def test_the_filter_speaks_of_fields(app, four, typed, left):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, typed)
        await settle(pilot, lambda: rows(app) == left)
        await pilot.press("enter")
        assert isinstance(app.screen.focused, RunTable) or not left
        await pilot.press("escape")
        await settle(pilot, lambda: rows(app) == [D, C, B, A])


async def test_a_mistake_is_told_below_the_line_while_what_was_understood_holds(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("slash")
        assert "model:resnet*  status:running,failed  val>90%" in screen_text(app)
        await type_in(pilot, "status:failed")
        await settle(pilot, lambda: rows(app) == [C])
        assert "status: created  failed  finished" in screen_text(app), "the values that there are"
        await type_in(pilot, " val>x")
        await settle(pilot, lambda: "val is an accuracy, and 'x' is none; write 0.9 or 90%" in screen_text(app))
        assert rows(app) == [C]
        await pilot.press("backspace", "5")
        await settle(pilot, lambda: "val: best validation top-1  val>90%" in screen_text(app))
        await pilot.press("escape")
        await settle(pilot, lambda: rows(app) == [D, C, B, A])
        assert not app.screen.query_one(FilterLine).display


async def test_the_filter_completes_with_tab_and_the_arrow_down_leaves_it(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("slash", *"mod")
        line = app.screen.query_one(FilterLine)
        await settle(pilot, lambda: line.query_one(Input)._suggestion == "model:")
        await pilot.press("tab", "v")
        await settle(pilot, lambda: line.query_one(Input)._suggestion == "model:vgg16_bn")
        await pilot.press("tab", "down")
        assert line.text == "model:vgg16_bn"
        assert rows(app) == [C]
        assert isinstance(app.screen.focused, RunTable)


async def test_a_field_still_being_typed_does_not_empty_the_list(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("slash", *"epo")
        await settle(pilot, lambda: app.screen.query_one(FilterLine).text == "epo")
        assert len(rows(app)) == 4
        await pilot.press("enter")
        await settle(pilot, lambda: "No run contains epo" in screen_text(app), "it was meant as it stands")


async def test_o_sorts_by_each_column_and_capital_o_turns_the_order(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        orders = {}
        for _ in table(app).columns:
            await pilot.press("o")
            name = next(word for word in header(app).replace(" %", "%").split() if word[-1] in "▲▼")
            orders[name] = rows(app)
        assert orders["val%▼"] == [B, C, A, D]
        assert orders["model▲"] == [D, B, A, C]
        assert [*orders] == ["status▲", "model▲", "dataset▲", "epoch▼", "val%▼", "at▼", "test%▼", "started▼"]
        await pilot.press("o")
        assert rows(app) == [D, C, B, A]
        assert "▲" not in header(app)
        await pilot.press("O")
        assert rows(app) == [A, B, C, D]
        assert "the oldest first" in title(app)
        await pilot.press("o", "O")
        assert "status▼" in header(app)


async def test_a_click_on_a_header_sorts_and_again_turns_the_order(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        x = header(app).index("val %")
        await pilot.click(RunTable, offset=(x, 0))
        assert (rows(app), "val %▼" in header(app)) == ([B, C, A, D], True)
        await pilot.click(RunTable, offset=(x, 0))
        assert (rows(app), "val %▲" in header(app)) == ([A, C, B, D], True)


async def test_the_order_is_remembered(app, store, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press(*"ooooo", "O")
        await asyncio.to_thread(wait_for, lambda: app.remembered.get("runs.reverse", False))
    again = CockpitApp(store)
    async with again.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: rows(again) == [A, C, B, D])
        assert "val %▲" in header(again)


async def test_a_sorted_live_list_leaves_the_cursor_on_its_run_and_in_its_place(app, store):
    ids = [f"20251123-14{n:02}00-resnet20-digits-0000" for n in range(40)]
    for number, run_id in enumerate(ids):
        finished(make_run(store, run_id), val_acc=0.3 + number / 100)
    leader = live(make_run(store, "20251123-150000-resnet20-digits-0000"))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: len(rows(app)) == 41)
        await pilot.press(*"ooooo", "pagedown", "pagedown", "up")
        before, below = chosen(app), table(app).scroll_offset.y
        assert 0 < below < 25, "neither at the top nor at the end"
        write(leader, epoch_record(1, val_acc=0.99))
        await settle(pilot, lambda: rows(app)[0] == leader.id)
        assert chosen(app) == before
        assert table(app).scroll_offset.y == below + 1, "so that its row stays where it is"


async def test_the_cursor_on_the_first_run_stays_first_when_the_order_changes(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press(*"ooooo")
        assert chosen(app) == B
        await settle(pilot, lambda: B in screen_text(app), "its detail")
        await pilot.press("down", "O")
        assert chosen(app) == C


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


async def test_m_writes_a_note_that_the_detail_and_the_run_show(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("down", "m")
        await answer(app, pilot, "lr too high [b]x[/b]")
        await settle(pilot, lambda: "lr too high [b]x[/b]" in screen_text(app))
        assert four[2].remarks().note == "lr too high [b]x[/b]"
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "lr too high [b]x[/b]" in screen_text(app))
        await pilot.press("m")
        await settle(pilot, lambda: isinstance(app.screen, AskScreen))
        assert app.screen.query_one(Input).value == "lr too high [b]x[/b]"
        await answer(app, pilot, "")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "lr too high" not in screen_text(app))
        assert four[2].remarks().note == ""


async def test_hash_edits_the_tags_of_one_run_and_they_are_found(app, four):
    async with app.run_test(size=SIZE) as pilot:
        await opened(app, pilot)
        await pilot.press("number_sign")
        await answer(app, pilot, "good Base")
        await settle(pilot, lambda: "#base #good" in screen_text(app))
        await pilot.press("number_sign")
        await settle(pilot, lambda: isinstance(app.screen, AskScreen))
        assert app.screen.query_one(Input).value == "base good"
        await answer(app, pilot, "good a/b")
        await settle(pilot, lambda: "'a/b' is no tag" in screen_text(app))
        await answer(app, pilot, "good")
        await settle(pilot, lambda: "#base" not in screen_text(app) and isinstance(app.screen, RunsScreen))
        assert four[3].remarks().tags == ("good",)
        await pilot.press("slash")
        await type_in(pilot, "tag:good")
        await settle(pilot, lambda: rows(app) == [D])
        await pilot.press("enter", "enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "#good" in screen_text(app))
        await pilot.press("number_sign")
        await answer(app, pilot, "x", key="escape")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        assert four[3].remarks().tags == ("good",)


async def test_several_runs_gain_and_lose_tags_at_once(app, four):
    four[3].write_remarks(tags=["old", "own"])
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        assert "tags" in header(app)
        await pilot.press("space", "space", "number_sign")
        await answer(app, pilot, "new -old")
        await settle(pilot, lambda: "2 runs tagged new -old" in toasts(app))
        assert [run.remarks().tags for run in four] == [(), (), ("new",), ("new", "own")]
        await settle(pilot, lambda: " new own " in screen_text(app))


async def test_hostile_remarks_are_shown_as_they_stand(app, four):
    four[3].remarks_path.write_text(json.dumps({"note": "[@click=app.quit]x[/]\x1b[2J\u202e" + "y" * 1900}))
    four[2].remarks_path.write_text(json.dumps({"tags": ["A B"]}))
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot, lambda: "[@click=app.quit]x[/]" in screen_text(app))
        assert "\x1b" not in screen_text(app)
        assert "\u202e" not in screen_text(app)
        await pilot.press("down")
        await settle(pilot, lambda: "user.json is not a note and tags" in screen_text(app))
        await pilot.press("m")
        await answer(app, pilot, "new")
        await settle(pilot, lambda: "move it away, then write them again" in toasts(app))


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
