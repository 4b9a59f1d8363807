"""Runs found among many, as a user sees them: the filter and the order."""

import asyncio

import pytest
from folders import epoch_record, finished, live, make_run, screen_text, settle, write
from listed import SIZE, A, B, C, D, chosen, header, opened, rows, table, title, type_in
from textual.widgets import Input
from waiting import wait_for

from cockpit.tui.app import CockpitApp
from cockpit.tui.filter_line import FilterLine
from cockpit.tui.table import RunTable


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
