import hashlib
import os
import resource
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cockpit.datasets import DATASETS, SPLITS, find_dataset, list_datasets, load_packed
from cockpit.errors import CockpitError
from cockpit.ingest import Cancelled, digest, import_dataset, pack_digits, remove_dataset
from cockpit.ingest.official import load_official
from cockpit.progress import Ticker

DIGITS: Any = load_digits()
SCANS = [Image.fromarray((scan * 15.9).astype(np.uint8)) for scan in DIGITS["images"]]
"""Real pictures for real files."""


def save(path: Path, number: int = 0, size: tuple[int, int] = (24, 24), mode: str = "L", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    SCANS[number].resize(size).convert(mode).save(path, **options)
    return path


def make_folder(
    root: Path, splits: tuple[str, ...] = ("train", "test"), classes: str = "crow owl", num: int = 3
) -> Path:
    number = 0
    for split in splits:
        for name in classes.split():
            for k in range(num):
                save(root / split / name / f"{k}.png", number := number + 1)
    return root


def packed_names(data_dir: Path) -> set[str]:
    """Everything in the cache but the lock file."""
    return {path.name for path in data_dir.iterdir()} - {".lock"} if data_dir.exists() else set()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_digest_is_that_of_the_published_recipe_in_any_order():
    rng = np.random.RandomState(0)
    images, labels = rng.randint(0, 256, (50, 32, 32, 3)).astype(np.uint8), rng.randint(0, 10, 50)
    each = sorted(hashlib.sha256(bytes(images[k].ravel().tolist()) + bytes([labels[k]])).digest() for k in range(50))
    expected = hashlib.sha256(b"".join(each)).hexdigest()
    order = rng.permutation(50)
    assert digest(images, labels) == digest(images[order], labels[order]) == expected
    assert digest(images, labels[order]) != expected
    images[7, 31, 31, 2] ^= 1
    assert digest(images, labels) != expected


def test_the_digest_tells_labels_apart_beyond_a_byte():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    assert digest(images, np.array([0, 300])) != digest(images, np.array([0, 300 - 256]))
    assert digest(images[:0], np.zeros(0, np.int64)) == hashlib.sha256(b"").hexdigest()


def test_the_digits_are_packed_as_described_and_the_same_each_time(data_dir):
    home = pack_digits()
    first = contents(home)
    spec = DATASETS["digits"]
    parts = {split: load_packed("digits", split) for split in SPLITS}
    assert {split: len(parts[split].labels) for split in SPLITS} == {
        "train": spec.train_images,
        "test": spec.test_images,
    }
    for label, count in Counter(DIGITS["target"].tolist()).items():
        assert abs((parts["test"].labels == label).sum() - count / 5) < 1
    # These bytes are the same with every version of Pillow, numpy and scikit-learn.
    assert digest(*parts["train"]) == "12ec9163a807fec7e567952ca6dcf868e3897291916383443b1e82c8b12b2b5b"
    assert digest(*parts["test"]) == "75c7b1d538accc86deeca0d9b515d8bbf90f0da513c5c3478887a288f37244d9"
    pack_digits()
    assert contents(home) == first


def test_an_enlarged_digit_is_the_scan_again_when_it_is_reduced(data_dir):
    pack_digits()
    images, labels = load_packed("digits", "train")
    small = images[..., 0].reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)) * 16 / 255
    scans, targets = DIGITS["images"], DIGITS["target"]
    for image, label in list(zip(small, labels, strict=True))[:50]:
        nearest = np.abs(scans - image).mean(axis=(1, 2))
        assert targets[nearest.argmin()] == label
        assert nearest.min() < 1.5
    assert (images[..., 0] == images[..., 1]).all()
    assert (images[..., 0] == images[..., 2]).all()


