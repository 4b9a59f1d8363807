"""The result of each test image, and image files of all kinds through the network of a real run."""

import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from cockpit import datasets, results, verdict
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore


@pytest.fixture(scope="module")
def run(tiny_run) -> Run:
    """A finished run on tiny, to be read only."""
    return tiny_run


def copied(run: Run, folder: Path) -> Run:
    """Return a copy of a run that may be changed."""
    copy = Run(folder / "runs" / run.id)
    copy.path.mkdir(parents=True)
    for file in run.path.iterdir():
        (copy.path / file.name).write_bytes(file.read_bytes())
    return copy


def report_of(run: Run) -> results.TestReport:
    report = run.test_report()
    assert report is not None
    return report


def test_the_result_of_each_image_adds_up_to_the_report(run):
    report = report_of(run)
    predictions = run.predictions(report)
    right = predictions.guesses == predictions.labels[:, None]
    assert right[:, 0].mean() == pytest.approx(report.top1)
    assert right.any(1).mean() == pytest.approx(report.top5)
    assert predictions.losses.mean() == pytest.approx(report.loss, rel=1e-5)
    assert np.array_equal(predictions.labels, datasets.load_packed("tiny", "test").labels)
    assert predictions.classes == tuple("0123456789")
    assert sum(score.hits for score in verdict.class_scores(predictions)) == round(report.top1 * report.images)


def test_a_test_by_hand_says_the_same_of_each_image(run, tmp_path):
    copy = copied(run, tmp_path)
    assert main(["test", run.id, "--device", "cpu", "--runs", str(tmp_path / "runs")]) == 0
    ours, theirs = (one.predictions(report_of(one)) for one in (copy, run))
    assert np.array_equal(ours.guesses, theirs.guesses)
    assert np.allclose(ours.probabilities, theirs.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda run: run.predictions_path.unlink(), "cannot be read: No such file"),
        (lambda run: run.predictions_path.write_bytes(b"x"), "is not of the test in test.json; test the run again"),
        (lambda run: os.truncate(run.predictions_path, 300 << 20), "it is too large"),
        (lambda run: (run.predictions_path.unlink(), run.predictions_path.mkdir()), "it is a folder, not a file"),
        (
            lambda run: run.write_test_report(msgspec.structs.replace(report_of(run), images=41)),
            "holds 40 images, not 41",
        ),
        (
            lambda run: run.write_test_report(msgspec.structs.replace(report_of(run), predictions="")),
            "kept no result of each image; test the run again",
        ),
    ],
    ids=["gone", "of another test", "huge", "a folder", "of another number", "an older run"],
)
def test_predictions_that_are_not_those_of_the_report_are_refused(run, tmp_path, damage, sentence):
    copy = copied(run, tmp_path)
    damage(copy)
    with pytest.raises(CockpitError, match=sentence):
        copy.predictions(report_of(copy))


def test_images_of_the_test_set_get_the_guesses_of_the_test(run, tmp_path, capsys):
    images = datasets.load_packed("tiny", "test").images
    predictions = run.predictions(report_of(run))
    files = [tmp_path / f"{index}.png" for index in range(6)]
    for file, image in zip(files, images, strict=False):
        Image.fromarray(image).save(file)
    assert classify(run, *files, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["file"] for one in told] == [str(file) for file in files]
    for index, one in enumerate(told):
        assert [guess["name"] for guess in one["guesses"]] == [str(guess) for guess in predictions.guesses[index]]
        sure = [guess["probability"] for guess in one["guesses"]]
        assert sure == pytest.approx(predictions.probabilities[index].tolist(), abs=1e-4)


def classify(run: Run, *words: object) -> int:
    return main(["test", *map(str, words), "--run", run.id, "--device", "cpu", "--runs", str(run.path.parent)])


def test_any_kind_of_image_is_classified(run, tmp_path, capsys):
    """Whatever it is kept as, a network sees the same picture."""
    image = Image.fromarray(datasets.load_packed("tiny", "test").images[0])
    sideways = Image.Exif()
    sideways[0x0112] = 6
    Image.Image.save(image, tmp_path / "plain.png")
    image.rotate(90).save(tmp_path / "sideways.png", exif=sideways)
    image.convert("RGBA").save(tmp_path / "alpha.webp", lossless=True)
    image.convert("L").save(tmp_path / "grey.bmp")
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    image.save(tmp_path / "animated.gif", save_all=True, append_images=[Image.new("RGB", (32, 32), "red")])
    image.save(tmp_path / "old.tga")
    image.resize((640, 640), Image.Resampling.NEAREST).save(tmp_path / "large.tiff")
    assert classify(run, *sorted(tmp_path.glob("*.*")), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told) == 8
    assert len({one["guesses"][0]["name"] for one in told}) == 1


def test_files_that_give_no_image_are_named_and_the_others_classified(run, tmp_path, capsys):
    Image.new("RGB", (40, 30), "white").save(tmp_path / "fine.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes((tmp_path / "fine.png").read_bytes()[:60])
    bomb = bytearray((tmp_path / "fine.png").read_bytes())
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(bomb)
    names = ("fine.png", "text.png", "cut.png", "bomb.png", "none.png", ".")
    assert classify(run, *(tmp_path / name for name in names)) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == str(tmp_path / "fine.png")
    assert said.out.count("%") == 5
    for name in names[1:]:
        assert f"cockpit: {tmp_path / name} cannot be classified: " in said.err
    assert "not an image" in said.err
    assert said.err.count("\n") == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("~nobody-of-that-name/a.png", "there is no file of that name"),
        ("a" * 300 + ".png", "File name too long"),
        ("b\0.png", "there is no file of that name"),
    ],
    ids=["home", "long", "nul"],
)
def test_names_that_no_file_can_have_are_no_crash(run, capsys, name, reason):
    assert classify(run, name) == 2
    assert reason in capsys.readouterr().err
    assert main(["test", name, "--runs", str(run.path.parent)]) == 2


def test_a_program_in_postscript_is_not_run(run, tmp_path, capsys):
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n")
    assert classify(run, tmp_path / "page.eps") == 2
    assert "not an image" in capsys.readouterr().err


def test_the_best_weights_alone_are_enough(run, tmp_path, capsys):
    copy = Run(tmp_path / "runs" / run.id)
    copy.path.mkdir(parents=True)
    for path in (run.best_path, run.best_path.with_name("best.safetensors.sha256"), run.path / "recipe.json"):
        (copy.path / path.name).write_bytes(path.read_bytes())
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    assert classify(copy, tmp_path / "black.png") == 0
    assert "black.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a.png", "b.png"], "say with --run RUN whose network"),
        ([__file__], "is a file; say with --run RUN"),
        (["a.png", "--run", "nothing"], "unknown run 'nothing'"),
    ],
)
def test_images_without_a_network_are_refused(run, capsys, words, sentence):
    assert main(["test", *words, "--runs", str(run.path.parent)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_run_without_a_checkpoint_classifies_nothing(tmp_path, capsys):
    empty = RunStore(tmp_path).create(Recipe().complete())
    assert classify(empty, "a.png") == 2
    assert "has no best checkpoint yet" in capsys.readouterr().err


def test_real_photos_are_classified_together(run, cifar10_small, capsys):
    files = sorted((cifar10_small / "test").rglob("*.png"))[:100]
    assert classify(run, *files, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told) == 100
    for one in told:
        sure = [guess["probability"] for guess in one["guesses"]]
        assert sure == sorted(sure, reverse=True)
        assert len(sure) == 5
