import os
import re
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from cockpit.datasets import (
    DATASETS,
    SPLITS,
    DatasetSpec,
    Packed,
    cache_dir,
    check_name,
    find_dataset,
    is_packed,
    is_ready,
    list_datasets,
    load_packed,
    write_packed,
)
from cockpit.errors import CockpitError

BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "/etc",
    "a/b",
    "a\\b",
    ".hidden",
    "-rf",
    "~",
    "Capital",
    "birds\n",
    "bi rds",
    "bird\0s",
    "\u202ebirds",
    "ünder",
    "a" * 65,
]


def packed(num_images: int, seed: int = 0) -> Packed:
    rng = np.random.RandomState(seed)
    images = rng.randint(0, 256, (num_images, 32, 32, 3)).astype(np.uint8)
    return Packed(images, np.arange(num_images) % 3)


def spec(name: str = "birds", **changes) -> DatasetSpec:
    fields = {"title": "Birds", "classes": ("crow", "owl", "wren"), "train_images": 12, "test_images": 3}
    return DatasetSpec(name=name, **(fields | changes))


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("known", DATASETS.values(), ids=str)
def test_each_known_dataset_is_described_whole(known):
    assert len(set(known.classes)) == known.num_classes >= 2
    assert list(known.classes) == sorted(known.classes)
    assert known.train_images > known.test_images > 0
    assert known.source
    assert check_name(known.name) == known.name
    assert all(re.fullmatch("[0-9a-f]{64}", known.digests[split]) for split in known.digests)
    grouped = [name for members in known.superclasses.values() for name in members]
    assert sorted(grouped) == (list(known.classes) if known.superclasses else [])


def test_cifar100_has_twenty_superclasses_of_five():
    assert [len(members) for members in DATASETS["cifar100"].superclasses.values()] == [5] * 20


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_leave_the_cache_is_refused_and_writes_nothing(name, data_dir, tmp_path):
    with pytest.raises(CockpitError, match="not usable"):
        check_name(name)
    with pytest.raises(CockpitError):
        find_dataset(name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CockpitError, match="not usable"):
        write_packed(spec(name), packed(12), packed(3))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_packed_is_loaded_again(data_dir):
    train, test = packed(12), packed(3, seed=1)
    home = write_packed(spec(), train, test)
    assert home == data_dir / "birds"
    for split, part in zip(SPLITS, (train, test), strict=True):
        found = load_packed("birds", split)
        assert np.array_equal(found.images, part.images)
        assert np.array_equal(found.labels, part.labels)
        assert found.labels.dtype == np.int64
        assert isinstance(found.images, np.memmap)
        assert not found.images.flags.writeable
    assert find_dataset("birds") == spec()
    assert [known.name for known in list_datasets()] == [*DATASETS, "birds"]


def test_packing_is_deterministic_and_replaces_the_older_one(data_dir):
    first = contents(write_packed(spec(), packed(12), packed(3, seed=1)))
    write_packed(spec(title="Other"), packed(12, seed=5), packed(3))
    assert contents(data_dir / "birds") != first
    write_packed(spec(), packed(12), packed(3, seed=1))
    assert contents(data_dir / "birds") == first
    assert {path.name for path in data_dir.iterdir()} == {"birds", ".lock"}


def test_only_the_embedded_dataset_is_ready_in_an_empty_cache(data_dir):
    assert cache_dir() == data_dir
    assert [name for name in DATASETS if is_ready(name)] == ["digits"]
    assert not any(is_packed(name) for name in DATASETS)


def test_an_unknown_dataset_is_answered_with_the_nearest_names(data_dir):
    with pytest.raises(CockpitError, match=r"'cifar11'.*cifar10.*cockpit data"):
        find_dataset("cifar11")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "shape", "pickled"])
def test_damaged_images_are_named_with_the_remedy(damage, data_dir):
    file = write_packed(spec(), packed(12), packed(3)) / "train-images.npy"
    match damage:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(file.read_bytes()[:-1])
        case "text":
            file.write_text("not an array")
        case "shape":
            np.save(file, np.zeros((12, 28, 28), np.uint8))
        case "pickled":
            np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CockpitError, match=r"birds.*(delete|import)"):
        load_packed("birds", "train")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": 3}', b'{"name": "birds"}'])
def test_a_damaged_description_is_left_out_of_the_list_and_named_when_asked_for(content, data_dir):
    (write_packed(spec(), packed(12), packed(3)) / "dataset.json").write_bytes(content)
    assert [known.name for known in list_datasets()] == list(DATASETS)
    with pytest.raises(CockpitError, match=r"dataset\.json.*import again"):
        find_dataset("birds")


def test_what_a_killed_import_left_is_no_dataset(data_dir):
    home = write_packed(spec(), packed(12), packed(3))
    home.rename(data_dir / ".birds-x1y2z3")
    assert [known.name for known in list_datasets()] == list(DATASETS)


def test_what_a_killed_import_left_is_swept_a_day_later(data_dir):
    write_packed(spec(), packed(12), packed(3))
    old, young = data_dir / ".birds-x1y2z3", data_dir / ".birds-a1b2c3"
    replaced, somebodys = data_dir / ".old-birds-x1y2z3", data_dir / ".vscode-server"
    for folder in (old, young, replaced / "old", somebodys):
        folder.mkdir(parents=True)
        (folder / "train-images.npy").write_bytes(b"half written")
    (somebodys / "settings.json").write_bytes(b"{}")
    for folder in (old, replaced, somebodys):
        os.utime(folder, (1, 1))
    write_packed(spec(), packed(12), packed(3))
    assert young.exists()
    assert not old.exists()
    assert not replaced.exists()
    assert somebodys.exists(), "the cache may lie in a home folder"


def test_the_description_is_readable_json(data_dir):
    home = write_packed(spec(held_out=True), packed(12), packed(3))
    assert msgspec.json.decode((home / "dataset.json").read_bytes())["held_out"] is True


def test_processes_that_pack_the_same_dataset_at_once_all_succeed(data_dir):
    code = "from cockpit.ingest import pack_digits; pack_digits(); pack_digits()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 2
    assert len(load_packed("digits", "train").labels) == DATASETS["digits"].train_images
    assert {path.name for path in data_dir.iterdir()} == {"digits", ".lock"}
