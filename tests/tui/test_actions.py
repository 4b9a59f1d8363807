"""One table makes the keys, the key bar, the help and the palette; so they cannot disagree."""

import pytest
from folders import finished, make_run, screen_text, settle
from marks import rest_slow
from textual.app import App, ComposeResult
from textual.command import CommandPalette
from textual.content import Content

from cockpit.tui.actions import ACTIONS, PLACES, KeyBar, actions_of, bindings
from cockpit.tui.ask import AskScreen
from cockpit.tui.ask_path import AskPathScreen
from cockpit.tui.classify import ClassifyScreen
from cockpit.tui.compare import CompareScreen
from cockpit.tui.confirm import ConfirmScreen
from cockpit.tui.dataset import DatasetScreen
from cockpit.tui.get_data import GetDataScreen
from cockpit.tui.help import HelpScreen
from cockpit.tui.learn import LearnScreen
from cockpit.tui.log import LogScreen
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.queue import QueueScreen
from cockpit.tui.report import ReportScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen

SCREENS = {
    "log": LogScreen,
    "compare": CompareScreen,
    "runs": RunsScreen,
    "new": NewRunScreen,
    "run": RunScreen,
    "learn": LearnScreen,
    "queue": QueueScreen,
    "dataset": DatasetScreen,
    "get": GetDataScreen,
    "report": ReportScreen,
    "classify": ClassifyScreen,
    "path": AskPathScreen,
    "help": HelpScreen,
    "confirm": ConfirmScreen,
    "ask": AskScreen,
}
SIZES = [(80, 24), (120, 40), (160, 45), (200, 60), (40, 10), (20, 5)]


@pytest.mark.parametrize("place", PLACES)
def test_every_action_has_a_method(place, app):
    for action in actions_of(place):
        name = action.name.partition("(")[0]
        owner, method = (app, name[4:]) if name.startswith("app.") else (SCREENS[place], name)
        assert hasattr(owner, f"action_{method}"), action


@pytest.mark.parametrize("place", PLACES)
def test_a_key_means_one_thing_on_a_screen(place):
    keys = [key for action in actions_of(place) for key in action.key.split(",")]
    assert len(keys) == len(set(keys))
    assert len(bindings(place)) == len(actions_of(place))


def test_the_promised_keys_are_there():
    promised = {"n": "new", "enter": "open", "t": "test", "s": "stop", "r": "resume", "d": "delete", "slash": "filter"}
    promised |= {"question_mark": "app.help", "q": "app.quit"}
    assert promised.items() <= {action.key: action.name for action in actions_of("runs")}.items()
    assert {"escape": "back"}.items() <= {action.key: action.name for action in actions_of("run")}.items()


@pytest.mark.parametrize("place", PLACES)
def test_the_key_bar_fits_80_columns(place):
    content = KeyBar(place).content
    assert isinstance(content, Content)
    assert content.cell_length + 1 <= 80


@pytest.mark.parametrize("place", PLACES)
async def test_a_bar_of_any_width_can_be_drawn(place):
    class Bar(App):
        def compose(self) -> ComposeResult:
            yield KeyBar(place)

    async with Bar().run_test(size=(1500, 3)) as pilot:
        content = pilot.app.query_one(KeyBar).content
        assert isinstance(content, Content)
        assert all(action.title in content.plain for action in actions_of(place))


def test_the_key_bar_of_a_run_offers_its_report_and_export_at_80_columns():
    shown = str(KeyBar("run").content)
    assert [title for title in ("test", "report", "learn", "export", "stop", "resume") if title not in shown] == []


async def test_keys_of_one_title_stand_side_by_side_in_the_bar_and_each_can_be_clicked(app, store):
    finished(make_run(store))
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot, lambda: app.screen._look.complete)
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "←→ values" in screen_text(app))
        bar = screen_text(app).splitlines()[-1]
        assert all(entry in bar for entry in ("N like it", "X export", "m note", "123 zoom"))
        await pilot.click(".key-bar", offset=(bar.index("123 zoom") + 1, 0))
        await settle(pilot, lambda: not app.screen.query("#loss").first().display)


async def test_a_wide_key_bar_has_the_other_keys_too(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        assert "o sort" not in screen_text(app)
        await pilot.resize_terminal(200, 24)
        await settle(pilot, lambda: "o sort" in screen_text(app) and "u undo" in screen_text(app))
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: "o sort" not in screen_text(app) and "q quit" in screen_text(app))


async def test_help_lists_every_action(app):
    async with app.run_test(size=(100, 200)) as pilot:
        await pilot.press("question_mark")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen) and "Everywhere" in screen_text(app))
        text = screen_text(app)
        for action in ACTIONS:
            assert f"{action.shown}  {action.doc}" in text


@pytest.mark.parametrize(("place", "first"), [("n", "New run"), ("w", "Queue"), ("", "Runs")])
async def test_help_begins_with_the_screen_that_is_open(app, place, first):
    async with app.run_test(size=(80, 40)) as pilot:
        await settle(pilot, lambda: "No runs yet" in screen_text(app))
        if place:
            await pilot.press(place, "tab")
            await settle(pilot, lambda: "No runs yet" not in screen_text(app))
        await pilot.press("question_mark")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen) and "A run is a folder" in screen_text(app))
        headings = [line.strip(" │▁▂▃▄▅▆▇█") for line in screen_text(app).splitlines()]
        assert next(line for line in headings if line in PLACES.values()) == first


async def test_help_fits_80_columns_without_wrapping(app):
    async with app.run_test(size=(80, 200)) as pilot:
        await pilot.press("question_mark")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen) and "Everywhere" in screen_text(app))
        for action in ACTIONS:
            assert action.doc in screen_text(app)


async def test_the_palette_lists_the_actions_of_the_screen_and_does_them(app):
    async with app.run_test(size=(100, 40)) as pilot:
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"New (n)", "Test (t)", "Delete (d)", "Help (?)", "Quit (q)", "Theme"} <= titles
        await pilot.press("ctrl+p")
        await settle(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"new (n")
        await settle(pilot, lambda: "New (n)" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))


@pytest.mark.parametrize("size", rest_slow(SIZES, (20, 5), (80, 24)), ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_draws_at_every_size(app, store, size):
    finished(make_run(store))
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: app.screen._look.complete)
        for key, screen in (
            ("enter", RunScreen),
            ("n", NewRunScreen),
            ("w", QueueScreen),
            ("v", ReportScreen),
            ("i", ClassifyScreen),
            ("question_mark", HelpScreen),
            ("d", ConfirmScreen),
        ):
            await pilot.press(key)
            await settle(pilot, lambda screen=screen: isinstance(app.screen, screen))
            await pilot.resize_terminal(size[0] + 13, size[1] + 3)
            await pilot.pause()
            await pilot.resize_terminal(*size)
            await pilot.press("escape")
            await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


def test_every_line_to_type_into_is_taken_and_left_in_the_same_words():
    for place in ("ask", "path"):
        bar = str(KeyBar(place).content)
        assert "enter take it" in bar
        assert "esc leave it" in bar
