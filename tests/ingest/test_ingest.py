"""Images become packed arrays: folders with and without splits, real files of any kind, the same bytes each time."""

import hashlib
import os
import shutil
from collections import Counter

import numpy as np
import pytest
from pictured import DIGITS, contents, make_folder, packed_names, save

from cockpit.datasets import DATASETS, SPLITS, find_dataset, load_packed
from cockpit.errors import CockpitError
from cockpit.ingest import digest, import_dataset, pack_digits


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
