"""`cockpit data rm`: the packed images go, whatever needs them or is not ours stays."""

import json
import shutil

import pytest
from folders import make_run

from cockpit import datasets
from cockpit.cli import main
from cockpit.dispatch import order
from cockpit.recipe import Recipe
from cockpit.store import RunStore


@pytest.fixture
def mine(tiny, data_dir):
    """A dataset named `tiny` in a cache of its own."""
    shutil.copytree(tiny, data_dir / "tiny")
    return data_dir / "tiny"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    return RunStore(tmp_path / "runs")


def test_it_is_gone_and_so_is_all_of_it(mine, store, capsys):
    make_run(store, "20251123-141000-resnet20-tiny-0001", recipe=Recipe(dataset="tiny").complete())
    assert main(["data", "rm", "tiny", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "tiny", "folder": str(mine)}
    assert "1 run used it; to resume or test them it has to be fetched or imported again" in err
    assert not [path for path in mine.parent.iterdir() if path.name != ".lock"]
    assert "tiny" not in [spec.name for spec in datasets.list_datasets()]
    assert main(["data", "rm", "tiny"]) == 2
    assert "nothing is there to be deleted" in capsys.readouterr().err


def test_what_waits_for_it_keeps_it(mine, store, capsys):
    order.pause(store, True)
    (run,) = order.enqueue(store, [Recipe(dataset="tiny").complete()], device="cpu")
    assert main(["data", "rm", "tiny"]) == 2
    assert f"tiny is needed by {run.id}" in capsys.readouterr().err
    assert datasets.is_packed("tiny")


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_not_ours_alone_is_left(mine, store, tmp_path, capsys, what):
    if what == "file":
        (mine / "thesis.txt").write_text("mine")
    else:
        mine.rename(tmp_path / "elsewhere")
        mine.symlink_to(tmp_path / "elsewhere")
    assert main(["data", "rm", "tiny"]) == 2
    assert "delete it by hand" in capsys.readouterr().err
    assert (mine / "dataset.json").exists()


def test_a_name_leads_nowhere_else(store, data_dir, capsys):
    assert main(["data", "rm", "../runs"]) == 2
    assert "../runs" in capsys.readouterr().err
