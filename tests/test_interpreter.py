"""What the cockpit starts is the cockpit, whatever lies in the folder that it was started in."""

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_for

import cockpit
from cockpit import interpreter, launch
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from cockpit.store.trash import sweep_in_background

HOME = Path(cockpit.__file__).parents[1]


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """The current folder, with modules that are called as Python's and ours are; where none of them may be run."""
    folder = tmp_path / "here"
    for name in ("json", "msgspec", "cockpit", "nets"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("open('ran', 'w'); raise SystemExit('not this')")
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    monkeypatch.chdir(folder)
    yield folder
    assert not (folder / "ran").exists()


def test_a_module_is_ours_whatever_lies_in_the_current_folder(strange):
    words = [sys.executable, *interpreter.module("cockpit"), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cockpit ")


def test_what_is_left_behind_to_sweep_is_ours(strange, tmp_path):
    gone = tmp_path / "runs" / ".gone-x"
    gone.mkdir(parents=True)
    sweep_in_background(gone.parent)
    wait_for(lambda: not gone.exists(), what="the sweep")


def test_the_command_of_a_trainer_looks_into_no_other_folder(strange, tmp_path):
    run = RunStore(tmp_path / "runs").create(Recipe().complete())
    words = launch.trainer_words(run, "cpu", None)
    assert subprocess.run([*words[:4], "--help"], capture_output=True, check=True).stdout


def test_a_checkout_in_which_nothing_is_installed_finds_itself(monkeypatch):
    monkeypatch.chdir(HOME)
    assert interpreter.module("cockpit") == ["-m", "cockpit"]


def test_all_of_ours_are_run_so():
    found = [path for path in (HOME / "cockpit").rglob("*.py") if '"-m"' in path.read_text()]
    assert [path.name for path in found] == ["interpreter.py"]
