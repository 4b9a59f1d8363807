"""Image files put to a run's network from the screen, by a real run and a process of its own."""

import numpy as np
import pytest
from folders import finished, make_run, said, screen_text, settle, toasts
from PIL import Image

from cockpit import datasets
from cockpit.store import RunStore
from cockpit.tui.app import CockpitApp
from cockpit.tui.classify import ClassifyScreen
from cockpit.tui.path_input import PathInput, complete_path
from cockpit.tui.pictures import Picture
from cockpit.tui.report import ReportScreen
from cockpit.tui.runs import RunsScreen


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A picture of a digit, something that is none, and two that begin alike, in the working folder: few keys."""
    folder = tmp_path / "files"
    folder.mkdir()
    digit = Image.fromarray(datasets.load_packed("tiny", "test").images[0])
    digit.save(folder / "digit.png")
    (folder / "text.png").write_text("no image")
    for name in ("same-1.png", "same-2.png"):
        digit.save(folder / name)
    monkeypatch.chdir(folder)
    return folder


async def asked(app, pilot, run):
    app.open_classify(run)
    await settle(pilot, lambda: isinstance(app.screen, ClassifyScreen) and "Any image file" in screen_text(app))


async def test_an_image_is_classified_and_shown_as_the_network_sees_it(tiny_run, files, tiny):
    app = CockpitApp(RunStore(tiny_run.path.parent))
    report = tiny_run.test_report()
    assert report is not None
    predictions = tiny_run.predictions(report)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: tiny_run.id[:8] in screen_text(app) and "1 run" in screen_text(app))
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, ClassifyScreen))
        await pilot.press(*"digit.png", "enter")
        best = f"digit.png: {predictions.guesses[0, 0]}, {100 * predictions.probabilities[0, 0]:.1f} %"
        await settle(pilot, lambda: best in screen_text(app), best)
        picture = app.screen.query_one(Picture)
        assert picture.size == (32, 16)
        assert picture._image is not None
        assert np.array_equal(picture._image, datasets.load_packed("tiny", "test").images[0])
        for guess in predictions.guesses[0]:
            assert f" {guess} ━" in screen_text(app) or f" {guess} ─" in screen_text(app)
        assert "esc back" in screen_text(app)
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_what_is_no_image_is_said_at_once_and_asked_again(tiny_run, files):
    app = CockpitApp(RunStore(tiny_run.path.parent))
    async with app.run_test(size=(80, 24)) as pilot:
        await asked(app, pilot, tiny_run)
        await pilot.press("enter")
        await pilot.press(*"text.png", "enter")
        await settle(pilot, lambda: "not an image" in " ".join(screen_text(app).split()))
        await pilot.press("ctrl+u", *"none.png", "enter")
        await settle(pilot, lambda: "there is no file of that name" in " ".join(screen_text(app).split()))


async def test_a_run_without_a_checkpoint_says_so(app, store, files):
    run = make_run(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await asked(app, pilot, run)
        await pilot.press(*"digit.png", "enter")
        await settle(pilot, lambda: "has no best checkpoint yet" in " ".join(screen_text(app).split()))


async def test_a_damaged_checkpoint_is_named(app, store, files):
    run = finished(make_run(store))
    async with app.run_test(size=(80, 24)) as pilot:
        await asked(app, pilot, run)
        await pilot.press(*"digit.png", "enter")
        await settle(pilot, lambda: "best.safetensors is damaged" in said(app))


async def test_tab_completes_the_path(tiny_run, files):
    app = CockpitApp(RunStore(tiny_run.path.parent))
    async with app.run_test(size=(100, 30)) as pilot:
        await asked(app, pilot, tiny_run)
        line = app.screen.query_one(PathInput)
        await pilot.press(*"di", "tab")
        await settle(pilot, lambda: line.value == "digit.png")
        await pilot.press("ctrl+u", *"sa", "tab")
        await settle(pilot, lambda: "same-1.png  same-2.png" in screen_text(app))
        assert line.value == "same-"
        await pilot.press("ctrl+u", *"zz", "tab")
        await settle(pilot, lambda: "nothing of that name" in screen_text(app))
        assert line.value == "zz"


def test_a_folder_is_completed_with_its_slash(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / ".hidden").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert complete_path("fo") == ("folder/", ("folder/",))
    assert complete_path("") == ("folder/", ("folder/",))
    assert complete_path("~/f") == ("~/folder/", ("folder/",))
    assert complete_path(".h") == (".hidden", (".hidden",))
    for impossible in ("~nobody-of-that-name/x", "a" * 5_000 + "/x", "b\0/x"):
        assert complete_path(impossible) == (impossible, ())
    assert complete_path("none/x") == ("none/x", ())


async def test_a_test_from_the_report_screen_brings_the_report(tiny_run, tmp_path, tiny):
    store = RunStore(tmp_path / "runs")
    copy = store.root / tiny_run.id
    copy.mkdir(parents=True)
    for file in tiny_run.path.iterdir():
        if file.name not in ("test.json", "predictions.safetensors"):
            (copy / file.name).write_bytes(file.read_bytes())
    app = CockpitApp(store)
    async with app.run_test(size=(100, 24)) as pilot:
        app.open_report(store.get(tiny_run.id))
        await settle(pilot, lambda: "t tests its best checkpoint" in screen_text(app))
        await pilot.press("t")
        await settle(pilot, lambda: "testing…" in screen_text(app))
        await settle(pilot, lambda: isinstance(app.screen, ReportScreen) and "top-1" in screen_text(app))
        assert "v shows the report" in toasts(app)
