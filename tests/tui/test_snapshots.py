"""How each screen looks at three sizes, kept as text: `pytest --snapshot-update` takes what is seen for right.

Another screen is a line of `SCREENS`, or of `WAYS` in `screens.py` where it needs much to show.
"""

import re
import time
from pathlib import Path

import pytest
from folders import finished, launched, log, make_run, screen_text, settle, with_test
from marks import rest_slow
from screens import WAYS, link_digits, make_screens_runs, open_screen
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from cockpit.devices import list_gpus
from cockpit.recipe import Recipe
from cockpit.tui.app import CockpitApp

SIZES = [(80, 24), (120, 40), (200, 60)]
SCREENS = {
    "runs": ([], "5 runs"),
    "run": (["enter"], "learning rate"),
    "new": (["n"], "cockpit train"),
    "queue": (["w"], "Nothing waits"),
    "help": (["question_mark"], "A run is a folder"),
    "confirm": (["d"], "Delete "),
}
"""What opens each screen from the list of runs, and a text by which it is known."""
_MACHINE = re.compile(r"CPU, \d+ cores?(, \d+)?( of \d+ GiB)?|of \d+ GiB|load [\d.]+")
"""What is of this machine on the screens."""


class TextSnapshot(SingleFileSnapshotExtension):
    """A text file a screen, to be read and compared by people, too."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"

    @classmethod
    def get_snapshot_name(cls, *, test_location, index=0) -> str:
        return test_location.snapshot_name


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    """A home and a clock that are the same everywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return tmp_path


@pytest.fixture
def app(store, places) -> CockpitApp:
    """Five runs that have ended, in a folder that has one name everywhere."""
    for number, (model, state) in enumerate(
        (("vgg16_bn", "failed"), ("resnet18", "stopped"), ("resnet20", "finished"))
    ):
        recipe = Recipe(model=model, dataset="cifar10")
        run = make_run(store, f"20251123-14{number:02}00-{model}-cifar10-000{number}", recipe)
        finished(
            run, state=state, epochs=3 + number, val_acc=0.8 + number / 20, detail="" if number else "out of memory"
        )
    launched(make_run(store, "20251123-150000-resnet20-digits-0003"))
    best = with_test(finished(make_run(store, "20251123-160000-resnet20-digits-0004"), epochs=30))
    log(best, "2025-11-23 16:00:01 preparing: reading digits\n2025-11-23 16:03:00 finished: test top-1 97.20%\n")
    return CockpitApp(store)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(app, snapshot, name, size):
    keys, text = SCREENS[name]
    if name in ("new", "queue") and list_gpus():
        pytest.skip("the devices of this machine are on this screen, and there is a GPU")
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: "5 runs" in screen_text(app))
        await pilot.press(*keys)
        await settle(pilot, lambda: text in screen_text(app))
        await pilot.pause()
        seen = screen_text(app)
    assert tidy(seen) == snapshot(extension_class=TextSnapshot)


@pytest.mark.parametrize("size", rest_slow(SIZES, SIZES[0]), ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", WAYS)
async def test_screen_with_much_to_show(store, places, digits, snapshot, name, size):
    link_digits(digits, places / "data")
    make_screens_runs(store)
    app = CockpitApp(store)
    async with app.run_test(size=size) as pilot:
        await open_screen(pilot, name)
        await pilot.pause(0.3)  # what is laid out after a first look, such as pictures
        seen = screen_text(app)
    assert tidy(seen) == snapshot(extension_class=TextSnapshot)


def tidy(seen: str) -> str:
    """Return what is seen without what is of this machine."""
    seen = _MACHINE.sub(lambda match: match[0][:4].strip(",").ljust(len(match[0])), seen)
    return "\n".join(line.rstrip() for line in seen.splitlines()) + "\n"
