"""The commands for who keeps many runs: filters, notes, tags and the trash."""

import json

import pytest
from folders import finished, make_run

from cockpit.cli import main
from cockpit.recipe import Recipe
from cockpit.store import RunStore
from cockpit.store.trash import Trash, deleted


@pytest.fixture
def store(tmp_path, data_dir) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def cockpit(store, capsys):
    """A function (words) -> (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["runs", *words, "--runs", str(store.root)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def three(store) -> list[str]:
    runs = [
        finished(make_run(store, "20251123-141000-resnet20-digits-0001"), val_acc=0.5),
        finished(make_run(store, "20251123-142000-resnet20-digits-0002"), val_acc=0.9),
        make_run(store, "20251123-143000-resnet20-digits-0003", Recipe(lr=0.05)),
    ]
    return [run.id for run in runs]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ([], [2, 1, 0]),
        (["--filter", "val>0.6"], [1]),
        (["--filter", "-status:finished"], [2]),
        (["--filter=status:finished", "--sort", "val"], [1, 0]),
        (["--sort", "val"], [1, 0, 2]),
        (["--sort", "val", "--reverse"], [0, 1, 2]),
        (["--reverse"], [0, 1, 2]),
        (["--filter", "lr<0.1"], [2]),
    ],
)
def test_the_listing_is_filtered_and_sorted(cockpit, three, words, places):
    for command in (["list"], []):
        code, out, _ = cockpit(*command, *words, "--json")
        assert code == 0
        assert [row["id"] for row in json.loads(out)] == [three[place] for place in places]
    assert json.loads(out)[0]["recipe"]["model"] == "resnet20"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["list", "--filter", "modle:x"], "unknown field 'modle' (did you mean model or node?); `cockpit runs fields`"),
        (["list", "--sort", "vall"], "unknown field 'vall' (did you mean val?)"),
        (["list", "--filter", "val>x"], "val is an accuracy, and 'x' is none"),
        (["note", "nothing"], "unknown run 'nothing'"),
        (["tag", "0001", "+A B"], "'a b' is no tag"),
        (["note", "0001", "x" * 2001], "the note has 2,001 characters"),
        (["restore", "nothing"], "unknown deleted run 'nothing'"),
        (["export", "--to", "~nosuchuser/x.csv"], "~nosuchuser"),
        (["export", "--to", "x.txt"], "'x.txt' ends neither in .csv nor in .json"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(cockpit, three, words, sentence):
    code, out, err = cockpit(*words)
    assert (code, out) == (2, "")
    assert err.startswith("cockpit: ")
    assert sentence in err


def test_a_note_is_written_printed_and_taken_away(cockpit, three):
    assert cockpit("note", "0001")[2].startswith(f"{three[0]} has no note")
    assert cockpit("note", "0001", "lr was too high")[:2] == (0, "")
    assert cockpit("note", "0001")[1] == "lr was too high\n"
    _, out, _ = cockpit("note", "0001", "--json")
    assert json.loads(out) == {"id": three[0], "note": "lr was too high", "tags": []}
    assert "note  lr was too high" in cockpit("show", "0001")[1]
    assert json.loads(cockpit("list", "--filter", "note:high", "--json")[1])[0]["note"] == "lr was too high"
    cockpit("note", "0001", "")
    assert cockpit("note", "0001")[1] == ""


def test_tags_are_added_taken_away_and_found(cockpit, three):
    assert cockpit("tag", "0002", "+good", "base")[1] == "base good\n"
    assert cockpit("tag", "0002", "-base", "+x-1")[1] == "good x-1\n"
    assert json.loads(cockpit("tag", "0002", "--json")[1]) == {"id": three[1], "note": "", "tags": ["good", "x-1"]}
    assert [row["id"] for row in json.loads(cockpit("list", "--filter", "tag:good", "--json")[1])] == [three[1]]
    assert "good x-1" in cockpit("list")[1]
    assert cockpit("tag", "0002", "-good", "-x-1")[1] == ""


def test_what_the_cockpit_deleted_is_listed_and_brought_back(cockpit, store, three):
    trash = Trash(store.root)
    trash.put(store.list()[:2])
    assert len(json.loads(cockpit("list", "--json")[1])) == 1
    assert [entry["id"] for entry in json.loads(cockpit("restore", "--json")[1])] == [three[2], three[1]]
    assert three[1] in cockpit("restore")[1]
    code, out, err = cockpit("restore", "0002")
    assert (code, out, err) == (0, "", f"{three[1]} is back\n")
    assert json.loads(cockpit("restore", "all", "--json")[1]) == [three[2]]
    assert len(store.list()) == 3
    assert "nothing is in the trash" in cockpit("restore")[2]


def test_purge_leaves_what_an_open_cockpit_holds(cockpit, store, three):
    trash = Trash(store.root)
    trash.put(store.list()[:1])
    assert json.loads(cockpit("purge", "--json")[1]) == {"gone": 0, "held": 1}
    trash.close()
    assert json.loads(cockpit("purge", "--json")[1]) == {"gone": 0, "held": 0}
    assert deleted(store.root) == []


def test_every_field_is_listed(cockpit):
    names = [field["name"] for field in json.loads(cockpit("fields", "--json")[1])]
    assert {"model", "status", "val", "tag", "lr", "batch_size"} <= {*names}
    assert "batch_size" in cockpit("fields")[1]
