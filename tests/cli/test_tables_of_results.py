"""`cockpit suite` and `cockpit report` from the command line."""

import json
import shutil

import msgspec
import pytest
from generator import NEWEST, Trainer, make_folder, make_runs, say, train

from cockpit.cli import main
from cockpit.dispatch import order
from cockpit.seed_tables import seeds_recipe
from cockpit.store import Run, RunStore


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


@pytest.fixture
def seeds(runs) -> list[str]:
    """Runs of the seed's recipe: two seeds that count, one of them twice, and one that failed."""
    store, found = RunStore(runs), []
    for place, (seed, top1) in enumerate([(0, 0.91), (0, 0.96), (1, 0.93), (2, None)]):
        recipe = seeds_recipe("resnet18", "cifar10", seed)
        trainer = Trainer(recipe, started=NEWEST + 3600 * place, samples_per_epoch=1, seed=place)
        run = make_folder(store, recipe, NEWEST + 3600 * place, place)
        train(run, trainer, trainer.launch(), 12 if top1 is None else trainer.planned_samples)
        if top1 is None:
            say(run, trainer.phase("failed", "loss is NaN at step 60"))
        else:
            run.write_test_report(msgspec.structs.replace(trainer.test(run), top1=top1))
            say(run, trainer.phase("finished", f"test top-1 {top1:.2%}"))
        found.append(run.id)
    return found


def test_means_marks_repeats_and_what_is_missing_go_through_the_command(cockpit, seeds):
    code, out, _ = cockpit("report")
    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("| resnet18") and "±" in line]
    for told in ("92.00 ± 1.41", "1 of 3 seeds failed", "▲", "cpu", "0123456"):
        assert told in row
    assert f"repeats seed 0 of {seeds[0]}" in out
    assert f"seed 2 failed, epoch 12 of 200 ({seeds[3]})" in out
    (row,) = [row for row in json.loads(cockpit("report", "--json")[1])["rows"] if row["seeds"]]
    assert row["runs"] == [seeds[0], seeds[2]]
    assert row["seed_figure"]["verdict"] == "above"
    assert [absent["run"] for absent in row["absent"]] == [seeds[3]]


@pytest.mark.parametrize("named", [True, False])
def test_neither_a_name_nor_a_filter_lets_a_repeat_count(cockpit, seeds, named):
    found = json.loads(cockpit("report", "--json", *((seeds[1],) if named else ("--filter", "test>95")))[1])
    assert found["rows"] == []
    assert [other["why_not"] for other in found["others"]] == [f"repeats seed 0 of {seeds[0]}"]


def test_a_copy_under_a_lower_name_changes_nothing(cockpit, runs, seeds):
    before = json.loads(cockpit("report", "--json")[1])
    copy = Run(shutil.copytree(runs / seeds[1], runs / "0-lucky"))
    report = copy.test_report()
    assert report is not None
    copy.write_test_report(msgspec.structs.replace(report, run=copy.id))
    assert json.loads(cockpit("report", "--json")[1])["rows"] == before["rows"]
    (entry,) = json.loads(
        cockpit("suite", "--only", "resnet18", "--dataset", "cifar10", "--device", "cpu", "--json")[1]
    )["entries"]
    assert (entry["state"], entry["run"]) == ("done", seeds[0])


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
