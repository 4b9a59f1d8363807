"""A test report as a whole: what test.json, the predictions and the dataset tell together, and its JSON and CSV."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cockpit import datasets, results, verdict
from cockpit.durable import write_atomically
from cockpit.errors import CockpitError
from cockpit.files import unwritable
from cockpit.predictions import Predictions
from cockpit.store import Run

if TYPE_CHECKING:
    import numpy as np

_WORST = 100
"""Mistakes that the JSON tells of."""


class Report(NamedTuple):
    """All that is known of a test."""

    run: Run
    """The run."""
    model: str
    """Its network; empty where its recipe cannot be read."""
    test: results.TestReport
    """The figures."""
    predictions: Predictions
    """What the network said of each image."""
    classes: tuple[verdict.ClassScore, ...]
    """The score of each class."""
    pairs: list[verdict.Pair]
    """Confused classes, the most images first."""
    calibration: verdict.Calibration
    """Whether it is as often right as it is sure."""
    groups: verdict.Groups | None
    """By superclasses; None where the dataset has none."""
    mistakes: "np.ndarray"
    """(M,) indices of the images taken for another class, the surest first."""
    images: "np.ndarray | None"
    """(N, 32, 32, 3) uint8, the test images, memory-mapped; None when they are not here."""
    no_images: str
    """Why they are not here."""


def read_report(run: Run) -> Report:
    """Read a run's test and judge it.

    Raises:
        CockpitError: When it was not tested, or there is no result of each image that belongs to its test.
    """
    import numpy as np

    test = run.test_report()
    if test is None:
        raise CockpitError(f"run {run.id} is not tested yet")
    predictions = run.predictions(test)
    superclasses: dict[str, tuple[str, ...]] = {}
    images, no_images = None, ""
    try:
        superclasses = datasets.find_dataset(test.dataset).superclasses
        packed = datasets.load_packed(test.dataset, "test")
        if np.array_equal(packed.labels, predictions.labels):
            images = packed.images
        else:
            no_images = f"the test images of {test.dataset} are others than those of this test"
    except CockpitError:
        no_images = f"the images of {test.dataset} are not on this machine"
    try:
        imported = run.imported()
        model = imported.model if imported else run.recipe.model
    except CockpitError:
        model = ""
    return Report(
        run=run,
        model=model,
        test=test,
        predictions=predictions,
        classes=verdict.class_scores(predictions),
        pairs=verdict.confused_pairs(predictions),
        calibration=verdict.calibration(predictions),
        groups=verdict.group_scores(predictions, superclasses),
        mistakes=verdict.worst_mistakes(predictions),
        images=images,
        no_images=no_images,
    )


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    names = report.predictions.classes
    whole = msgspec.to_builtins(report.test) | {
        "model": report.model,
        "ece": report.calibration.ece,
        "confidence_minus_accuracy": report.calibration.bias,
        "classes": [_score(score) for score in report.classes],
        "confused": [
            {"class": names[pair.label], "guess": names[pair.guess], "count": pair.images, "share": pair.share}
            for pair in report.pairs
        ],
        "calibration": [one._asdict() for one in report.calibration.bins],
        "mistakes": [_mistake(report, int(index)) for index in report.mistakes[:_WORST]],
    }
    if report.groups:
        whole["superclasses"] = [score._asdict() | {"accuracy": score.accuracy} for score in report.groups.scores]
    return whole


def _score(score: verdict.ClassScore) -> dict[str, Any]:
    return score._asdict() | {"accuracy": score.accuracy, "precision": score.precision}


def _mistake(report: Report, index: int) -> dict[str, Any]:
    names, predictions = report.predictions.classes, report.predictions
    guess, sure = predictions.guesses[index, 0], predictions.probabilities[index, 0]
    return {
        "image": index,
        "class": names[predictions.labels[index]],
        "guess": names[guess],
        "probability": round(float(sure), 6),
    }


def write_csv(report: Report, folder: Path) -> list[Path]:
    """Write classes.csv and confusion.csv, a line for each pair of classes that occurs; return their paths.

    Raises:
        CockpitError: When they cannot be written.
    """
    names = report.predictions.classes
    scores = [[s.name, s.images, s.hits, s.guessed, s.accuracy, s.precision] for s in report.classes]
    pairs = [[names[pair.label], names[pair.guess], pair.images] for pair in report.pairs]
    right = [[score.name, score.name, score.hits] for score in report.classes]
    return [
        write_file(folder / "classes.csv", _csv("class images hits guessed accuracy precision", scores)),
        write_file(folder / "confusion.csv", _csv("class guess count", sorted(right + pairs))),
    ]


def _csv(heads: str, rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads.split())
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _harmless(value: Any) -> Any:
    """Return a class name so that no spreadsheet takes it for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


_FILES = ("report.json", "classes.csv", "confusion.csv", "report.png")


def write_all(report: Report, folder: Path) -> list[Path]:
    """Write report.json, both tables and report.png into a folder, which is made; return their paths.

    Raises:
        CockpitError: When one of them is there already, or they cannot be written.
    """
    there = [name for name in _FILES if os.path.lexists(os.path.expanduser(folder / name))]
    if there:
        raise CockpitError(f"{folder} holds {' and '.join(there)} already; name another folder")
    from cockpit.reports_png import draw_png

    text = msgspec.json.format(msgspec.json.encode(to_json(report))) + b"\n"
    return [
        write_file(folder / "report.json", text),
        *write_csv(report, folder),
        write_file(folder / "report.png", draw_png(report)),
    ]


def write_file(path: Path, data: bytes) -> Path:
    """Write a file whole, and its folder where there is none.

    Raises:
        CockpitError: When it cannot be written.
    """
    path = Path(os.path.expanduser(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise CockpitError(f"{path.parent} is no folder; choose another place") from error
        raise unwritable(path, error) from error
    return path
