"""Any tree of files, any bytes as an image, any pickle: one sentence or a packed set, and nothing else happens."""

import io
import os
import pickle
import pickletools
import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties import attempt, examples

from cockpit.datasets import SPLITS, load_packed
from cockpit.errors import CockpitError
from cockpit.ingest import Summary, import_dataset
from cockpit.ingest.cifar_files import LAYOUTS, read_archive, read_folder
from cockpit.progress import Ticker


def encoded(kind: str, size: tuple[int, int], mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, kind)
    return buffer.getvalue()


IMAGES = [
    encoded(kind, size, mode)
    for kind, mode in (("PNG", "RGB"), ("PNG", "LA"), ("JPEG", "L"), ("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGBA"))
    for size in ((32, 32), (9, 40))
]


@st.composite
def bytes_of_an_image(draw) -> bytes:
    """An image, often a damaged one, or anything else."""
    content = bytearray(draw(st.sampled_from(IMAGES)))
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)) | st.just(len(content)))])


FILES = st.sampled_from(IMAGES) | bytes_of_an_image() | st.binary(max_size=40)
FILE_NAMES = st.sampled_from(
    ["0.png", "1.jpg", "2.JPEG", "3.gif", "notes.txt", ".hidden.png", "é.bmp", "a\nb.png", "-"]
)
FOLDER_NAMES = st.sampled_from(
    ["train", "test", "val", "Train", "crow", "owl", "wren", ".git", "o\x1bwl", "data_batch_1"]
)
LINKS = st.sampled_from(["..", "../..", "/", "/dev/zero", "nowhere", "train", "../secret.png", "../secret"]).map(Path)
PIPES = st.just(None)
CLASS = st.dictionaries(FILE_NAMES, FILES | LINKS | PIPES, max_size=4)
TREES = st.dictionaries(
    FOLDER_NAMES, st.dictionaries(FOLDER_NAMES | FILE_NAMES, CLASS | FILES | LINKS, max_size=4) | CLASS, max_size=4
)
SOUND = st.fixed_dictionaries(
    {
        split: st.fixed_dictionaries({name: st.just({"0.png": IMAGES[0]}) for name in ("crow", "owl")})
        for split in SPLITS
    }
)


def make(path: Path, what) -> None:
    """Make a folder of a dictionary, a file of bytes, a link of a path, and a pipe of None."""
    if isinstance(what, dict):
        path.mkdir()
        for name, inner in what.items():
            make(path / name, inner)
    elif isinstance(what, bytes):
        path.write_bytes(what)
    elif isinstance(what, Path):
        path.symlink_to(what)
    else:
        os.mkfifo(path)


def entries(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every entry below a folder, and what would change with it."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (state.st_ino, state.st_size, state.st_mtime_ns) for name, state in found.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(250)
@examples(few=60, many=1500)
def test_any_folder_is_packed_or_refused_in_a_sentence_and_only_read(examples, data_dir, tmp_path):
    outside = tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    (outside / "secret.png").write_bytes(IMAGES[0])
    root = outside / "source"

    @examples
    @given(TREES | st.tuples(SOUND, TREES).map(lambda pair: pair[0] | pair[1]), st.booleans())
    def check(tree: dict, skip: bool) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(data_dir, ignore_errors=True)
        make(root, tree)
        before = entries(outside)
        summary = attempt(lambda: import_dataset("birds", root, skip_unreadable=skip))
        assert entries(outside) == before
        packed = {path.name for path in data_dir.iterdir()} - {".lock"} if data_dir.exists() else set()
        assert {path.name for path in tmp_path.iterdir()} <= {"outside", "cache"}
        if isinstance(summary, Summary):
            assert packed == {"birds"}
            for split in SPLITS:
                images, labels = load_packed("birds", split)
                assert images.shape == (len(labels), 32, 32, 3)
                assert set(labels.tolist()) == set(range(summary.spec.num_classes))
        else:
            assert isinstance(summary, CockpitError)
            assert str(summary).isprintable()
            assert packed == set()

    check()


ROWS = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 3072)
BATCHES = [pickle.dumps({"labels": [3, 1], "data": ROWS}, protocol=protocol) for protocol in (0, 2, 4, 5)]


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def opcodes(canary: str) -> st.SearchStrategy[bytes]:
    """Single steps of the pickle machine, many of them with a sense."""
    short = st.sampled_from([b"labels", b"data", b"x", b"latin1", b"u1", b"__setstate__", b"\xff"])
    names = st.sampled_from(
        [
            *("numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct", "_codecs\nencode"),
            *("builtins\nopen", "os\nsystem", "builtins\neval", "numpy\nsave", "copyreg\n__newobj__", "a\nb"),
            "cockpit.ingest.cifar_files\n_Array",
        ]
    )
    return st.one_of(
        st.sampled_from([bytes([ord(opcode.code)]) for opcode in pickletools.opcodes if opcode.arg is None]),
        short.map(lambda text: b"U" + bytes([len(text)]) + text),
        short.map(lambda text: b"X" + struct.pack("<I", len(text)) + text),
        st.integers(0, 255).map(lambda number: b"K" + bytes([number])),
        st.integers(-(2**31), 2**31 - 1).map(lambda number: b"J" + struct.pack("<i", number)),
        st.integers(0, 255).map(lambda number: b"q" + bytes([number])),
        st.integers(0, 255).map(lambda number: b"h" + bytes([number])),
        st.integers(0, 2**32 - 1).map(lambda number: b"r" + struct.pack("<I", number)),
        st.integers(0, 2**40).map(lambda number: b"\x8e" + struct.pack("<Q", number)),
        names.map(lambda name: b"c" + name.encode() + b"\n"),
        st.just(b"U" + bytes([len(canary)]) + canary.encode()),
    )


