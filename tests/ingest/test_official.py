"""The real CIFAR-10 and CIFAR-100; skipped where they are not at hand (see conftest.py)."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cockpit.datasets import DATASETS, SPLITS, find_dataset, load_packed
from cockpit.errors import CockpitError
from cockpit.ingest import digest, import_dataset
from cockpit.ingest.digests import combine, image_digests


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def linked_copy(source, to):
    """A folder like `source` that may be altered: train is a link, each class of test a folder of links."""
    (to / "test").mkdir(parents=True)
    (to / "train").symlink_to(source / "train")
    for home in (source / "test").iterdir():
        shutil.copytree(home, to / "test" / home.name, copy_function=os.symlink)
    return to


@pytest.mark.slow
def test_all_of_cifar10_is_accepted_from_class_folders(cifar10_folder, data_dir):
    calls = []
    summary = import_dataset("cifar10", cifar10_folder, progress=lambda *call: calls.append(call))
    assert summary.spec == DATASETS["cifar10"] == find_dataset("cifar10")
    assert (50_000, 50_000, "reading images") in calls
    assert (10_000, 10_000, "reading images") in calls
    for split in SPLITS:
        each = image_digests(*load_packed("cifar10", split))
        assert combine(each) == DATASETS["cifar10"].digests[split]
        assert each == sorted(each)
    images, labels = load_packed("cifar10", "test")
    for label, name in enumerate(DATASETS["cifar10"].classes):
        file = next((cifar10_folder / "test" / name).iterdir())
        same = (images == np.asarray(Image.open(file))).all(axis=(1, 2, 3))
        assert labels[same].tolist() == [label]


@pytest.mark.slow
def test_cifar10_is_the_same_bytes_from_class_folders_and_from_the_official_layout(
    cifar10_folder, cifar10_batches, data_dir
):
    first = contents(import_dataset("cifar10", cifar10_folder).folder)
    assert contents(import_dataset("cifar10", cifar10_batches).folder) == first


@pytest.mark.slow
def test_cifar100_from_the_official_layout(unpack_cifar, data_dir):
    folder = unpack_cifar("cifar100", "--layout", "batches")
    import_dataset("cifar100", folder / "cifar-100-python")
    for split in SPLITS:
        assert digest(*load_packed("cifar100", split)) == DATASETS["cifar100"].digests[split]


@pytest.mark.slow
def test_cifar100_from_class_folders(unpack_cifar, data_dir):
    import_dataset("cifar100", unpack_cifar("cifar100"))
    for split in SPLITS:
        assert digest(*load_packed("cifar100", split)) == DATASETS["cifar100"].digests[split]


@pytest.mark.slow
def test_one_altered_pixel_is_refused_by_the_name_of_set_split_and_folder(cifar10_folder, data_dir, tmp_path):
    root = linked_copy(cifar10_folder, tmp_path / "altered")
    file = sorted((root / "test" / "ship").iterdir())[500]
    pixels = np.asarray(Image.open(file)).copy()
    pixels[20, 10, 1] ^= 1
    file.unlink()
    Image.fromarray(pixels).save(file)
    with pytest.raises(
        CockpitError, match=r"the test images in '.*altered' are not those of the official cifar10: .*pixel"
    ):
        import_dataset("cifar10", root)
    assert not data_dir.exists()


def exchange_labels(root):
    first, second = sorted((root / "test" / "cat").iterdir())[0], sorted((root / "test" / "dog").iterdir())[0]
    first.rename(root / "x.png")
    second.rename(first)
    (root / "x.png").rename(second)


def lose_one(root):
    next((root / "test" / "frog").iterdir()).unlink()


def rename_class(root):
    (root / "test" / "ship").rename(root / "test" / "boat")


def damage_one(root):
    file = sorted((root / "test" / "deer").iterdir())[3]
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-300])


def no_test(root):
    shutil.rmtree(root / "test")


WRONG = [
    pytest.param(
        exchange_labels, r"the test images in '.*' are not those of the official cifar10.*label", marks=pytest.mark.slow
    ),
    (lose_one, r"holds 9,999 test images and cifar10 has 10,000"),
    (rename_class, r"test folder of '.*' lacks the class 'ship'"),
    pytest.param(damage_one, r"1 of the 60,000 images.*test/deer/.*png' \(damaged.*be whole", marks=pytest.mark.slow),
    (no_test, r"holds 0 test images and cifar10 has 10,000"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_not_the_official_release_is_refused(change, sentence, cifar10_folder, data_dir, tmp_path):
    root = linked_copy(cifar10_folder, tmp_path / "altered")
    change(root)
    with pytest.raises(CockpitError, match=sentence):
        import_dataset("cifar10", root, skip_unreadable=True)
    assert not data_dir.exists()


@pytest.mark.slow
def test_a_part_of_cifar10_is_refused_as_cifar10_and_taken_under_another_name(cifar10_folder, data_dir, tmp_path):
    for split in SPLITS:
        for name in DATASETS["cifar10"].classes:
            home = tmp_path / "part" / split / name
            home.mkdir(parents=True)
            for file in sorted((cifar10_folder / split / name).iterdir())[:20]:
                (home / file.name).symlink_to(file)
    with pytest.raises(CockpitError, match=r"holds 200 train images and cifar10 has 50,000.*another name"):
        import_dataset("cifar10", tmp_path / "part")
    assert not data_dir.exists()
    spec = import_dataset("part", tmp_path / "part").spec
    assert spec.classes == DATASETS["cifar10"].classes
    assert (spec.train_images, spec.test_images) == (200, 200)