def test_a_folder_with_splits_is_imported(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    summary = import_dataset("birds", root)
    assert summary.spec == find_dataset("birds")
    assert summary.spec.classes == ("crow", "owl")
    assert (summary.spec.train_images, summary.spec.test_images) == (6, 6)
    assert not summary.spec.held_out
    assert (summary.notes, summary.skipped) == (("every image is 32×32 RGB now: 12 were resized, 12 were grey",), ())
    assert str(root) in summary.spec.source
    assert summary.folder == data_dir / "birds"
    for split in SPLITS:
        part = load_packed("birds", split)
        assert part.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert digest(*part) == summary.spec.digests[split]
    assert packed_names(data_dir) == {"birds"}


def test_the_same_folder_gives_the_same_bytes(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", splits=(".",), num=10)
    first = contents(import_dataset("birds", root).folder)
    assert contents(import_dataset("birds", root, replace=True).folder) == first


def test_without_a_test_folder_a_fifth_of_each_class_is_held_out_and_said(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", splits=(".",), classes="crow owl wren", num=11)
    shutil.copy(root / "wren" / "0.png", root / "wren" / "more.png")
    summary = import_dataset("birds", root)
    assert summary.spec.held_out
    assert (summary.spec.train_images, summary.spec.test_images) == (27, 7)
    assert np.bincount(load_packed("birds", "test").labels).tolist() == [2, 2, 3]
    assert any("no test folder" in note and "7 images" in note for note in summary.notes)


def test_the_held_out_images_do_not_depend_on_file_names(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", splits=("train",), num=10)
    first = import_dataset("birds", root).spec
    for k in range(10):
        (root / "train" / "owl" / f"{k}.png").rename(root / "train" / "owl" / f"{97 - k}-owl.png")
    assert import_dataset("birds", root, replace=True).spec.digests == first.digests


def test_a_validation_folder_joins_the_training_images_and_it_is_said(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", splits=("Train", "valid", "TEST"))
    summary = import_dataset("birds", root)
    assert (summary.spec.train_images, summary.spec.test_images) == (12, 6)
    assert load_packed("birds", "train").labels.tolist() == [0] * 6 + [1] * 6
    assert any("6 images of the validation folder" in note for note in summary.notes)


def test_a_mixed_folder_of_real_files_is_imported_as_rgb(data_dir, tmp_path):
    root = tmp_path / "mixed"
    for split in SPLITS:
        save(root / split / "a" / "grey.png", 0, (50, 40))
        save(root / split / "a" / "colour.JPG", 0, (300, 200), "RGB")
        save(root / split / "a" / "deep" / "er" / "palette.gif", 0, (32, 32), "P")
        save(root / split / "b" / "alpha.png", 1, (64, 64), "RGBA")
        save(root / split / "b" / "print.jpeg", 1, (90, 90), "CMYK")
        save(root / split / "b" / "bits.TIFF", 1, (16, 16), "1")
        save(root / split / "b" / "web.webp", 1, (33, 31), "RGB")
        (root / split / "b" / "labels.txt").write_text("b")
        (root / split / "b" / ".DS_Store").write_bytes(b"\0")
        save(root / split / "b" / ".hidden.png", 5)
        save(root / split / ".thumbnails" / "c.png", 5)
    (root / "docs").mkdir()
    (root / "README").write_text("hello")
    summary = import_dataset("mixed", root)
    assert summary.spec.classes == ("a", "b")
    assert load_packed("mixed", "train").labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert [note for note in summary.notes if "'docs'" in note and "passed over" in note]
    assert len([note for note in summary.notes if "1 files" in note and "b/labels.txt" in note]) == 2


def test_unusable_files_are_all_listed_and_nothing_is_packed_unless_told_otherwise(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    good = import_dataset("good", root).spec
    (root / "train" / "owl" / "letter.png").write_text("Dear owl,")
    (root / "train" / "crow" / "cut.png").write_bytes(save(tmp_path / "x.png").read_bytes()[:-40])
    save(root / "test" / "crow" / "tiny.png", size=(5, 5))
    (root / "test" / "crow" / "gone.png").symlink_to(tmp_path / "gone")
    os.mkfifo(root / "test" / "owl" / "pipe.png")
    with pytest.raises(CockpitError) as refusal:
        import_dataset("birds", root)
    sentence = str(refusal.value)
    assert "5 of the 17 images" in sentence
    for name in ("train/owl/letter.png' (not an image", "cut.png' (damaged", "tiny.png' (5×5", "gone.png", "pipe.png"):
        assert name in sentence
    assert "--skip-unreadable" in sentence
    assert packed_names(data_dir) == {"good"}

    summary = import_dataset("birds", root, skip_unreadable=True)
    assert len(summary.skipped) == 5
    assert any("5 files" in note for note in summary.notes)
    assert summary.spec.digests == good.digests


def test_a_long_list_of_unusable_files_ends_in_a_count(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    for k in range(30):
        (root / "train" / "owl" / f"bad{k:02}.png").write_text("no")
    with pytest.raises(
        CockpitError, match=r"30 of the 42 images.*bad19\.png' \(not an image\) and 10 more;"
    ) as refusal:
        import_dataset("birds", root)
    assert "bad20.png" not in str(refusal.value)


def test_names_of_files_cannot_disturb_the_terminal(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    (root / "train" / "owl" / "\x1b[2J\u202egnp.png").write_text("no")
    with pytest.raises(CockpitError) as refusal:
        import_dataset("birds", root)
    assert str(refusal.value).isprintable()
    assert r"\x1b[2J\u202egnp.png" in str(refusal.value)


def test_links_are_followed_and_only_read(data_dir, tmp_path):
    store = make_folder(tmp_path / "store")
    root = tmp_path / "birds"
    (root / "train").mkdir(parents=True)
    (root / "train" / "crow").symlink_to(store / "train" / "crow")
    (root / "train" / "owl").mkdir()
    for k in range(3):
        (root / "train" / "owl" / f"{k}.png").symlink_to(store / "train" / "owl" / f"{k}.png")
    (root / "train" / "owl" / "circle").symlink_to(root)
    (root / "test").symlink_to(store / "test")
    before = contents(store)
    summary = import_dataset("birds", root)
    assert summary.spec.digests == import_dataset("store", store).spec.digests
    assert any("owl/circle" in note for note in summary.notes)
    assert contents(store) == before


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


def test_an_imported_name_is_replaced_only_on_request(data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "one"))
    other = make_folder(tmp_path / "two", classes="crow owl wren")
    with pytest.raises(CockpitError, match=r"'birds' exists.*--replace"):
        import_dataset("birds", other)
    assert find_dataset("birds").num_classes == 2
    import_dataset("birds", other, replace=True, hflip_ok=False)
    assert find_dataset("birds").num_classes == 3
    assert not find_dataset("birds").hflip_ok


def test_a_folder_of_somebody_else_in_the_cache_is_never_replaced_or_removed(data_dir, tmp_path):
    """COCKPIT_DATA may name the folder where the source images are."""
    root = make_folder(data_dir / "birds")
    before = contents(data_dir)
    for attempt in (lambda: import_dataset("birds", root, replace=True), lambda: remove_dataset("birds")):
        with pytest.raises(CockpitError, match=r"'test', 'train', which cockpit did not write"):
            attempt()
    assert contents(data_dir) == before


def test_a_dataset_is_removed_without_its_source(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    import_dataset("birds", root)
    source = contents(root)
    assert remove_dataset("birds") == data_dir / "birds"
    assert packed_names(data_dir) == set()
    assert contents(root) == source
    assert [spec.name for spec in list_datasets()] == list(DATASETS)


def test_removing_a_link_keeps_what_it_leads_to(data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "source"))
    (data_dir / "birds").rename(tmp_path / "elsewhere")
    (data_dir / "birds").symlink_to(tmp_path / "elsewhere")
    remove_dataset("birds")
    assert packed_names(data_dir) == set()
    assert len(list((tmp_path / "elsewhere").iterdir())) == 5


@pytest.mark.parametrize("name", ["../outside", "birds/../../outside", "/", "~", "", "wren", "digits", "cifar10"])
def test_removing_what_is_no_packed_dataset_is_refused(name, data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "source"))
    make_folder(tmp_path / "outside")
    before = contents(tmp_path)
    with pytest.raises(CockpitError):
        remove_dataset(name)
    assert contents(tmp_path) == before


def test_progress_is_told_in_order_and_to_the_end(data_dir, tmp_path):
    calls = []
    import_dataset(
        "birds",
        make_folder(tmp_path / "birds", num=40),
        progress=lambda *call: calls.append((call, threading.get_ident())),
    )
    assert {thread for _, thread in calls} == {threading.get_ident()}
    told = [call for call, _ in calls]
    assert all(0 <= done <= total for done, total, _ in told)
    assert (80, 80, "reading images") in told
    assert told[-1] == (1, 1, "packing")


@pytest.mark.parametrize("asked", [1, 2, 5, 9])
def test_a_cancelled_import_leaves_nothing_and_no_thread(asked, data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", num=60)
    questions = []
    with pytest.raises(Cancelled):
        import_dataset("birds", root, stop=lambda: questions.append(1) or len(questions) >= asked)
    assert packed_names(data_dir) == set()
    assert not [thread.name for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_a_progress_callback_that_raises_ends_the_import(data_dir, tmp_path):
    def interrupt(done: int, total: int, what: str) -> None:
        if what == "reading images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_dataset("birds", make_folder(tmp_path / "birds", num=60), progress=interrupt)
    assert packed_names(data_dir) == set()


def test_a_disk_without_room_is_named_and_the_older_dataset_kept(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", num=20)
    import_dataset("birds", make_folder(tmp_path / "small"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # the kernel refuses to let files grow beyond it
    try:
        with pytest.raises(CockpitError, match=r"packed images of birds cannot be written.*COCKPIT_DATA"):
            import_dataset("birds", root, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert packed_names(data_dir) == {"birds"}
    assert len(load_packed("birds", "train").labels) == 6


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(CockpitError, match=r"cannot be written to '.*file/cache' \(Not a directory\)"):
        import_dataset("birds", make_folder(tmp_path / "birds"))


def test_an_archive_of_which_nobody_knows_the_files_is_a_sentence(tmp_path):
    spec = msgspec.structs.replace(DATASETS["cifar10"], name="insects")
    (tmp_path / "insects.tar").write_bytes(b"")
    with pytest.raises(CockpitError, match=r"no archive of insects can be read, only those of cifar10.*class folders"):
        load_official(spec, tmp_path / "insects.tar", Ticker())
