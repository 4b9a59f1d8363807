"""`cockpit runs report`: the same figures as text, JSON, tables and a picture."""

import csv
import io
import json

import pytest
from folders import finished, make_run
from PIL import Image
from predicted import make_predictions, with_predictions

from cockpit import datasets
from cockpit.cli import main
from cockpit.store import RunStore

RUN_ID = "20251123-141000-resnet20-digits-0001"


@pytest.fixture
def run(tmp_path):
    run = finished(make_run(RunStore(tmp_path / "runs"), RUN_ID))
    return with_predictions(run, make_predictions(0, 500, datasets.DATASETS["cifar100"].classes), "cifar100")


def report(run, *words: object) -> int:
    return main(["runs", "report", run.id, *map(str, words), "--runs", str(run.path.parent)])


def test_people_are_told_every_part(run, capsys):
    assert report(run) == 0
    out = capsys.readouterr().out
    for part in ("ECE", "precision", "taken for", "aquatic mammals", "mean confidence", "willow_tree"):
        assert part in out


def test_json_and_tables_tell_the_same(run, tmp_path, capsys):
    assert report(run, "--json", "--csv", tmp_path / "tables") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "wrote" in said.err
    classes = list(csv.DictReader(io.StringIO((tmp_path / "tables/classes.csv").read_text())))
    confusion = list(csv.DictReader(io.StringIO((tmp_path / "tables/confusion.csv").read_text())))
    assert [row["class"] for row in classes] == [one["name"] for one in found["classes"]]
    assert sum(int(row["count"]) for row in confusion) == found["images"] == 500
    hits = sum(int(row["count"]) for row in confusion if row["class"] == row["guess"])
    assert hits / 500 == pytest.approx(found["top1"])
    assert len(found["superclasses"]) == 20
    assert sum(one["images"] for one in found["calibration"]) == 500
    worst = found["mistakes"][0]
    assert worst["class"] != worst["guess"]
    assert worst["probability"] >= found["mistakes"][-1]["probability"]


@pytest.mark.parametrize("num_classes", [1, 2, 10, 30, 100, 300])
def test_any_number_of_classes_makes_a_picture(run, tmp_path, num_classes):
    names = tuple(f"class {index}" for index in range(num_classes))
    with_predictions(run, make_predictions(1, 400, names), "digits")
    assert report(run, "--png", tmp_path / "report.png") == 0
    with Image.open(tmp_path / "report.png") as image:
        image.load()
        assert image.width == 1600


def test_the_worst_mistakes_are_in_the_picture(run, tmp_path, digits):
    packed = datasets.load_packed("digits", "test")
    predictions = make_predictions(0, len(packed.labels), tuple("0123456789"), packed.labels)
    with_predictions(run, predictions, "digits")
    assert report(run, "--png", tmp_path / "report.png") == 0
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_no_spreadsheet_takes_a_class_for_a_formula(run, tmp_path):
    with_predictions(run, make_predictions(0, 50, ('=HYPERLINK("x")', "+1", "fine")), "digits")
    assert report(run, "--csv", tmp_path) == 0
    assert (tmp_path / "classes.csv").read_text().splitlines()[1].startswith("\"'=HYPERLINK")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda run: run.test_path.unlink(), f"run {RUN_ID} is not tested yet; `cockpit test {RUN_ID}` makes a report"),
        (lambda run: run.predictions_path.write_bytes(b"old"), "is not of the test in test.json"),
    ],
    ids=["untested", "stale"],
)
def test_a_run_without_a_report_is_a_sentence(run, capsys, spoil, sentence):
    spoil(run)
    assert report(run) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert sentence in said.err


def test_a_place_that_cannot_be_written_is_a_sentence(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert report(run, "--csv", tmp_path / "file") == 2
    assert "is no folder; choose another place" in capsys.readouterr().err
    assert report(run, "--png", tmp_path) == 2
    assert "cannot be written" in capsys.readouterr().err
