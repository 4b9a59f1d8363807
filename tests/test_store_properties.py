"""Whatever a run or a dataset is called, nothing outside its folder is written or deleted."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties import attempt, examples

from cockpit import datasets, ingest
from cockpit.cli import testing
from cockpit.cli.runs import RemoveRun, ShowRun
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "\0",
        "\n",
        "~",
        "outside",
        "victim",
        "runs",
        "real",
        "link",
        "last",
        "digits",
        "birds",
        "-",
        "é",
    ]
)
NAMES = st.one_of(
    st.text(max_size=30),
    st.lists(PIECES | st.text(max_size=3), max_size=6).map("/".join),
    st.lists(PIECES, max_size=4).map("".join),
    st.sampled_from(["a" * 300, "a/" * 3000, "/etc/passwd", "../outside/victim", "link/../../outside"]),
)


def contents(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def home(tmp_path, data_dir) -> Path:
    """A folder `runs` with a run and a linked one, a cache with a dataset, and beside them what must stay."""
    outside = tmp_path / "outside" / "victim"
    outside.mkdir(parents=True)
    (outside / "recipe.json").write_text("{}")
    (outside / "precious").write_text("kept")
    return tmp_path


@examples(few=150, many=5000)
def test_no_name_of_a_run_leads_out_of_the_runs_folder(examples, home):
    store = RunStore(home / "runs")
    outside = contents(home / "outside")

    @examples
    @given(NAMES, st.booleans())
    def check(name: str, as_path: bool) -> None:
        shutil.rmtree(store.root, ignore_errors=True)
        (store.root / "real").mkdir(parents=True)
        (store.root / "real" / "recipe.json").write_text('{"epochs": 3}')
        (store.root / "link").symlink_to("../outside/victim")
        ref = str(store.root / name) if as_path else name
        found = attempt(lambda: store.get(ref))
        assert not isinstance(found, Run) or found.path.parent == store.root
        for command in (
            ShowRun(ref, store.root),
            testing.Test((ref,), runs=store.root),
            RemoveRun((ref,), store.root),
        ):
            attempt(command.execute)
        for path in (Path(name), store.root / name):
            attempt(lambda path=path: store.remove(Run(path)))
        made = attempt(lambda: store.create(Recipe(model=name, dataset=name)))
        assert not isinstance(made, Run) or made.path.parent == store.root
        assert contents(home / "outside") == outside
        assert {path.name for path in home.iterdir()} <= {"outside", "runs", "cache"}

    check()


@pytest.fixture
def pictures(home) -> Path:
    for split in ("train", "test"):
        for name in ("crow", "owl"):
            (home / "source" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(home / "source" / split / name / "0.png")
    return home / "source"


@examples(few=150, many=3000)
def test_no_name_of_a_dataset_leads_out_of_the_cache(examples, home, data_dir, pictures):
    kept = contents(home / "outside") | contents(pictures)
    part = datasets.Packed(np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 1]))

    @examples
    @given(NAMES)
    def check(name: str) -> None:
        shutil.rmtree(data_dir, ignore_errors=True)
        data_dir.mkdir()
        (data_dir / "link").symlink_to("../outside/victim")
        for try_it in (
            lambda: ingest.import_dataset(name, pictures, replace=True),
            lambda: datasets.find_dataset(name),
            lambda: datasets.load_packed(name, "train"),
            lambda: ingest.remove_dataset(name),
        ):
            attempt(try_it)
        spec = datasets.DatasetSpec(name=name, title="", classes=("a", "b"), train_images=2, test_images=2)
        packed = attempt(lambda: datasets.write_packed(spec, part, part))
        assert not isinstance(packed, Path) or packed.parent == data_dir
        assert contents(home / "outside") | contents(pictures) == kept
        assert {path.name for path in home.iterdir()} == {"outside", "source", "cache"}

    check()
