import gzip
import os
import pickle
import random
import struct
import tarfile
from typing import Literal

import numpy as np
import pytest

from cockpit.errors import CockpitError
from cockpit.ingest.cifar_files import LAYOUTS, find_layout, read_archive, read_folder
from cockpit.progress import Cancelled, Ticker

ROWS = np.random.RandomState(0).randint(0, 256, (4, 3072)).astype(np.uint8)
LABELS = [3, 1, 0, 9]


def python3_pickle(key: str = "labels", rows: np.ndarray = ROWS, labels: object = LABELS, protocol: int = 2) -> bytes:
    return pickle.dumps({key: labels, "data": rows}, protocol=protocol)


def python2_pickle(key: str = "labels", rows: np.ndarray = ROWS, labels: list[int] = LABELS) -> bytes:
    """Assemble what Python 2's cPickle wrote for the official files, opcode by opcode (protocol 2)."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    numbers = b"]q\x09(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04"
        b"(K\x01" + b"M" + struct.pack("<H", len(rows)) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<I", rows.size) + rows.tobytes() + b"tb"
    )
    names = text("filenames") + b"](" + b"".join(text(f"bird_s_{k}.png") for k in range(len(labels))) + b"e"
    return b"\x80\x02}q\x01(" + text("data") + array + text(key) + numbers + names + b"u."


def write_cifar10(folder, content: bytes):
    home = folder / "cifar-10-batches-py"
    home.mkdir(parents=True)
    for files in LAYOUTS["cifar10"].files.values():
        for file in files:
            (home / file).write_bytes(content)
    return home


@pytest.mark.parametrize(
    "content",
    [python2_pickle(), python3_pickle(), python3_pickle(protocol=4), python3_pickle(rows=np.asfortranarray(ROWS))],
    ids=["python 2", "python 3", "protocol 4", "by columns"],
)
def test_pickles_of_both_pythons_give_the_same_images(content, tmp_path):
    home = write_cifar10(tmp_path, content)
    assert find_layout(tmp_path) == find_layout(home) == ("cifar10", home)
    parts = read_folder("cifar10", home, Ticker())
    assert parts["train"].images.shape == (20, 32, 32, 3)
    assert parts["train"].labels.tolist() == LABELS * 5
    assert parts["test"].labels.tolist() == LABELS
    # The official rows are 1,024 red, then green, then blue values, each row by row.
    assert np.array_equal(parts["test"].images[2, 5, 7], ROWS[2, [167, 1024 + 167, 2048 + 167]])


def test_the_fine_labels_of_cifar100_are_taken(tmp_path):
    for file in ("train", "test"):
        content = {"fine_labels": [99, 98, 0, 5], "coarse_labels": [1, 1, 1, 1], "data": ROWS}
        (tmp_path / file).write_bytes(pickle.dumps(content, protocol=2))
    assert find_layout(tmp_path) == ("cifar100", tmp_path)
    assert read_folder("cifar100", tmp_path, Ticker())["test"].labels.tolist() == [99, 98, 0, 5]


class Attack:
    """Pickles as a call of a function, as an exploit does."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def attacks(canary: str) -> dict[str, bytes]:
    touch = f"open({canary!r}, 'w').close()"
    return {
        "system": python3_pickle(labels=[Attack(os.system, f"touch {canary}")]),
        "mkdir": pickle.dumps(Attack(os.mkdir, canary), protocol=2),
        "exec": pickle.dumps(Attack(exec, touch), protocol=2),
        "getattr": pickle.dumps(Attack(getattr, "", "join"), protocol=2),
        "numpy's own": pickle.dumps(Attack(np.save, canary, 1), protocol=2),
        "nested name": b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.tofile\x93.",
        "codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        "patch a stand-in": b"\x80\x02cnumpy\nndarray\n}X\x0c\x00\x00\x00__setstate__Nsb.",
        "patch the codec": b"\x80\x02c_codecs\nencode\nN}X\x07\x00\x00\x00__new__Ns\x86b.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Pname\n.",
        "memory": b"\x80\x02Kdr\xff\xff\xff\x7f.",
        "labels that multiply": python3_pickle(labels=[[[[1] * 9] * 9] * 9] * 9),
        "not a table": pickle.dumps([1, 2]),
        "no pickle": b"RIFF....WEBP",
        "nothing": b"",
    }


@pytest.mark.parametrize("attack", attacks("x"))
def test_no_pickle_runs_anything(attack, tmp_path):
    canary = tmp_path / "canary"
    content = attacks(str(canary))[attack]
    home = write_cifar10(tmp_path / "data", content)
    with pytest.raises(CockpitError, match=r"data_batch_1' is not a file of the official.*nothing in it was run"):
        read_folder("cifar10", home, Ticker())
    assert not any(tmp_path.glob("canary*"))
    if attack in ("system", "mkdir", "exec", "numpy's own"):
        pickle.loads(content)
        assert any(tmp_path.glob("canary*")), "plain pickle was expected to run it"


