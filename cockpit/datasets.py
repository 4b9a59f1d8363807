"""The datasets: the known ones, and the packed folders in the user's cache. Loads no torch.

A dataset is ready when `<cache>/<name>/` holds `dataset.json` and, for each split, `<split>-images.npy`
(N, 32, 32, 3) uint8 and `<split>-labels.npy` (N,) int64, which are memory-mapped. How images become packed is
the affair of `cockpit.ingest`.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import platformdirs

from cockpit import files
from cockpit.errors import CockpitError, unknown
from cockpit.known_datasets import DATASETS, EMBEDDED, DatasetSpec

if TYPE_CHECKING:
    import numpy as np

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")
SIZE = 32
"""Height and width of every packed image, pixels."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SPEC_FILE = "dataset.json"
OUR_FILES = frozenset({_SPEC_FILE, *(f"{split}-{part}.npy" for split in SPLITS for part in ("images", "labels"))})
"""The files of a packed dataset."""
_LEFTOVER_S = 24 * 3600
"""No import takes a day, so a scratch folder of that age is a killed one's."""


class Packed(NamedTuple):
    """One split as arrays."""

    images: "np.ndarray"
    """(N, 32, 32, 3) uint8, RGB; read-only and memory-mapped when it comes from the cache."""
    labels: "np.ndarray"
    """(N,) int64."""


def cache_dir() -> Path:
    """Return the folder of the packed datasets: `COCKPIT_DATA`, else the user's cache folder."""
    chosen = os.environ.get("COCKPIT_DATA")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("cockpit")) / "datasets"


def check_name(name: str) -> str:
    """Return the name if a dataset may be called so, which keeps it inside the cache folder.

    Raises:
        CockpitError: For anything but 1-64 of a-z, 0-9, dot, dash and underscore, the first a letter or digit.
    """
    if not _NAME.fullmatch(name):
        raise CockpitError(
            f"dataset name {name[:80]!r} is not usable; take 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    return name


def is_packed(name: str) -> bool:
    """Tell whether the images are in the cache."""
    return (cache_dir() / name / _SPEC_FILE).is_file()


def is_ready(name: str) -> bool:
    """Tell whether a run can begin without fetching anything."""
    return name == EMBEDDED or is_packed(name)


def list_datasets() -> list[DatasetSpec]:
    """Return the known datasets, then the imported ones by name; what cannot be used by its name is left out."""
    imported = []
    root = cache_dir()
    for spec_file in sorted(root.glob(f"[!.]*/{_SPEC_FILE}")) if root.is_dir() else ():
        name = spec_file.parent.name
        if name not in DATASETS and _NAME.fullmatch(name):
            try:
                imported.append(_read_spec(spec_file))
            except CockpitError:
                continue
    return [*DATASETS.values(), *imported]


def find_dataset(name: str) -> DatasetSpec:
    """Return the dataset of that name.

    Raises:
        CockpitError: When there is none, or what the cache holds of it cannot be read.
    """
    if name in DATASETS:
        return DATASETS[name]
    if _NAME.fullmatch(name) and is_packed(name):
        return _read_spec(cache_dir() / name / _SPEC_FILE)
    raise unknown("dataset", name, [spec.name for spec in list_datasets()], "cockpit data")


def load_packed(name: str, split: Split) -> Packed:
    """Memory-map one split of a packed dataset.

    Raises:
        CockpitError: When a file is missing or damaged; the remedy is to import or get the dataset again.
    """
    import numpy as np

    folder = cache_dir() / name
    try:
        images = np.load(folder / f"{split}-images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / f"{split}-labels.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CockpitError(
            f"the packed {split} images of {name} in {folder} cannot be read ({error}); delete that folder and "
            f"run `cockpit data get {name}` or import them again"
        ) from error
    if images.shape != (len(labels), SIZE, SIZE, 3) or images.dtype != np.uint8:
        raise CockpitError(
            f"{folder}/{split}-images.npy has the shape {images.shape}; delete {folder} and import again"
        )
    return Packed(images, labels)


def write_packed(spec: DatasetSpec, train: Packed, test: Packed) -> Path:
    """Put a dataset into the cache in one rename, replacing an older one, and return its folder.

    Raises:
        CockpitError: When its name would lead out of the cache.
        OSError: When the cache cannot be written.
    """
    import numpy as np

    root = cache_dir()
    home = root / check_name(spec.name)
    root.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{spec.name}-", dir=root))
    try:
        for split, part in zip(SPLITS, (train, test), strict=True):
            np.save(scratch / f"{split}-images.npy", part.images)
            np.save(scratch / f"{split}-labels.npy", part.labels.astype(np.int64))
        (scratch / _SPEC_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(spec)))
        scratch.chmod(0o755)
        with _swap_lock(root):
            _sweep(root)
            old = Path(tempfile.mkdtemp(prefix=f".old-{spec.name}-", dir=root))
            if home.exists():
                home.rename(old / "old")
            scratch.rename(home)
        shutil.rmtree(old)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return home


def remove_packed(name: str) -> Path:
    """Delete the packed images of a dataset from the cache, and return the folder they were in.

    A training that has them open goes on.

    Raises:
        CockpitError: When there are none, they are not ours alone, or cannot be deleted.
    """
    root = cache_dir()
    home = root / check_name(name)
    if not os.path.lexists(home):
        raise CockpitError(f"{name} is not in {root}, so nothing is there to be deleted")
    if not _is_ours(home):
        raise CockpitError(f"{home} holds other files than those of a packed dataset; delete it by hand")
    try:
        with _swap_lock(root):
            old = Path(tempfile.mkdtemp(prefix=f".old-{name}-", dir=root))
            home.rename(old / "old")
        shutil.rmtree(old)
    except OSError as error:
        raise CockpitError(f"{home} cannot be deleted: {error.strerror}") from error
    return home


@contextlib.contextmanager
def _swap_lock(root: Path) -> Iterator[None]:
    """Let one process at a time replace a dataset: two trainers may pack `digits` at once."""
    with open(root / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(root: Path) -> None:
    """Delete what killed imports left; a younger scratch folder may be that of an import under way."""
    for leftover in root.glob(".*-*"):
        if _is_ours(leftover) and time.time() - leftover.stat().st_mtime > _LEFTOVER_S:
            shutil.rmtree(leftover, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_packed` puts there: the cache may lie in somebody's home."""
    try:
        names = set() if folder.is_symlink() else {entry.name for entry in folder.iterdir()}
    except OSError:
        return False
    return bool(names) and (names <= OUR_FILES or (names == {"old"} and _is_ours(folder / "old")))


def _read_spec(path: Path) -> DatasetSpec:
    try:
        spec = msgspec.json.decode(files.read_whole(path, files.DATASET_BYTES), type=DatasetSpec)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise CockpitError(
            f"{path} cannot be read ({error}); delete the folder {path.parent} and import again"
        ) from error
    return spec if spec.name == path.parent.name else msgspec.structs.replace(spec, name=path.parent.name)
