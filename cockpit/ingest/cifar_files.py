"""Reads the official python layout of CIFAR-10 and CIFAR-100: pickles, from a folder or a tar archive.

Never runs what a pickle asks for: the four names that such a file needs stand for inert holders of data, every
other name is refused, and numpy sees only the raw pixel bytes. Never unpacks an archive to disk.
"""

import io
import math
import pickle
import pickletools
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from cockpit.datasets import DATASETS, SPLITS, Packed, Split
from cockpit.errors import CockpitError
from cockpit.progress import Ticker

if TYPE_CHECKING:
    import numpy as np

MAX_FILE_BYTES = 320 * 2**20
"""No official file is larger than CIFAR-100's 155 MB of training images; Python 3 writes those in up to 230 MB."""
MAX_MEMO = 1_000_000
"""Objects that a pickle may refer back to; an official file has some 50,000, the names of its images."""


class Layout(NamedTuple):
    """How the official "python version" of a dataset is laid out (Krizhevsky 2009, the release's own page)."""

    folder: str
    files: dict[Split, tuple[str, ...]]
    label_key: str


LAYOUTS = {
    "cifar10": Layout(
        "cifar-10-batches-py",
        {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
        "labels",
    ),
    "cifar100": Layout("cifar-100-python", {"train": ("train",), "test": ("test",)}, "fine_labels"),
}


def find_layout(path: Path) -> tuple[str, Path] | None:
    """Return the dataset whose official files are in the folder or in its official subfolder, and that folder."""
    for name, layout in LAYOUTS.items():
        for folder in (path, path / layout.folder):
            if any((folder / file).is_file() for files in layout.files.values() for file in files):
                return name, folder
    return None


def read_folder(name: str, folder: Path, ticker: Ticker) -> dict[Split, Packed]:
    """Read the official files of a dataset from their folder.

    Raises:
        CockpitError: When a file is missing, damaged, or something else than an official file.
        Cancelled: When the ticker says so.
    """
    contents = {}
    for file in _wanted(name):
        ticker.tick(len(contents), len(_wanted(name)), "reading files")
        try:
            with open(folder / file, "rb") as stream:
                contents[file] = _read_all(stream, folder / file)
        except OSError as error:
            raise CockpitError(
                f"{str(folder / file)!r} cannot be read ({error.strerror}); the official python layout of {name} "
                f"has the files {', '.join(_wanted(name))}"
            ) from error
    return _parse(name, folder, contents, ticker)


def read_archive(name: str, path: Path, ticker: Ticker) -> dict[Split, Packed]:
    """Read the official files of a dataset straight from the official archive, which may be compressed or not.

    Raises:
        CockpitError: When it is no such archive, is damaged, or lacks a file.
        Cancelled: When the ticker says so.
    """
    wanted = _wanted(name)
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, _archive_mode(path)) as archive:
            for member in archive:
                ticker.tick(len(contents), len(wanted), "reading the archive")
                file = PurePosixPath(member.name).name
                if file in wanted and member.isfile() and (stream := archive.extractfile(member)) is not None:
                    contents[file] = _read_all(stream, path / member.name)
                if len(contents) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CockpitError(f"{str(path)!r} cannot be read as a tar archive ({error}); fetch it again") from error
    if missing := [file for file in wanted if file not in contents]:
        raise CockpitError(
            f"the archive {str(path)!r} does not hold {', '.join(missing)}; import the python version of {name}, "
            f"whose folder is called {LAYOUTS[name].folder}"
        )
    return _parse(name, path, contents, ticker)


def _archive_mode(path: Path) -> Literal["r:gz", "r:"]:
    with open(path, "rb") as file:
        return "r:gz" if file.read(2) == b"\x1f\x8b" else "r:"


def _wanted(name: str) -> list[str]:
    return [file for split in SPLITS for file in LAYOUTS[name].files[split]]


def _read_all(stream: IO[bytes], path: Path) -> bytes:
    content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise CockpitError(f"{str(path)!r} is larger than {MAX_FILE_BYTES // 2**20} MiB, so it is no official file")
    return content


def _parse(name: str, home: Path, contents: dict[str, bytes], ticker: Ticker) -> dict[Split, Packed]:
    import numpy as np

    packed: dict[Split, Packed] = {}
    total = len(contents)
    for split, files in LAYOUTS[name].files.items():
        parts = []
        for file in files:
            ticker.tick(total - len(contents), total, "parsing files")
            parts.append(_parse_file(name, home / file, contents.pop(file)))
        packed[split] = Packed(
            np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts])
        )
    return packed


def _parse_file(name: str, path: Path, content: bytes) -> Packed:
    import numpy as np

    label_key, num_classes = LAYOUTS[name].label_key, DATASETS[name].num_classes
    try:
        _refuse_large_memo(content)
        fields = _InertUnpickler(io.BytesIO(content), encoding="latin1").load()
        rows, labels = fields["data"].to_numpy(), fields[label_key]
        if not isinstance(labels, list) or not all(type(y) is int and 0 <= y < num_classes for y in labels):
            raise ValueError(f"{label_key} are not a list of whole numbers below {num_classes}")
        if rows.shape != (len(labels), 3072):
            raise ValueError(f"pixels of shape {rows.shape} with {len(labels)} labels")
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        MemoryError,
    ) as error:
        raise CockpitError(
            f"{str(path)!r} is not a file of the official python layout of {name} ({str(error)[:200]!r}); nothing in "
            f"it was run: fetch it again or import class folders instead"
        ) from error
    images = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return Packed(images, np.array(labels, dtype=np.int64))


def _refuse_large_memo(content: bytes) -> None:
    """Raise before the unpickler would set aside memory for an index that no honest file has."""
    for opcode, argument, _place in pickletools.genops(content):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument is not None and argument > MAX_MEMO:
            raise pickle.UnpicklingError(f"asks for {argument:,} places of memory")


class _Array:
    """Stands for `numpy.ndarray` and for the function that pickles call to make one."""

    def __init__(self, *_args: object) -> None:
        self._shape: tuple[int, ...] = ()
        self._dtype: object = None
        self._fortran = False
        self._raw = b""

    def __setstate__(self, state: Any) -> None:
        _version, shape, self._dtype, fortran, raw = state
        self._shape = tuple(int(side) for side in shape)
        self._fortran = bool(fortran)
        # Python 2 wrote its byte strings as text, which the unpickler hands on as latin-1.
        self._raw = raw.encode("latin1") if isinstance(raw, str) else bytes(memoryview(raw))

    def to_numpy(self) -> "np.ndarray":
        import numpy as np

        if not isinstance(self._dtype, _Dtype) or self._dtype.code != "u1":
            raise ValueError("pixels that are not unsigned bytes")
        if min(self._shape, default=0) < 0 or math.prod(self._shape) != len(self._raw):
            raise ValueError(f"{len(self._raw)} bytes for the shape {self._shape}")
        return np.frombuffer(self._raw, np.uint8).reshape(self._shape, order="F" if self._fortran else "C")


class _Dtype:
    """Stands for `numpy.dtype`; its state is only the byte order, which a byte has not."""

    def __init__(self, code: object = None, *_args: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass


class _Latin1:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes in the pickle protocols of Python 2."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"asks for the encoding {encoding[:40]!r}")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("changes a function")


class _InertUnpickler(pickle.Unpickler):
    _STAND_INS: ClassVar = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("_codecs", "encode"): _Latin1,
    }

    def find_class(self, module: str, name: str) -> Any:
        stand_in = self._STAND_INS.get((module, name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"asks for {module[:80]}.{name[:80]}")
        return stand_in
