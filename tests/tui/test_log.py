"""The log on the whole screen: its end, wrapped, following, and harmless."""

import generator
from folders import finished, log, make_run, screen_text, settle
from opened import read_bytes

from cockpit.tui.log import LogReader, LogScreen, LogView
from cockpit.tui.run import RunScreen


async def opened(app, pilot, run) -> LogView:
    app.open_run(run)
    await settle(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen._view)
    await pilot.press("l")
    await settle(pilot, lambda: isinstance(app.screen, LogScreen) and "reading" not in screen_text(app))
    return app.screen.query_one(LogView)


async def test_the_log_opens_at_its_end_follows_and_scrolls(app, store):
    run = finished(make_run(store))
    log(run, "".join(f"line {n}\n" for n in range(200)))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await settle(pilot, lambda: "line 199" in screen_text(app) and "200 lines" in screen_text(app))
        with open(run.log_path, "a") as file:
            file.write("the newest\n")
        await settle(pilot, lambda: "the newest" in screen_text(app))
        await pilot.press("home")
        await settle(pilot, lambda: "line 0" in screen_text(app))
        with open(run.log_path, "a") as file:
            file.write("newer still\n")
        await settle(pilot, lambda: "202 lines" in screen_text(app))
        assert "line 0" in screen_text(app), "who reads elsewhere is left there"
        for key, shown in (("pagedown", "line 25"), ("G", "newer still"), ("g", "line 0"), ("j", "line 22")):
            await pilot.press(key)
            await settle(pilot, lambda shown=shown: shown in screen_text(app), f"{shown} after {key}")
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_long_lines_are_wrapped_to_any_width(app, store):
    run = finished(make_run(store))
    log(run, "a" * 100 + "END\n数" * 3 + "\n")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await settle(pilot, lambda: "END" in screen_text(app))
        await pilot.resize_terminal(40, 12)
        await settle(pilot, lambda: "END" in screen_text(app))


async def test_hostile_lines_are_shown_as_they_stand(app, store):
    run = finished(make_run(store))
    log(run, "[red]x[/red] [/y]\n\x1b[31mescaped\x1b]0;owned\x07\nTraceback: it failed\n")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await settle(pilot, lambda: "[red]x[/red] [/y]" in screen_text(app))
        assert "escaped" in screen_text(app)
        assert "owned" not in screen_text(app)


async def test_without_a_log_it_says_so(app, store):
    run = finished(make_run(store))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await settle(pilot, lambda: "it printed nothing yet" in screen_text(app))


def test_of_a_huge_log_only_the_end_is_read_and_only_when_it_changed(store):
    run = finished(make_run(store))
    generator.make_long_log(run, 1_000_000_000, last_line_bytes=10_000_000)
    reader = LogReader(run)
    before = read_bytes()
    (lines,) = reader.look()
    assert read_bytes() - before < 300_000
    assert max(map(len, lines)) <= 1000
    assert list(reader.look()) == []
