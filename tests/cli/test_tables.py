"""Tables of the command line: no cell is broken, and what a terminal has no room for is left out."""

import json
import sys

import pytest
from folders import finished, make_run, with_test
from terminal import Terminal

from cockpit.cli import main
from cockpit.cli.common import print_table
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from nets.catalog import MODELS

_IDS = ("20261125-231139-resnet20-digits-a1b2", "20261125-231140-resnet56-digits-c3d4")


@pytest.fixture
def two(tmp_path):
    """A run that changes much of the recipe and is tested, and one that failed."""
    store = RunStore(tmp_path / "runs")
    with_test(finished(make_run(store, _IDS[0], Recipe(lr=0.05, dataset="digits", augment="none", batch_size=64))))
    finished(make_run(store, _IDS[1], Recipe(dataset="digits")), state="failed", detail="out of memory " * 12)
    return store


def _lines(store, columns: int, *words: str) -> list[str]:
    with Terminal(sys.executable, "-m", "cockpit", *words, "--runs", str(store.root), columns=columns) as terminal:
        assert terminal.wait() == 0
        return [line.rstrip() for line in terminal.text().splitlines()]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [["runs"], ["runs", "list"], ["compare", *_IDS]], ids=" ".join)
def test_every_run_has_one_line_with_its_whole_id(two, columns, words):
    lines = _lines(two, columns, *words)
    for run_id in _IDS:
        (line,) = [line for line in lines if line.lstrip().startswith(run_id)]
        assert "90.00%" in line
    (head,) = [line for line in lines if "best val" in line and not line.startswith("no room")]
    titles = {title.strip() for title in head.split("  ") if title.strip()}
    assert ("test top-1" in titles) == (columns > 60 or words[0] == "compare")
    assert titles <= {*_titles(two, words)}, "no header is broken or cut"


def _titles(store, words):
    from cockpit.cli.runs import find_rows

    fields = {"lr", "augment", "batch size", "batch_size"} | {*vars(find_rows(store, "")[0].recipe)}
    return fields | {
        *("run", "status", "epoch", "best val", "at", "test top-1", "top-5", "recipe", "why"),
        *("last val", "val loss", "time", "img/s", "parameters"),
    }


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_has_no_room_is_named(two, columns):
    text = " ".join(_lines(two, columns, "compare", *_IDS))
    assert "no room for" in text
    assert "| less -S" in text


def test_a_pipe_has_all_columns_in_full(two, capsys):
    assert main(["runs", "--runs", str(two.root)]) == 0
    output, told = capsys.readouterr()
    lines = output.splitlines()
    assert told == ""
    assert {"run", "recipe", "why", "top-5"} <= {*next(line for line in lines if "status" in line).split()}
    (failed,) = [line for line in lines if line.startswith(_IDS[1])]
    assert failed.endswith("…")  # why it failed is told in 72 characters
    assert max(map(len, lines)) > 120
    assert lines == [line.rstrip() for line in lines]


def test_a_pipe_is_as_wide_as_what_is_in_it(capsys):
    print_table(["name", "value"], [["a" * 150, "b" * 150]], cut=("value",))
    assert f"{'a' * 150}  {'b' * 150}\n" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_models_are_listed_a_line_each(columns):
    with Terminal(sys.executable, "-m", "cockpit", "models", columns=columns, rows=200) as terminal:
        assert terminal.wait() == 0
        lines = [line.strip() for line in terminal.text().strip().splitlines()]
    lines = lines[: [*lines, ""].index("")]  # what has no room is told below
    names = [line.split()[0] for line in lines]
    assert names[0] == "model"
    assert names[2:] == list(MODELS)


def test_a_test_of_an_older_checkpoint_is_marked(two, capsys):
    with_test(finished(make_run(two, _IDS[0][:-1] + "9"), epochs=34, best_epoch=34), top1=0.836, epoch=12)
    for words in (["runs"], ["compare", _IDS[0][:-1] + "9", _IDS[0]]):
        assert main([*words, "--runs", str(two.root)]) == 0
        output, told = capsys.readouterr()
        assert "83.60%°" in output
        assert "97.20%°" not in output
        assert f"`cockpit test {_IDS[0][:-1]}9`" in told
    assert main(["runs", "show", _IDS[0][:-1] + "9", "--runs", str(two.root)]) == 0
    assert "at epoch 12; `cockpit test" in capsys.readouterr().out
    assert main(["runs", "--json", "--runs", str(two.root)]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    row = rows[_IDS[0][:-1] + "9"]
    assert (row["test"]["epoch"], row["best_epoch"]) == (12, 34)
