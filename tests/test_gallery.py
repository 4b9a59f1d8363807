"""What is in a dataset is counted from its images, and damaged labels are refused."""

import json

import msgspec
import numpy as np
import pytest

from cockpit import datasets
from cockpit.cli import main
from cockpit.datasets import DATASETS
from cockpit.errors import CockpitError
from cockpit.gallery import examples, list_classes


def test_the_counts_are_those_of_the_labels(tiny):
    spec = datasets.find_dataset("tiny")
    classes = list_classes(spec)
    assert [one.name for one in classes] == list(spec.classes)
    assert sum(one.train or 0 for one in classes) == 160
    assert sum(one.test or 0 for one in classes) == 40
    images, labels = datasets.load_packed("tiny", "train")
    for one in classes:
        shown = examples(spec, one.label, 3)
        assert (shown == images[labels == one.label][:3]).all()


def test_the_embedded_digits_are_packed_when_they_are_looked_at(data_dir):
    assert sum(one.train or 0 for one in list_classes(DATASETS["digits"])) == 1438
    assert len(examples(DATASETS["digits"], 0)) == 10


def test_classes_of_a_superclass_stand_together_and_are_not_counted_while_the_images_are_elsewhere(data_dir):
    spec = DATASETS["cifar100"]
    classes = list_classes(spec)
    assert len({one.label for one in classes}) == 100
    groups = [one.group for one in classes]
    assert [group for place, group in enumerate(groups) if group not in groups[:place]] == list(spec.superclasses)
    assert all(groups[place : place + 5] == [groups[place]] * 5 for place in range(0, 100, 5))
    assert {one.train for one in classes} == {None}
    with pytest.raises(CockpitError, match="cockpit data get cifar100"):
        examples(spec, 0)
    assert not data_dir.exists()


@pytest.mark.parametrize("labels", [[0, 99], [-1, 0], [0.5, 1.0], [[0, 1], [1, 0]]], ids=str)
def test_labels_outside_of_the_classes_are_refused(data_dir, labels):
    spec = msgspec.structs.replace(DATASETS["digits"], name="odd", train_images=2, test_images=2)
    part = datasets.Packed(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.int64))
    np.save(datasets.write_packed(spec, part, part) / "train-labels.npy", np.array(labels))
    with pytest.raises(CockpitError, match="import it again"):
        list_classes(spec)


def test_the_command_line_shows_it(tiny, capsys):
    assert main(["data", "show", "tiny", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["ready"], len(shown["classes"])) == ("tiny", True, 10)
    assert sum(one["train"] for one in shown["classes"]) == 160
    assert main(["data", "show", "cifar100", "--find", "trees oak"]) == 0
    out = capsys.readouterr().out
    assert "oak_tree" in out
    assert "palm_tree" not in out
    assert DATASETS["cifar100"].digests["train"] in out
    assert main(["data", "show", "tiny", "--pictures"]) == 2
    assert "on a terminal only" in capsys.readouterr().err
    assert main(["data", "show", "nothing"]) == 2
    assert "unknown dataset 'nothing'" in capsys.readouterr().err
