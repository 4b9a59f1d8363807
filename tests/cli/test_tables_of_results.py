"""`cockpit suite` and `cockpit report` from the command line."""

import json

import pytest
from generator import make_runs

from cockpit.cli import main
from cockpit.dispatch import order
from cockpit.store import RunStore


@pytest.fixture
def runs(tmp_path, data_dir):
    """A folder whose queue starts nothing."""
    order.pause(RunStore(tmp_path / "runs"), True)
    return tmp_path / "runs"


@pytest.fixture
def cockpit(runs, capsys):
    """Run a command and return (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--runs", str(runs)])
        return code, *capsys.readouterr()

    return run


def test_a_suite_is_shown_and_nothing_is_written(cockpit, runs):
    before = sorted(path.name for path in runs.iterdir())
    code, out, err = cockpit("suite", "--only", "vgg*", "--dataset", "cifar10", "--device", "cpu")
    assert code == 0
    assert out.count("not run") == 4
    assert "4 runs: 4 not run" in err
    assert "is not known" in err
    assert "puts 4 into the queue" in err
    assert sorted(path.name for path in runs.iterdir()) == before


def test_a_suite_is_enqueued_and_not_twice(cockpit, runs):
    words = ("suite", "--only", "vgg*", "--dataset", "cifar10", "--device", "cpu", "--enqueue", "--json")
    code, out, err = cockpit(*words)
    plan = json.loads(out)
    assert code == 0
    assert plan["counts"] == {"waiting": 4}
    assert plan["total"]["seconds"] is None
    assert "4 enqueued" in err
    _, out, err = cockpit(*words)
    assert json.loads(out)["counts"] == {"waiting": 4}
    assert "nothing is to be enqueued" in err
    assert len(RunStore(runs).list()) == 4


def test_a_rehearsal_says_that_it_is_one(cockpit):
    code, out, err = cockpit("suite", "--only", "vgg11_bn", "--epochs", "3", "--seeds", "1,2", "--device", "cpu")
    assert code == 0
    assert "0/3" in out
    assert "a rehearsal" in err


@pytest.mark.parametrize("words", [("--only", "resnet19"), ("--seeds", "x"), ("--device", "cuda:7")])
def test_a_mistake_is_one_sentence(cockpit, words):
    code, out, err = cockpit("suite", *words)
    assert code == 2
    assert out == ""
    assert err.startswith("cockpit: ")
    assert "Traceback" not in err


@pytest.fixture
def made(runs):
    return make_runs(RunStore(runs), 12)


def test_the_report_in_every_form(cockpit, made, tmp_path):
    code, out, _ = cockpit("report")
    assert code == 0
    assert out.startswith("### CIFAR-10, the seed's recipe")
    assert "### Other tested runs" in out
    assert json.loads(cockpit("report", "--json")[1]) == json.loads(cockpit("report", "--format", "json")[1])
    assert cockpit("report", "--format", "csv")[1].startswith("kind,model,dataset")
    for name, begins in (("a.md", "###"), ("a.csv", "kind,"), ("a.json", "{")):
        assert cockpit("report", "--to", str(tmp_path / name))[0] == 0
        assert (tmp_path / name).read_text().startswith(begins)
    code, _, err = cockpit("report", "--to", str(tmp_path / "a.md"))
    assert (code, "--replace" in err) == (2, True)
    assert cockpit("report", "--to", str(tmp_path / "a.md"), "--replace")[0] == 0


def test_a_filter_and_runs_leave_out_what_was_not_run(cockpit, made):
    found = json.loads(cockpit("report", "--json", "--filter", "-status:finished")[1])
    assert found["rows"] == []
    tested = json.loads(cockpit("report", "--json")[1])["others"][0]["run"]
    assert [other["run"] for other in json.loads(cockpit("report", tested, "--json")[1])["others"]] == [tested]


def test_curves_become_files(cockpit, made, tmp_path):
    tested = json.loads(cockpit("report", "--json")[1])["others"][:2]
    for name, begins in (("c.png", b"\x89PNG"), ("c.svg", b"<?xml")):
        code, out, _ = cockpit("report", *(one["run"] for one in tested), "--curves", str(tmp_path / name), "--json")
        assert code == 0
        assert len(json.loads(out)["runs"]) == 2
        assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--curves", "c.pdf"), "neither"),
        (("--curves", "c.png"), "at most 8"),
        (("--curves", "c.png", "--to", "a.md"), "no table"),
        (("--format", "xml"), "md, csv, json"),
        (("--to", "table.txt"), ".md, .csv, .json"),
        (("--json", "--format", "md"), "take one"),
    ],
)
def test_what_cannot_be_reported_is_told(cockpit, runs, words, told):
    make_runs(RunStore(runs), 30)
    code, _, err = cockpit("report", *words)
    assert code == 2
    assert told in err
