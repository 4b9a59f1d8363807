"""Notes and tags of runs, as a user sees them."""

import json

from folders import screen_text, settle, toasts
from listed import SIZE, D, answer, header, opened, rows, type_in
from textual.widgets import Input

from cockpit.tui.ask import AskScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen


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