WRONG = {
    "label too large": python3_pickle(labels=[3, 1, 0, 10]),
    "label negative": python3_pickle(labels=[3, 1, 0, -1]),
    "label no number": python3_pickle(labels=[3, 1, 0, "cat"]),
    "label a truth value": python3_pickle(labels=[3, 1, 0, True]),
    "labels too few": python3_pickle(labels=[3, 1]),
    "labels missing": python3_pickle(key="names"),
    "rows too short": python3_pickle(rows=ROWS[:, :3071]),
    "rows of floats": python3_pickle(rows=ROWS.astype(np.float32)),
    "rows of objects": python3_pickle(rows=ROWS.astype(object)),
    "rows a list": pickle.dumps({"labels": LABELS, "data": ROWS.tolist()}, protocol=2),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_wrong_content_is_refused_by_the_name_of_its_file(content, tmp_path):
    home = write_cifar10(tmp_path, content)
    with pytest.raises(CockpitError, match=r"cifar-10-batches-py/data_batch_1"):
        read_folder("cifar10", home, Ticker())


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize("whole", [python2_pickle(), python3_pickle()], ids=["python 2", "python 3"])
def test_a_damaged_pickle_is_read_as_images_or_refused_and_nothing_else(whole, tmp_path):
    home = write_cifar10(tmp_path, whole)
    rng = random.Random(0)
    structure = [k for k in range(len(whole)) if k < 250 or k > len(whole) - 250]
    refused = 0
    for _ in range(600):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 5])):
            damaged[rng.choice(structure)] = rng.randrange(256)
        (home / "data_batch_1").write_bytes(damaged[: rng.choice([len(whole), rng.randrange(len(whole))])])
        try:
            assert read_folder("cifar10", home, Ticker())["train"].images.shape[1:] == (32, 32, 3)
        except CockpitError:
            refused += 1
    assert refused > 300


def test_a_missing_file_is_named(tmp_path):
    home = write_cifar10(tmp_path, python3_pickle())
    (home / "data_batch_4").unlink()
    with pytest.raises(CockpitError, match=r"data_batch_4' cannot be read \(No such file"):
        read_folder("cifar10", home, Ticker())


def pack(path, home, mode: Literal["w", "w:gz"] = "w:gz"):
    with tarfile.open(path, mode) as archive:
        archive.add(home, home.name)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_is_read_without_being_unpacked(mode, tmp_path):
    home = write_cifar10(tmp_path, python2_pickle())
    path = pack(tmp_path / "cifar.tar.gz", home, mode)
    before = sorted(tmp_path.rglob("*"))
    found, expected = read_archive("cifar10", path, Ticker()), read_folder("cifar10", home, Ticker())
    assert sorted(tmp_path.rglob("*")) == before
    for split in ("train", "test"):
        assert np.array_equal(found[split].images, expected[split].images)
        assert np.array_equal(found[split].labels, expected[split].labels)


BROKEN_ARCHIVES = {
    "text": (lambda whole: b"not an archive", "cannot be read as a tar archive"),
    "empty": (lambda whole: b"", "cannot be read as a tar archive"),
    "cut": (lambda whole: whole[: len(whole) // 2], "cannot be read as a tar archive"),
    "flipped": (
        lambda whole: whole[:200] + b"\xff\xff\xff" + whole[203:],
        "cannot be read|does not hold|is not a file",
    ),
    "gzip of text": (lambda whole: gzip.compress(b"not an archive"), "cannot be read as a tar archive"),
}


@pytest.mark.parametrize(("harm", "sentence"), BROKEN_ARCHIVES.values(), ids=BROKEN_ARCHIVES)
def test_a_broken_archive_is_refused(harm, sentence, tmp_path):
    path = pack(tmp_path / "cifar.tar.gz", write_cifar10(tmp_path, python2_pickle()))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(CockpitError, match=sentence):
        read_archive("cifar10", path, Ticker())


def test_an_archive_of_another_dataset_is_refused(tmp_path):
    path = pack(tmp_path / "a.tar.gz", write_cifar10(tmp_path, python2_pickle()))
    with pytest.raises(CockpitError, match="does not hold train, test; import the python version of cifar100"):
        read_archive("cifar100", path, Ticker())


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(python3_pickle())
    home = write_cifar10(tmp_path, python3_pickle())
    (home / "data_batch_1").unlink()
    (home / "data_batch_1").symlink_to(secret)
    with pytest.raises(CockpitError, match="does not hold data_batch_1"):
        read_archive("cifar10", pack(tmp_path / "a.tar", home, "w"), Ticker())


def test_reading_can_be_cancelled(tmp_path):
    home = write_cifar10(tmp_path, python3_pickle())
    with pytest.raises(Cancelled):
        read_folder("cifar10", home, Ticker(stop=lambda: True))
    with pytest.raises(Cancelled):
        read_archive("cifar10", pack(tmp_path / "a.tar", home, "w"), Ticker(stop=lambda: True))
