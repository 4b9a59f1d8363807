"""Every screen in every theme: it draws, it can be read, and without colour nothing is lost."""

import os
from pathlib import Path

import pytest
from folders import finished, live, log, make_run, screen_text, settle, step, with_test, write
from marks import rest_slow
from rich.color import ColorType
from rich.segment import Segment
from screens import WAYS, link_digits, make_screens_runs
from screens import open_screen as go_to
from terminal import Terminal, cockpit_words
from textual.color import Color

from cockpit.remembered import Remembered
from cockpit.tui import themes
from cockpit.tui.app import CockpitApp
from cockpit.tui.dots import sample

OWN = [themes.HIGH_CONTRAST.name, themes.NO_COLOR.name]
ALL = [themes.DARK, themes.LIGHT, *OWN]
KEYS = {"runs": "", "run": "enter", "new": "n", "queue": "w", "help": "question_mark", "confirm": "d"}
"""What opens each screen from the list of runs."""
READABLE = {themes.DARK: 3.0, themes.LIGHT: 3.0, themes.HIGH_CONTRAST.name: 7.0}
"""The least contrast of a text, WCAG 2.2: 7 is AAA, 3 is AA for what is large or no text."""


def luminance(color: Color) -> float:
    """Return the relative luminance, WCAG 2.2."""
    parts = [part / 255 for part in color.rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(segment: Segment) -> float:
    """Return the contrast of a text against its ground, 1-21."""
    style = segment.style
    assert style is not None
    assert style.color is not None
    assert style.bgcolor is not None
    colors = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    light, dark = sorted(map(luminance, colors), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def words_of(app: CockpitApp) -> list[Segment]:
    """Return what is text on the screen: frames, bars and curves are not."""
    strips = app.screen._compositor.render_strips()
    return [part for strip in strips for part in strip if any(character.isalnum() for character in part.text)]


def reversed_text(app: CockpitApp) -> str:
    """Return what is seen reversed, as what is chosen is without colour."""
    strips = app.screen._compositor.render_strips()
    return "".join(part.text for strip in strips for part in strip if part.style and part.style.reverse)


async def open_screen(app: CockpitApp, pilot, key: str) -> None:
    await settle(pilot, lambda: "reading" not in screen_text(app))
    if key:
        before = app.screen
        await pilot.press(key)
        await settle(pilot, lambda: app.screen is not before)
        await settle(pilot, lambda: "reading…" not in screen_text(app))


@pytest.fixture
def runs(store):
    """A run of each kind of news, one of them live."""
    for number, state in enumerate(("finished", "stopped", "failed")):
        finished(make_run(store, f"20251123-14{number:02}00-resnet20-digits-0001"), state=state, detail="because")
    run = live(make_run(store, "20251123-150000-resnet20-digits-0001"))
    write(run, *(step(number / 10) for number in range(1, 50)))
    log(run, "epoch 1\n")
    with_test(finished(make_run(store, "20251123-160000-resnet20-digits-0001")))
    return store


@pytest.mark.parametrize("place", KEYS)
@pytest.mark.parametrize("theme", ALL)
async def test_every_screen_draws_in_every_theme_and_can_be_read(runs, theme, place):
    app = CockpitApp(runs)
    app.theme = theme
    async with app.run_test(size=(120, 40)) as pilot:
        await open_screen(app, pilot, KEYS[place])
        texts = words_of(app)
        assert texts
        if theme in READABLE:
            faint = {(part.text, round(contrast(part), 1)) for part in texts if contrast(part) < READABLE[theme]}
            assert not faint


@pytest.fixture
def many(store, digits, tmp_path, monkeypatch):
    """Runs that every screen has much to show of."""
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    link_digits(digits, tmp_path / "data")
    make_screens_runs(store)
    return store


@pytest.mark.parametrize("name", rest_slow(WAYS, "run", "report"))
async def test_every_screen_with_much_to_show_can_be_read_in_every_theme(many, name):
    app = CockpitApp(many)
    async with app.run_test(size=(160, 45)) as pilot:
        await go_to(pilot, name)
        for theme in ALL:
            app.theme = theme
            await pilot.pause(0.2)
            texts = words_of(app)
            assert texts
            if theme in READABLE:
                faint = {(part.text, round(contrast(part), 1)) for part in texts if contrast(part) < READABLE[theme]}
                assert not faint, theme
        for strip in app.screen._compositor.render_strips():
            for text, style, _ in strip:
                for color in (style.color, style.bgcolor) if style and "▀" not in text else ():
                    assert color is None or color.type is ColorType.DEFAULT


@pytest.mark.parametrize("name", ["run", "compare"])
async def test_without_colour_each_curve_has_a_form_of_its_own(many, name):
    app = CockpitApp(many)
    async with app.run_test(size=(160, 45)) as pilot:
        await go_to(pilot, name)
        coloured = screen_text(app)
        app.theme = themes.NO_COLOR.name
        await settle(pilot, lambda: sample(2) in screen_text(app))
        assert sample(0) in screen_text(app)
        if name == "compare":
            assert screen_text(app).count(f"{sample(1)} B") == 3, "in both charts and the table"
        app.theme = themes.DARK
        await settle(pilot, lambda: screen_text(app) == coloured)


async def test_under_no_color_a_theme_can_be_chosen_in_the_palette_for_this_time(runs, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = CockpitApp(runs)
    async with app.run_test(size=(100, 40)) as pilot:
        await open_screen(app, pilot, "")
        assert app.theme == themes.NO_COLOR.name
        app.action_change_theme()
        await settle(pilot, lambda: "gruvbox" in screen_text(app))
        await pilot.press(*"high")
        await settle(pilot, lambda: "high-contrast" in screen_text(app) and "gruvbox" not in screen_text(app))
        await pilot.press("down")
        await settle(pilot, lambda: "high-contrast" in reversed_text(app), "what is chosen is reversed")
        await pilot.press("enter")
        await settle(pilot, lambda: app.theme == themes.HIGH_CONTRAST.name)
        assert not app.no_color
    assert Remembered().get("theme", "none") == "none"
    assert CockpitApp(runs).theme == themes.NO_COLOR.name


@pytest.mark.parametrize("place", KEYS)
async def test_without_colour_there_is_none(runs, place):
    app = CockpitApp(runs)
    app.theme = themes.NO_COLOR.name
    async with app.run_test(size=(120, 40)) as pilot:
        await open_screen(app, pilot, KEYS[place])
        for strip in app.screen._compositor.render_strips():
            for _, style, _ in strip:
                for color in (style.color, style.bgcolor) if style else ():
                    assert color is None or color.type is ColorType.DEFAULT


@pytest.mark.parametrize(("keys", "chosen"), [((), "✓ finished"), (("n",), "resnet20")])
async def test_without_colour_what_is_chosen_is_reversed(runs, keys, chosen):
    app = CockpitApp(runs)
    app.theme = themes.NO_COLOR.name
    async with app.run_test(size=(120, 40)) as pilot:
        await open_screen(app, pilot, "")
        await pilot.press(*keys)
        await settle(pilot, lambda: chosen in reversed_text(app).lower())
        assert "failed" not in reversed_text(app)


async def test_a_theme_is_remembered(runs):
    app = CockpitApp(runs)
    assert app.theme == themes.DARK
    async with app.run_test():
        app.theme = themes.HIGH_CONTRAST.name
    assert CockpitApp(runs).theme == themes.HIGH_CONTRAST.name
    remembered = Remembered()
    remembered.set("theme", "a theme of long ago")
    remembered.flush()
    assert CockpitApp(runs).theme == themes.DARK


async def test_the_palette_offers_the_themes(runs):
    app = CockpitApp(runs)
    async with app.run_test(size=(100, 40)) as pilot:
        await open_screen(app, pilot, "")
        await pilot.press("ctrl+p")
        await pilot.press(*"theme")
        await settle(pilot, lambda: "Choose other colours" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: "high-contrast" in screen_text(app) or "gruvbox" in screen_text(app))
        await pilot.press(*"high")
        await settle(pilot, lambda: "high-contrast" in screen_text(app))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app.theme == themes.HIGH_CONTRAST.name)


def test_no_color_is_heeded_and_not_remembered(runs, tmp_path):
    state = tmp_path / "screens.json"
    env = {**os.environ, "NO_COLOR": "1", "COCKPIT_STATE": str(state)}
    with Terminal(*cockpit_words(runs.root), columns=100, rows=30, env=env) as terminal:
        terminal.wait_for_text("✓ finished")
        terminal.press("\r")
        terminal.wait_for_text("learning rate")
        assert b"[38;" not in terminal.raw
        assert b"[48;" not in terminal.raw
        assert b";48;" not in terminal.raw
        assert b"\x1b[7" in terminal.raw
    assert not state.exists() or "theme" not in Path(state).read_text()
