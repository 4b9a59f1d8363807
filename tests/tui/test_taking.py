"""A run is exported from its screen: what is asked, what is refused, and what is said at the end."""

from pathlib import Path

import numpy as np
from folders import finished, make_run, screen_text, settle, toasts
from safetensors.numpy import save
from waiting import wait_for

from cockpit import durable
from cockpit.forms import LOG_NAME
from cockpit.tui.ask import AskScreen
from cockpit.tui.run import RunScreen

RUN_ID = "20251123-141000-resnet20-digits-0001"


async def ask(app, pilot, formats: str) -> None:
    await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "resnet20" in screen_text(app))
    await pilot.press("X")
    await settle(pilot, lambda: isinstance(app.screen, AskScreen))
    assert f"into{Path.cwd()}/{RUN_ID}-export" in flat(screen_text(app)), "told before it is asked for"
    await pilot.press("ctrl+u", *formats, "enter")


def flat(text: str) -> str:
    """Return a text that was wrapped, anywhere in a path too, in one piece."""
    return "".join(text.replace("│", "").split())


async def test_curves_go_into_a_folder_named_after_the_run(app, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "csv")
        await settle(pilot, lambda: f"exporting csv into {tmp_path}/{RUN_ID}-export" in toasts(app))
        await settle(pilot, lambda: f"exported csv into {tmp_path}/{RUN_ID}-export" in toasts(app))
    lines = (tmp_path / f"{RUN_ID}-export" / f"{RUN_ID}.csv").read_text().splitlines()
    assert lines[0] == "metric,epoch,step,seconds,value"
    assert len(lines) > 1


async def test_what_an_earlier_export_made_stays(app, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(make_run(store, RUN_ID))
    mine = tmp_path / f"{RUN_ID}-export" / f"{RUN_ID}.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "csv")
        await settle(pilot, lambda: f"exported csv into {tmp_path}/{RUN_ID}-export-2" in toasts(app))
    assert mine.read_text() == "mine"
    assert (tmp_path / f"{RUN_ID}-export-2" / f"{RUN_ID}.csv").read_text().startswith("metric")


async def test_an_export_goes_on_when_the_cockpit_is_closed(app, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(make_run(store, RUN_ID))
    folder = tmp_path / f"{RUN_ID}-export"
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "csv tensorboard")
        await settle(pilot, lambda: folder.exists())
    wait_for(lambda: [*(folder / "tensorboard" / RUN_ID).glob("events*")], what="the event files")
    wait_for((folder / f"{RUN_ID}.csv").exists, what="the curves")
    wait_for(lambda: "csv: " in (folder / LOG_NAME).read_text(), what="the last word in the log")


async def test_a_strange_format_is_refused_in_the_dialog(app, store):
    run = finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "pickle")
        await settle(pilot, lambda: "cannot be exported as 'pickle'" in screen_text(app))


async def test_a_failure_is_told_in_the_command_s_words(app, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(make_run(store, RUN_ID))
    run.best_path.unlink(missing_ok=True)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "onnx")
        await settle(pilot, lambda: "failed" in toasts(app) and "has no best checkpoint yet" in toasts(app))
        await settle(pilot, lambda: not (tmp_path / f"{RUN_ID}-export").exists())


async def test_what_was_made_is_told_beside_what_could_not_be(app, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(make_run(store, RUN_ID))
    durable.write_checked(run.best_path, save({"w": np.zeros(1, np.float32)}))  # no weights of this network
    async with app.run_test(size=(160, 45)) as pilot:
        app.push_screen(RunScreen(run))
        await ask(app, pilot, "safetensors csv tensorboard")
        folder = tmp_path / f"{RUN_ID}-export"
        await settle(pilot, lambda: f"made csv, tensorboard in {folder}; not safetensors: " in toasts(app))
        assert "failed" not in toasts(app)
    assert (folder / f"{RUN_ID}.csv").exists()


async def test_without_the_folder_it_was_started_in_the_cockpit_says_so(app, store, tmp_path, monkeypatch):
    run = finished(make_run(store, RUN_ID))
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunScreen(run))
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "resnet20" in screen_text(app))
        here.rmdir()
        await pilot.press("X")
        await settle(pilot, lambda: "was started in is gone" in " ".join(toasts(app).split()))
        assert isinstance(app.screen, RunScreen)
