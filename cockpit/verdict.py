"""What predictions tell of a network: by class, by pair, by confidence and by superclass. Pure, on numpy alone."""

from typing import TYPE_CHECKING, NamedTuple

from cockpit.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np

NUM_BINS = 15
"""Bins of confidence, as many as Guo et al. 2017 take."""


class ClassScore(NamedTuple):
    """How a network does on one class."""

    name: str
    """The class."""
    images: int
    """Test images of it."""
    guessed: int
    """Images taken for it."""
    hits: int
    """Images of it that were taken for it."""

    @property
    def accuracy(self) -> float | None:
        """Share of its images that were recognised, which is the class's recall; None without images."""
        return self.hits / self.images if self.images else None

    @property
    def precision(self) -> float | None:
        """Share of right ones among the images taken for it; None where none was."""
        return self.hits / self.guessed if self.guessed else None


class Pair(NamedTuple):
    """Images of one class that were taken for another."""

    label: int
    """What they are."""
    guess: int
    """What they were taken for."""
    images: int
    """How many."""
    share: float
    """Of the images of their class, 0-1."""


class Bin(NamedTuple):
    """The images whose best guess has a confidence in `(low, high]`."""

    low: float
    """0-1."""
    high: float
    """0-1."""
    images: int
    """How many."""
    accuracy: float | None
    """Share of right guesses among them; None without images."""
    confidence: float | None
    """Their mean confidence; None without images."""


class Calibration(NamedTuple):
    """Whether a network is as often right as it is sure."""

    bins: tuple[Bin, ...]
    """From unsure to sure."""
    ece: float
    """Expected calibration error, 0-1."""
    bias: float
    """Mean confidence less accuracy: above 0 where the network is surer than it may be."""


class GroupScore(NamedTuple):
    """How a network does on one superclass."""

    name: str
    """The superclass."""
    images: int
    """Test images of its classes."""
    hits: int
    """Images taken for a class of it, the right one or another."""
    fine_accuracy: float
    """Mean accuracy of its classes, 0-1."""

    @property
    def accuracy(self) -> float:
        """Share of its images taken for a class of it."""
        return self.hits / self.images if self.images else 0.0


class Groups(NamedTuple):
    """A test by superclasses."""

    scores: tuple[GroupScore, ...]
    """In the dataset's order."""
    confusion: "np.ndarray"
    """(G, G) int64: images of the superclass of the row that were taken for one of the column."""


def class_scores(predictions: Predictions) -> tuple[ClassScore, ...]:
    """Return the score of each class."""
    import numpy as np

    labels, best = predictions.labels, predictions.guesses[:, 0]
    num_classes = len(predictions.classes)
    images, guessed, hits = (
        np.bincount(classes, minlength=num_classes).tolist() for classes in (labels, best, labels[labels == best])
    )
    return tuple(map(ClassScore, predictions.classes, images, guessed, hits))


def confusion(labels: "np.ndarray", guesses: "np.ndarray", num_classes: int) -> "np.ndarray":
    """Return the confusion matrix, (C, C) int64: a row for each class, a column for what it was taken for."""
    import numpy as np

    places = labels.astype(np.int64) * num_classes + guesses
    return np.bincount(places, minlength=num_classes**2).reshape(num_classes, num_classes)


def confused_pairs(predictions: Predictions) -> list[Pair]:
    """Return every pair of classes that was confused, the most images first; ties in the order of the classes."""
    import numpy as np

    labels, best = predictions.labels.astype(np.int64), predictions.guesses[:, 0]
    num_classes = len(predictions.classes)
    images = np.bincount(labels, minlength=num_classes)
    wrong = labels != best
    places, counts = np.unique(labels[wrong] * num_classes + best[wrong], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    pairs = zip((places[order] // num_classes).tolist(), (places[order] % num_classes).tolist(), strict=True)
    return [
        Pair(label, guess, count, count / int(images[label]))
        for (label, guess), count in zip(pairs, counts[order].tolist(), strict=True)
    ]


def calibration(predictions: Predictions) -> Calibration:
    """Compare how sure the network is of its best guess with how often that is right.

    Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3: with the images in `NUM_BINS` bins B_m of
    equal width by confidence, each ((m - 1)/M, m/M], ECE = sum over m of |B_m|/n * |acc(B_m) - conf(B_m)|.
    """
    import numpy as np

    sure = predictions.probabilities[:, 0].astype(np.float64)
    right = (predictions.guesses[:, 0] == predictions.labels).astype(np.float64)
    place = np.clip(np.ceil(sure * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    counts = np.bincount(place, minlength=NUM_BINS)
    hits = np.bincount(place, right, minlength=NUM_BINS)
    sums = np.bincount(place, sure, minlength=NUM_BINS)
    bins = tuple(
        Bin(index / NUM_BINS, (index + 1) / NUM_BINS, count, *((hit / count, total / count) if count else (None, None)))
        for index, (count, hit, total) in enumerate(zip(counts.tolist(), hits.tolist(), sums.tolist(), strict=True))
    )
    return Calibration(bins, float(np.abs(hits - sums).sum() / len(right)), float(sure.mean() - right.mean()))


def group_scores(predictions: Predictions, superclasses: dict[str, tuple[str, ...]]) -> Groups | None:
    """Return the test by superclasses; None where the classes are not divided among them."""
    import numpy as np

    of_class = {member: index for index, members in enumerate(superclasses.values()) for member in members}
    if not superclasses or not set(predictions.classes) <= set(of_class):
        return None
    group = np.array([of_class[name] for name in predictions.classes], np.int64)
    matrix = confusion(group[predictions.labels], group[predictions.guesses[:, 0]], len(superclasses))
    fine: dict[int, list[float]] = {index: [] for index in range(len(superclasses))}
    for score in class_scores(predictions):
        if score.accuracy is not None:
            fine[of_class[score.name]].append(score.accuracy)
    rows = enumerate(zip(superclasses, matrix.sum(1).tolist(), matrix.diagonal().tolist(), strict=True))
    scores = (
        GroupScore(name, images, hits, sum(fine[index]) / max(1, len(fine[index])))
        for index, (name, images, hits) in rows
    )
    return Groups(tuple(scores), matrix)


def worst_mistakes(predictions: Predictions) -> "np.ndarray":
    """Return the indices of the images that were taken for another class, the surest mistakes first: (M,) int64."""
    import numpy as np

    wrong = np.flatnonzero(predictions.guesses[:, 0] != predictions.labels)
    return wrong[np.argsort(-predictions.probabilities[wrong, 0], kind="stable")]
