"""A filter that becomes a mistake while it is typed."""

from folders import finished, make_run, screen_text, settle
from textual.widgets import Input

from cockpit.tui.table import RunTable

FIRST, SECOND = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2))


async def test_a_mistake_that_began_as_a_word_that_nothing_contains_leaves_the_list(app, store):
    finished(make_run(store, FIRST), state="failed", detail="loss is NaN")
    finished(make_run(store, SECOND))

    def shown() -> list[str]:
        return [row.id for row in app.screen.query_one(RunTable).rows]

    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: len(shown()) == 2)
        await pilot.press("slash")
        line = app.screen.query_one("#filter", Input)
        line.value = "status:failed bogus"
        await settle(pilot, lambda: "No run is found by" in screen_text(app))
        line.value += ">3"
        await settle(pilot, lambda: shown() == [FIRST])
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen.focused, RunTable))
        assert "1 of 2 runs" in screen_text(app)
        assert "unknown field 'bogus'" in screen_text(app)


async def test_where_nothing_is_found_the_mistake_is_told_in_place_of_the_list(app, store):
    finished(make_run(store, FIRST))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: app.screen._look.complete)
        await pilot.press("slash")
        line = app.screen.query_one("#filter", Input)
        line.value = "nowhere"
        await settle(pilot, lambda: "No run contains" in screen_text(app))
        line.value = "nowhere bogus>3"
        await settle(pilot, lambda: screen_text(app).count("unknown field 'bogus'") == 2)
        assert "No run" not in screen_text(app)
