"""The mouse does what the keys do, and a screen stays whole while its window is pulled about."""

import pytest
from folders import finished, live, make_run, screen_text, settle
from marks import rest_slow
from screens import WAYS, link_digits, make_screens_runs, open_screen
from textual.events import MouseScrollDown
from textual.pilot import Pilot
from textual.widgets import Input

from cockpit.tui.app import CockpitApp
from cockpit.tui.help import HelpScreen
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.queue import QueueScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable

SIZES = [(80, 24), (250, 70), (120, 40), (250, 70), (80, 24)]
SCREENS = {
    "runs": ("", "40 runs"),
    "run": ("enter", "learning rate"),
    "new": ("n", "cockpit train"),
    "queue": ("w", "1 training"),
    "help": ("question_mark", "A run is a folder"),
}


@pytest.fixture
def app(store) -> CockpitApp:
    for number in range(39):
        finished(make_run(store, f"20251123-14{number:02}00-resnet20-digits-0001"))
    live(make_run(store, "20251123-150000-resnet20-digits-0001"))
    return CockpitApp(store)


async def click_text(pilot: Pilot, text: str) -> None:
    """Click where a text stands, from the bottom of the screen up."""
    lines = screen_text(pilot.app).splitlines()
    y = max(y for y, line in enumerate(lines) if text in line)
    await pilot.click(offset=(lines[y].index(text), y))


async def test_a_click_on_a_row_opens_its_run(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot, lambda: "40 runs" in screen_text(app))
        wanted = app.screen.query_one(RunTable).rows[3]
        await pilot.click(RunTable, offset=(20, 4))
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and wanted.id in screen_text(app))


async def test_the_wheel_scrolls_the_runs(app):
    async with app.run_test(size=(100, 24)) as pilot:
        await settle(pilot, lambda: "40 runs" in screen_text(app))
        table = app.screen.query_one(RunTable)
        last = f"{table.rows[-1].id}"
        assert last not in screen_text(app)
        await pilot.hover(RunTable)
        for _ in range(30):
            await pilot._post_mouse_events([MouseScrollDown], RunTable, offset=(5, 5), button=0)
        await settle(pilot, lambda: table.scroll_offset.y == table.max_scroll_y)


@pytest.mark.parametrize(
    ("key", "screen"), [("n new", NewRunScreen), ("w queue", QueueScreen), ("? help", HelpScreen), ("enter", RunScreen)]
)
async def test_the_key_bar_can_be_clicked_and_so_can_the_way_back(app, key, screen):
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot, lambda: "40 runs" in screen_text(app))
        await click_text(pilot, key)
        await settle(pilot, lambda: isinstance(app.screen, screen))
        await settle(pilot, lambda: "esc back" in screen_text(app))
        await click_text(pilot, "esc back")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_menus_and_inputs_of_a_new_run_take_clicks(app):
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot, lambda: "40 runs" in screen_text(app))
        await pilot.press("n")
        await settle(pilot, lambda: "cockpit train" in screen_text(app))
        lines = screen_text(app).splitlines()
        y, x = next((y, line.index("resnet18 ")) for y, line in enumerate(lines) if "resnet18 " in line)
        await pilot.click(offset=(x, y))
        await settle(pilot, lambda: app.screen.query_one("#model", Menu).chosen == "resnet18")
        await settle(pilot, lambda: "cockpit train --model resnet18" in screen_text(app))
        lines = screen_text(app).splitlines()
        y, x = next((y, line.index("momentum") + 20) for y, line in enumerate(lines) if "momentum" in line)
        await pilot.click(offset=(x, y))
        await settle(pilot, lambda: isinstance(app.focused, Input))


@pytest.mark.parametrize("name", rest_slow(SCREENS, "runs", "run"))
async def test_a_window_that_is_pulled_about_keeps_its_screen_whole(app, name):
    key, text = SCREENS[name]
    async with app.run_test(size=SIZES[0]) as pilot:
        await settle(pilot, lambda: "40 runs" in screen_text(app))
        if key:
            await pilot.press(key)
        await settle(pilot, lambda: text in screen_text(app))
        seen = []
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await settle(pilot, lambda size=(width, height): app.screen.size == size)
            await settle(pilot, lambda: text in screen_text(app))
            await pilot.pause(0.1)
            lines = screen_text(app).splitlines()
            assert len(lines) == height
            assert {len(strip) for strip in lines} == {width}
            seen.append("\n".join(lines))
        if name != "run":  # whose trainer is this test
            assert seen[0] == seen[-1]
            assert seen[1] == seen[3]


@pytest.fixture
def many(store, digits, tmp_path, monkeypatch) -> CockpitApp:
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    link_digits(digits, tmp_path / "data")
    make_screens_runs(store)
    return CockpitApp(store)


@pytest.mark.parametrize("name", rest_slow(WAYS, "run", "dataset"))
async def test_screens_with_much_to_show_stay_whole_and_take_the_wheel_and_clicks(many, name):
    async with many.run_test(size=SIZES[0]) as pilot:
        text = await open_screen(pilot, name)
        await pilot.pause(0.4)
        before = screen_text(many)
        for width, height in ((250, 70), (80, 24)):
            await pilot.resize_terminal(width, height)
            await settle(pilot, lambda size=(width, height): many.screen.size == size)
            await settle(pilot, lambda: text in screen_text(many), text)
            await pilot.pause(0.4)
            lines = screen_text(many).splitlines()
            assert len(lines) == height
            assert {len(line) for line in lines} == {width}
        assert screen_text(many) == before
        screen = many.screen
        for y in range(1, 22, 4):
            await pilot._post_mouse_events([MouseScrollDown], offset=(40, y), button=0)
        await pilot.click(offset=(40, 10))
        await pilot.pause()
        assert many.screen is screen
        if name not in ("ask", "get", "path"):  # another bar is below theirs, or says it otherwise
            await click_text(pilot, "esc back")
            await settle(pilot, lambda: many.screen is not screen)
