"""The layers hold at run time too: who only looks loads no torch, who only trains loads no textual."""

import subprocess
import sys

import pytest


def modules_of(statement: str, cwd) -> set[str]:
    code = f"{statement}\nimport sys; print('\\n' + ' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    return set(result.stdout.splitlines()[-1].split())


def loaded_by(statement: str, cwd) -> set[str]:
    return {name.split(".")[0] for name in modules_of(statement, cwd)}


@pytest.mark.parametrize(
    ("statement", "strangers"),
    [
        ("import cockpit.tui.app", {"torch", "torchvision", "sklearn", "plotext"}),
        ("import cockpit.status, cockpit.launch, cockpit.series", {"torch", "textual", "plotext", "rich"}),
        ("import cockpit.dispatch.__main__, cockpit.dispatch.look", {"torch", "textual", "plotext", "rich", "numpy"}),
        ("import cockpit.places", {"torch", "textual", "plotext", "rich", "numpy"}),
        ("import cockpit.engine.train", {"textual", "plotext", "rich", "tyro"}),
        ("import cockpit.engine.__main__", {"torch", "textual", "plotext", "numpy"}),
        ("import nets", {"torch", "cockpit", "textual"}),
        ("import nets.resnet, nets.vgg", {"cockpit", "textual"}),
    ],
)
def test_imports_stay_in_their_layer(statement, strangers, tmp_path):
    assert not loaded_by(statement, tmp_path) & strangers


@pytest.mark.parametrize("words", [["runs"], ["runs", "--json"], ["queue"], ["models"], ["data", "--json"]])
def test_listings_load_neither_torch_nor_textual(words, tmp_path):
    statement = f"from cockpit.cli import main; main({words!r})"
    assert not loaded_by(statement, tmp_path) & {"torch", "textual", "plotext", "numpy"}


def test_help_loads_neither_torch_nor_textual(tmp_path):
    statement = "from cockpit.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_by(statement, tmp_path) & {"torch", "textual", "plotext", "numpy"}


def test_the_first_paint_loads_nothing_that_only_a_key_asks_for(tmp_path):
    later = ("dispatch", "places", "launch", "slurm", "devices", "suggest", "query", "series", "tui.new_run", "tui.run")
    assert not modules_of("import cockpit.tui.app", tmp_path) & {f"cockpit.{name}" for name in later}
