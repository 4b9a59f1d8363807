"""A dataset is downloaded or imported without leaving the cockpit, and called off without a trace."""

import contextlib
import os
from pathlib import Path

import numpy as np
import psutil
import pytest
from archive_server import MD5, PAYLOAD, Server, serve
from folders import said, screen_text, settle, toasts
from PIL import Image
from textual.widgets import Input, Static
from waiting import wait_for

from cockpit.datasets import find_dataset, is_packed
from cockpit.tui.get_data import GetDataScreen
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen

__all__ = ["serve"]


def errands() -> list[psutil.Process]:
    """The processes that this one has started to get a dataset, and that live."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "cockpit.cli.errand" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def official(serve, tmp_path, monkeypatch, data_dir) -> Server:
    """A server whose archive every new process takes for the official one of CIFAR-10."""
    server = serve()
    server.cut_after, server.falls_silent = 1_000_000, True
    home = tmp_path / "site"
    home.mkdir()
    known = f"from torchvision.datasets import CIFAR10\nCIFAR10.url, CIFAR10.tgz_md5 = {server.url!r}, {MD5!r}\n"
    (home / "sitecustomize.py").write_text(known)
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return server


def make_birds(root: Path, classes: tuple[str, ...] = ("crow", "owl"), num: int = 5) -> Path:
    pixels = np.random.RandomState(0).randint(0, 256, (40, 36, 3)).astype(np.uint8)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(num):
            Image.fromarray(np.roll(pixels, number + len(name))).save(root / name / f"{number}.png")
    return root


async def dialog(app, pilot, dataset: str) -> GetDataScreen:
    await pilot.press("n")
    await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
    app.screen.query_one("#dataset", Menu).choose(dataset)
    await settle(pilot, lambda: f"--dataset {dataset}" in screen_text(app))
    await pilot.press("ctrl+g")
    await settle(pilot, lambda: isinstance(app.screen, GetDataScreen) and "$ cockpit data" in screen_text(app))
    return app.screen


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
async def test_a_download_is_told_called_off_and_taken_up_again(app, official, data_dir, size):
    async with app.run_test(size=size) as pilot:
        await dialog(app, pilot, "cifar10")
        await settle(pilot, lambda: "enter downloads it" in screen_text(app))
        assert "~170 MB" in screen_text(app)
        assert "$ cockpit data get cifar10" in screen_text(app)
        await pilot.press("enter")
        await settle(pilot, lambda: "% downloading" in said(app), "the first that comes")
        (part,) = (data_dir / ".download").glob("*.part")
        await settle(pilot, lambda: part.stat().st_size == 1_000_000, "all that comes")
        await pilot.press("escape")
        await settle(pilot, lambda: "called off; what came of it is kept for the next time" in said(app))
        wait_for(lambda: not errands(), what="the end of the process")
        assert part.stat().st_size == 1_000_000
        official.cut_after, official.falls_silent = None, False
        await pilot.press("enter")
        await settle(pilot, lambda: "cannot be read as a tar archive" in said(app), "the import of what is none")
        assert official.asked == [None, "bytes=1000000-"]
        assert part.stat().st_size == len(PAYLOAD)
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
    assert not is_packed("cifar10")
    assert not errands()


@pytest.mark.slow
async def test_quitting_ends_a_download(app, official, data_dir):
    async with app.run_test(size=(80, 24)) as pilot:
        await dialog(app, pilot, "cifar10")
        await settle(pilot, lambda: "enter downloads it" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: "downloading" in screen_text(app))
        await pilot.press("ctrl+q")
    wait_for(lambda: not errands(), what="the end of the process")
    assert [path.name for path in data_dir.iterdir()] == [".download"]


async def test_a_folder_is_imported_and_chosen(app, data_dir, tmp_path):
    source = make_birds(tmp_path / "my birds", ("[b]crow[/b]", "owl"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "give it a name" in screen_text(app))
        screen = app.screen
        screen.query_one("#data-name", Input).value = "birds"
        await settle(pilot, lambda: "nothing to download for 'birds'; name the folder of its images" in said(app))
        screen.query_one("#data-path", Input).value = str(source)
        screen.query_one("#mirror").focus()
        await pilot.press("right")
        await settle(pilot, lambda: "enter imports it" in screen_text(app))
        command = screen.query_one("#data-command", Static).content
        assert str(command) == f"$ cockpit data import birds '{source}' --no-mirror"
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await settle(pilot, lambda: "--dataset birds" in screen_text(app))
        assert "birds is here" in toasts(app)
        assert "there is no test folder, so 2 images" in toasts(app)
    spec = find_dataset("birds")
    assert (spec.train_images, spec.hflip_ok) == (8, False)


@pytest.mark.parametrize(
    ("name", "path", "sentence"),
    [
        ("../x", "", "dataset name '../x' is not usable"),
        ("[b]x", "", "dataset name '[b]x' is not usable"),
        ("digits", "", "digits is here already; another name and a path import images of your own"),
        ("digits", "/", "'digits' is embedded and needs no import"),
        ("birds", "/no/such/place", "'/no/such/place' does not exist"),
        ("birds", "/dev/null", "'/dev/null' is not a folder"),
    ],
)
async def test_mistakes_are_said_as_they_are_typed_and_enter_does_nothing(app, data_dir, name, path, sentence):
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await dialog(app, pilot, "cifar10")
        screen.query_one("#data-name", Input).value = name
        screen.query_one("#data-path", Input).value = path
        await settle(pilot, lambda: sentence in said(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is screen
        assert not errands()
    assert not data_dir.exists()


async def test_what_an_import_refuses_is_told_and_can_be_mended(app, data_dir, tmp_path):
    source = make_birds(tmp_path / "birds")
    (source / "owl" / "letter.png").write_text("Dear owl,")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await dialog(app, pilot, "cifar10")
        screen.query_one("#data-name", Input).value = "birds"
        screen.query_one("#data-path", Input).value = str(source)
        await settle(pilot, lambda: "enter imports it" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: "--skip-unreadable" in said(app))
        assert not is_packed("birds")
        screen.query_one("#unreadable").focus()
        await pilot.press("right")
        await settle(pilot, lambda: "enter imports it" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await settle(pilot, lambda: "--dataset birds" in screen_text(app))
    assert is_packed("birds")


async def test_tab_completes_the_path_and_elsewhere_goes_on(app, tmp_path, data_dir):
    make_birds(tmp_path / "birds-of-europe")
    make_birds(tmp_path / "birds-of-asia")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: isinstance(app.screen, GetDataScreen) and "tab complete" in screen_text(app))
        app.screen.query_one("#data-name", Input).focus()
        await pilot.press("tab")
        path = app.screen.query_one("#data-path", Input)
        await settle(pilot, lambda: path.has_focus)
        path.value = f"{tmp_path}/bi"
        await pilot.press("tab")
        await settle(pilot, lambda: path.value == f"{tmp_path}/birds-of-")
        await settle(pilot, lambda: "birds-of-asia/  birds-of-europe/" in screen_text(app))
        await pilot.press("a", "tab")
        await settle(pilot, lambda: path.value == f"{tmp_path}/birds-of-asia/")
        await settle(pilot, lambda: "Takes <class>/*.png" in screen_text(app))
        await pilot.press("down")
        await settle(pilot, lambda: not path.has_focus)
