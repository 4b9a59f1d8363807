"""The preflight in the form: real steps, told as they are taken; stale when the form changes, gone when it is left."""

import tempfile
from pathlib import Path

import psutil
import pytest
from folders import screen_text, settle, toasts
from textual.widgets import Input
from waiting import wait_for

from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.preflight import PreflightPane
from cockpit.tui.runs import RunsScreen


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch, tiny) -> Path:
    """The folder of temporary files, empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def rehearsals(folder: Path) -> list[psutil.Process]:
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if any(str(folder) in word for word in process.info["cmdline"] or ())]


async def form(app, pilot) -> NewRunScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    await settle(pilot, lambda: app.screen.query_one("#dataset", Menu).choose("tiny"))
    app.screen.query_one("#batch_size", Input).value = "16"
    await settle(pilot, lambda: "--dataset tiny --batch-size 16" in words(app))
    return app.screen


def words(app) -> str:
    return " ".join(screen_text(app).split())


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.slow)], ids=["80x24", "160x45"])
async def test_it_says_what_the_run_needs_and_when_that_is_of_another_form(app, store, scratch, size):
    async with app.run_test(size=size) as pilot:
        screen = await form(app, pilot)
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "taking steps" in screen_text(app))
        assert "esc ends it" in screen_text(app)
        assert rehearsals(scratch)
        await settle(pilot, lambda: "for the whole run" in screen_text(app))
        for part in ("img/s", "GiB at its peak", "GiB free", "MB and the records", "GB free", "fp32 eager"):
            assert part in screen_text(app)
        assert "resnet20" in screen_text(app).partition("Preflight")[0], "the choice stays in sight"
        wait_for(lambda: not list(scratch.iterdir()))
        assert "ctrl+t measures this" not in screen_text(app)
        screen.query_one("#seed", Input).value = "5"
        await settle(pilot, lambda: "of what the form said before · ctrl+t measures this" in screen_text(app))
        screen.query_one("#seed", Input).value = ""
        await settle(pilot, lambda: "ctrl+t measures this" not in screen_text(app))
        await pilot.press("escape")
        assert "for the whole run" not in screen_text(app)
        assert app.screen is screen
        assert not store.list()


@pytest.mark.parametrize("keys", [["escape"], ["escape", "escape"], ["ctrl+q"]], ids=["esc", "leaving", "quitting"])
async def test_ending_it_kills_the_process_and_takes_its_folder(app, scratch, keys):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: rehearsals(scratch), "the process")
        await pilot.press(*keys)
        if keys == ["escape"]:
            assert app.screen is screen
            assert not screen.query_one(PreflightPane).display
            await settle(pilot, lambda: not rehearsals(scratch))
        elif len(keys) == 2:
            await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
    wait_for(lambda: not rehearsals(scratch), what="the end of the process")
    wait_for(lambda: not list(scratch.iterdir()), what="the end of its folder")


async def test_launching_ends_it(app, store, scratch):
    async with app.run_test(size=(80, 24)) as pilot:
        await form(app, pilot)
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: rehearsals(scratch), "the process")
        await pilot.press("enter")
        await settle(pilot, lambda: not isinstance(app.screen, NewRunScreen))
        await settle(pilot, lambda: not rehearsals(scratch))


@pytest.mark.slow
async def test_what_it_refuses_is_a_sentence_and_another_one_can_be_begun(app, scratch):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        screen.query_one("#way").focus()
        await pilot.press("right", "right", "ctrl+t")
        await settle(pilot, lambda: "Preflight failed" in screen_text(app))
        assert "CUDA graphs need a CUDA card" in words(app)
        await pilot.press("left", "left")
        await settle(pilot, lambda: "ctrl+t measures this" in screen_text(app))
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "taking steps" in screen_text(app))
        await pilot.press("escape")
    assert not list(scratch.iterdir())


async def test_nothing_is_measured_of_a_form_with_a_mistake(app, scratch):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await form(app, pilot)
        screen.query_one("#epochs", Input).value = "0"
        await settle(pilot, lambda: "epochs is 0" in screen_text(app))
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert not screen.query_one(PreflightPane).display
        assert not toasts(app)
        assert not list(scratch.iterdir())
