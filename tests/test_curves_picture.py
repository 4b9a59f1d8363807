"""Curves as files: each is what its name says, and shows the curves of each run."""

import io
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from generator import Trainer
from PIL import Image

from cockpit import records
from cockpit.curves_picture import Named, draw, form_of
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.series import Series


def learned(epochs: int, seed: int = 0) -> Series:
    trainer = Trainer(Recipe(epochs=30).complete(), seed=seed)
    trainer.launch()
    series = Series([records.Phase(time=0.0, state="running")])
    for _ in range(epochs * trainer.samples_per_epoch):
        series.extend(trainer.sample())
    return series


def image_of(names: str) -> Image.Image:
    """Return the picture of so many runs with the same curves."""
    return Image.open(io.BytesIO(draw([Named(name, learned(20)) for name in names], ".png")))


def test_a_png_is_one_of_some_size():
    image = Image.open(io.BytesIO(draw([Named("resnet18, cifar10", learned(5)), Named("b", learned(9, 1))], ".png")))
    assert image.format == "PNG"
    assert image.width > 1500
    assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_an_svg_is_one_and_the_same_again():
    runs = [Named("resnet18, cifar10", learned(5))]
    drawn = draw(runs, ".svg")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert draw(runs, ".svg") == drawn


def test_of_two_runs_that_are_the_same_both_are_seen():
    pixels = [np.asarray(image_of(names).convert("RGB")).astype(int) for names in ("a", "ab")]
    alone, together = (int((each[..., 2] > each[..., 0] + 60).sum()) for each in pixels)  # the first run is blue
    assert together > alone / 4


@pytest.mark.parametrize("name", ["$\\frac{1}{0}$ $", "_hidden", "<b>&", "x" * 300])
def test_a_name_is_shown_as_it_stands(name):
    ElementTree.fromstring(draw([Named(name, learned(2)), Named("b", learned(2))], ".svg"))


def test_eight_runs_and_one_without_an_epoch():
    draw([*(Named(f"run {n}", learned(3, n)) for n in range(7)), Named("not begun", Series())], ".png")


def test_without_any_epoch_it_says_so():
    with pytest.raises(CockpitError, match="no curves"):
        draw([Named("a", Series())], ".png")


def test_without_matplotlib_it_says_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where it is not installed
    with pytest.raises(CockpitError, match=r"pip install 'cockpit\[report\]'"):
        draw([Named("a", learned(2))], ".png")


def test_only_what_can_be_drawn_has_a_name():
    assert form_of(Path("a.PNG")) == ".png"
    with pytest.raises(CockpitError, match="neither"):
        form_of(Path("a.pdf"))
