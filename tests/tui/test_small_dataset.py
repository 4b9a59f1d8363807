"""The form of a new run says at its field what batch a small dataset can serve."""

from pathlib import Path

import numpy as np
import pytest
from folders import screen_text, settle
from PIL import Image
from textual.widgets import Input

from cockpit import ingest
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen


def make_birds(folder: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    for name in ("crow", "owl"):
        for split, count in (("train", 30), ("test", 2)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.roll(pixels, number + len(name))).save(folder / split / name / f"{number}.png")
    ingest.import_dataset("birds", folder)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_batch_that_is_too_large_is_marked_and_its_field_offers_the_most(app, size, tmp_path, data_dir):
    make_birds(tmp_path / "birds")
    async with app.run_test(size=size) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "enter launches" in screen_text(app))
        field = app.screen.query_one("#batch_size", Input)
        assert field.placeholder == "128"
        await settle(pilot, lambda: app.screen.query_one("#dataset", Menu).choose("birds"))
        await settle(pilot, lambda: "take at most 54" in screen_text(app))
        assert field.placeholder == "most 54"
        assert field.has_class("wrong")
        field.value = "54"
        await settle(pilot, lambda: "enter launches" in screen_text(app))
        assert not field.has_class("wrong")
        field.value = "55"
        await settle(pilot, lambda: field.has_class("wrong"))