@st.composite
def pickles(draw, canary: str) -> bytes:
    """A batch with parts exchanged, a pickle of anything, or the machine's steps in any order."""
    steps = st.lists(opcodes(canary), max_size=30).map(b"".join)
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return b"\x80\x02" + draw(steps) + b"."
    if kind == 1:
        values = st.one_of(st.none(), st.integers(), st.text(), st.just(ROWS), st.just(Canary(canary)), st.just([3, 1]))
        fields = draw(
            st.dictionaries(st.sampled_from(["labels", "data", "fine_labels", b"data"]), values | st.lists(values))
        )
        return pickle.dumps(draw(st.just(fields) | values), protocol=draw(st.integers(0, 5)))
    batch = draw(st.sampled_from(BATCHES))
    edge = st.integers(0, 200) | st.integers(len(batch) - 200, len(batch))
    start, stop = sorted((draw(edge), draw(edge)))
    return batch[:start] + draw(steps | st.binary(max_size=10)) + batch[stop:]


@pytest.mark.filterwarnings("ignore")
@examples(few=200, many=10_000)
def test_any_pickle_is_read_as_images_or_refused_and_runs_nothing(examples, tmp_path):
    home = tmp_path / "data" / LAYOUTS["cifar10"].folder
    home.mkdir(parents=True)
    files = [home / file for files in LAYOUTS["cifar10"].files.values() for file in files]
    canary = tmp_path / "canary"

    @examples
    @given(pickles(str(canary)))
    def check(content: bytes) -> None:
        files[0].write_bytes(content)
        for path in files[1:]:
            path.write_bytes(BATCHES[0])
        parts = attempt(lambda: read_folder("cifar10", home, Ticker()))
        if isinstance(parts, dict):
            images, labels = parts["train"]
            assert images.shape == (len(labels), 32, 32, 3)
        else:
            assert isinstance(parts, CockpitError)
            assert str(parts).isprintable()
        assert not canary.exists()
        assert {path.name for path in tmp_path.iterdir()} == {"data"}

    check()


@examples(few=60, many=3000)
def test_any_archive_is_read_or_refused(examples, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in ("data_batch_1", "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{file}")
            member.size, member.pax_headers = 10, {"comment": "é" * 20, "mtime": "1.5", "uname": "x"}
            archive.addfile(member, io.BytesIO(b"0123456789"))
    whole = buffer.getvalue()
    path = tmp_path / "cifar.tar"

    @examples
    @given(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6),
        st.integers(0, len(whole)) | st.just(len(whole)),
        st.sampled_from([b"", b"\x1f\x8b"]),
    )
    def check(changes: list[tuple[int, int]], size: int, before: bytes) -> None:
        content = bytearray(whole)
        for place, value in changes:
            content[place] = value
        path.write_bytes(before + content[:size])
        assert isinstance(attempt(lambda: read_archive("cifar10", path, Ticker())), CockpitError)
        assert {path.name for path in tmp_path.iterdir()} == {"cifar.tar"}

    check()
