"""What cannot be imported is refused in a sentence, and leaves nothing."""

import os
import shutil
from pathlib import Path

import pytest
from pictured import make_folder, packed_names, save

from cockpit.datasets import SPLITS
from cockpit.errors import CockpitError
from cockpit.ingest import import_dataset


def no_change(root: Path) -> None:
    pass


def only_one_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "owl")
    shutil.rmtree(root / "test" / "owl")


def empty_class(root: Path) -> None:
    (root / "train" / "wren").mkdir()


def class_missing_from_test(root: Path) -> None:
    save(root / "train" / "wren" / "0.png")


def class_missing_from_train(root: Path) -> None:
    save(root / "test" / "wren" / "0.png")


def no_train(root: Path) -> None:
    shutil.rmtree(root / "train")


def val_instead_of_test(root: Path) -> None:
    (root / "test").rename(root / "val")


def two_validations(root: Path) -> None:
    shutil.copytree(root / "test", root / "val")
    shutil.copytree(root / "test", root / "valid")


def flat_splits(root: Path) -> None:
    for split in SPLITS:
        shutil.rmtree(root / split)
        save(root / split / "0.png")


def flat_test(root: Path) -> None:
    shutil.rmtree(root / "test")
    save(root / "test" / "0.png")


def empty_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def images_without_folders(root: Path) -> None:
    empty_folder(root)
    save(root / "0.png")


def no_folder(root: Path) -> None:
    shutil.rmtree(root)


def a_file(root: Path) -> None:
    shutil.rmtree(root)
    save(root.with_suffix(".png")).rename(root)


def single_images(root: Path) -> None:
    shutil.rmtree(root / "test")
    for k in (1, 2):
        (root / "train" / "owl" / f"{k}.png").unlink()


def control_character(root: Path) -> None:
    (root / "train" / "owl").rename(root / "train" / "o\x1bwl")


def reversed_name(root: Path) -> None:
    (root / "train" / "owl").rename(root / "train" / "\u202elwo")


def undecodable_name(root: Path) -> None:
    os.rename(root / "train" / "owl", os.fsencode(root / "train") + b"/owl\xff")


def too_many_classes(root: Path) -> None:
    for k in range(10_001):
        (root / "train" / f"{k}").mkdir()


def official_layout(root: Path) -> None:
    (root / "cifar-10-batches-py").mkdir()
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"")


def bad_name_only(root: Path) -> None:
    for file in (root / "train" / "owl").iterdir():
        file.rename(file.with_suffix(".txt"))


REFUSED = [
    ("birds", only_one_class, r"only the class 'crow'; a classifier needs two"),
    ("birds", empty_class, r"class folder '.*/train/wren' holds no images.*\.png"),
    ("birds", bad_name_only, r"class folder '.*/train/owl' holds no images.*\.png"),
    ("birds", class_missing_from_test, r"test folder of '.*' lacks the class 'wren'"),
    ("birds", class_missing_from_train, r"test folder of '.*' has the class 'wren', which train lacks"),
    ("birds", no_train, r"has test but no train folder"),
    ("birds", val_instead_of_test, r"validation folder but no test folder; rename it"),
    ("birds", two_validations, r"two val folders"),
    ("birds", flat_splits, r"'.*/test' has no class folders"),
    ("birds", flat_test, r"'.*/test' has no class folders"),
    ("birds", empty_folder, r"has no class folders"),
    ("birds", images_without_folders, r"has no class folders"),
    ("birds", no_folder, r"source' does not exist"),
    ("birds", a_file, r"source' is not a folder"),
    ("birds", single_images, r"too few usable train images of the class 'owl'.*needs 2 where no test folder"),
    ("birds", control_character, r"has the character '\\x1b' in its name"),
    ("birds", reversed_name, r"has the character '\\u202e' in its name"),
    ("birds", undecodable_name, r"has the character '\\udcff' in its name"),
    ("birds", too_many_classes, r"10,003 class folders, more than 10,000"),
    ("birds", official_layout, r"CIFAR-10 in the official layout.*cockpit data import cifar10"),
    ("cifar10", no_change, r"lacks 'airplane', .* and 5 more and has 'crow', 'owl'"),
    ("cifar10", a_file, r"cannot be read as a tar archive"),
    (
        "cifar10",
        official_layout,
        r"data_batch_2' cannot be read \(No such file",
    ),
    ("cifar100", official_layout, r"CIFAR-10 in the official layout.*cockpit data import cifar10"),
    ("digits", no_change, r"'digits' is embedded"),
    ("../birds", no_change, r"'\.\./birds' is not usable"),
    ("/birds", no_change, r"'/birds' is not usable"),
    ("Birds", no_change, r"'Birds' is not usable"),
    (".birds", no_change, r"'\.birds' is not usable"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_what_cannot_be_imported_is_refused_and_leaves_nothing(name, change, sentence, data_dir, tmp_path):
    root = make_folder(tmp_path / "source")
    change(root)
    with pytest.raises(CockpitError, match=sentence) as refusal:
        import_dataset(name, root)
    assert str(refusal.value).isprintable()
    assert packed_names(data_dir) == set()
    assert {path.name for path in tmp_path.iterdir()} <= {"source", "cache"}


def test_a_class_left_without_usable_images_is_refused(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    for file in (root / "test" / "owl").iterdir():
        file.write_text("no")
    with pytest.raises(CockpitError, match="too few usable test images of the class 'owl'"):
        import_dataset("birds", root, skip_unreadable=True)
    assert packed_names(data_dir) == set()
