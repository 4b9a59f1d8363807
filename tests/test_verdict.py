"""What predictions tell of a network, against scikit-learn, on any predictions."""

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from predicted import make_predictions
from sklearn import metrics

from cockpit import datasets, verdict
from cockpit.errors import CockpitError
from cockpit.predictions import Predictions, decode, encode

any_predictions = st.builds(
    lambda seed, num_images, num_classes: make_predictions(seed, num_images, tuple(map(str, range(num_classes)))),
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.integers(1, 30),
)


@given(any_predictions)
def test_class_scores_are_those_of_scikit_learn(predictions):
    labels, best = predictions.labels, predictions.guesses[:, 0]
    every = range(len(predictions.classes))
    each: Any = None  # its annotations know words alone
    nothing: Any = np.nan
    precision = metrics.precision_score(labels, best, labels=every, average=each, zero_division=nothing)
    recall = metrics.recall_score(labels, best, labels=every, average=each, zero_division=nothing)
    scores = verdict.class_scores(predictions)
    assert [score.images for score in scores] == [int((labels == label).sum()) for label in every]
    assert np.allclose([_number(score.precision) for score in scores], precision, equal_nan=True)
    assert np.allclose([_number(score.accuracy) for score in scores], recall, equal_nan=True)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


@pytest.mark.filterwarnings("ignore:A single label")
@given(any_predictions)
def test_the_confusion_matrix_and_its_pairs_are_those_of_scikit_learn(predictions):
    labels, best = predictions.labels, predictions.guesses[:, 0]
    num_classes = len(predictions.classes)
    expected = metrics.confusion_matrix(labels, best, labels=range(num_classes))
    assert np.array_equal(verdict.confusion(labels, best, num_classes), expected)
    pairs = verdict.confused_pairs(predictions)
    assert [pair.images for pair in pairs] == sorted((pair.images for pair in pairs), reverse=True)
    off = expected - np.diag(np.diag(expected))
    assert {(pair.label, pair.guess): pair.images for pair in pairs} == {
        (int(row), int(column)): off[row, column] for row, column in zip(*np.nonzero(off), strict=True)
    }
    for pair in pairs:
        assert pair.share == pytest.approx(pair.images / expected[pair.label].sum())


@given(any_predictions)
def test_the_calibration_error_is_the_sum_of_its_formula(predictions):
    found = verdict.calibration(predictions)
    right = predictions.guesses[:, 0] == predictions.labels
    sure = predictions.probabilities[:, 0].astype(np.float64)
    ece = 0.0
    for m in range(1, 16):
        inside = (sure > (m - 1) / 15) & (sure <= m / 15)
        assert abs(found.bins[m - 1].images - inside.sum()) <= np.isclose(sure * 15, np.round(sure * 15)).sum()
        if inside.any():
            ece += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found.ece == pytest.approx(ece, abs=1e-6)
    assert sum(one.images for one in found.bins) == len(right)
    assert found.bias == pytest.approx(sure.mean() - right.mean())


def test_a_network_that_is_as_sure_as_it_is_right_has_no_calibration_error():
    labels = np.zeros(10, np.uint16)
    guesses = np.tile(np.array([0, 1], np.uint16), (10, 1))
    guesses[:2] = (1, 0)
    sure = np.tile(np.array([0.8, 0.2], np.float32), (10, 1))
    found = verdict.calibration(Predictions(labels, guesses, sure, np.zeros(10, np.float32), ("a", "b")))
    assert found.ece == pytest.approx(0, abs=1e-6)
    assert [one.images for one in found.bins if one.images] == [10]


@given(st.integers(0, 1000))
def test_superclasses_gather_their_classes(seed):
    spec = datasets.DATASETS["cifar100"]
    predictions = make_predictions(seed, 300, spec.classes)
    groups = verdict.group_scores(predictions, spec.superclasses)
    assert groups is not None
    coarse = {name: group for group, names in spec.superclasses.items() for name in names}
    true = [coarse[spec.classes[label]] for label in predictions.labels]
    guessed = [coarse[spec.classes[guess]] for guess in predictions.guesses[:, 0]]
    expected = metrics.confusion_matrix(true, guessed, labels=list(spec.superclasses))
    assert np.array_equal(groups.confusion, expected)
    assert sum(score.hits for score in groups.scores) / 300 == pytest.approx(metrics.accuracy_score(true, guessed))
    fine = {score.name: score.accuracy for score in verdict.class_scores(predictions) if score.accuracy is not None}
    for score in groups.scores:
        members = [fine[name] for name in spec.superclasses[score.name] if name in fine]
        assert score.fine_accuracy == pytest.approx(np.mean(members) if members else 0)


def test_classes_outside_the_superclasses_are_not_grouped():
    predictions = make_predictions(0, 10, ("a", "b"))
    assert verdict.group_scores(predictions, {"one": ("a",)}) is None
    assert verdict.group_scores(predictions, {}) is None


@given(any_predictions)
def test_the_worst_mistakes_come_first(predictions):
    worst = verdict.worst_mistakes(predictions)
    assert set(worst) == set(np.flatnonzero(predictions.guesses[:, 0] != predictions.labels))
    assert (np.diff(predictions.probabilities[worst, 0]) <= 0).all()


@given(any_predictions)
def test_predictions_come_back_as_they_were_kept(predictions):
    again = decode(encode(predictions))
    assert again.classes == predictions.classes
    assert all(np.array_equal(one, other) for one, other in zip(again[:4], predictions[:4], strict=True))


def test_ten_thousand_images_take_less_than_400_kilobytes():
    assert len(encode(make_predictions(0, 10_000, datasets.DATASETS["cifar100"].classes))) < 400_000


FINE = make_predictions(0, 20, tuple("abcdefghij"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": FINE.labels[:10]}, "other shapes than its 10 labels"),
        ({"labels": FINE.labels.reshape(4, 5)}, "no images"),
        ({"labels": FINE.labels[:0]}, "no images"),
        ({"labels": np.full(20, 10, np.uint16)}, "classes without a name"),
        ({"guesses": np.full((20, 5), 65_535, np.uint16)}, "classes without a name"),
        ({"guesses": FINE.guesses[:, :3]}, "other shapes"),
        ({"probabilities": np.full((20, 5), np.nan, np.float32)}, "probabilities that are none"),
        ({"probabilities": np.full((20, 5), 0.9, np.float32)}, "probabilities that are none"),
        ({"probabilities": np.full((20, 5), -1, np.float32)}, "probabilities that are none"),
        ({"probabilities": FINE.probabilities[:, ::-1]}, "guesses that are not in order"),
        ({"classes": ()}, "0 classes"),
        ({"classes": (1,) * 10}, "class names that are no texts"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_predictions_that_nobody_can_have_kept_are_refused(changes, reason):
    with pytest.raises(CockpitError, match=reason):
        decode(encode(FINE._replace(**changes)))


def test_other_kinds_of_numbers_are_refused():
    from safetensors.numpy import load, save

    tensors = load(encode(FINE)) | {"labels": FINE.labels.astype(np.float64)}
    with pytest.raises(CockpitError, match="numbers of other kinds"):
        decode(save(tensors, {"classes": '["a"]'}))


@given(st.binary(max_size=200), st.integers(0, 600))
def test_any_bytes_are_read_or_refused(noise, place):
    whole = encode(FINE)
    for data in (noise, whole[:place], whole[:place] + noise + whole[place + len(noise) :]):
        with contextlib.suppress(CockpitError):
            decode(data)
