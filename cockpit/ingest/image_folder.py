"""Reads folders of images, `<split>/<class>/*.png` or `<class>/*.png`, as 32×32 RGB. Never writes anything.

Files and class folders may be symbolic links, wherever they lead: they are only read. Hidden files and folders
(a leading dot) are passed over. Files are taken class by class, in alphabetical order, so equal folders give equal
arrays.
"""

import os
import threading
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, NoReturn

from cockpit.datasets import SIZE, SPLITS, Packed, Split
from cockpit.errors import CockpitError
from cockpit.ingest.pictures import Unusable, read_picture
from cockpit.progress import Ticker

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
MAX_CLASSES = 10_000
"""More class folders than this are taken for a mistake; the largest public sets have about as many."""
NUM_LISTED = 20
"""Names that a message lists before it only counts."""
_SPLIT_FOLDERS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
_NUM_THREADS = 4
_CHUNK = 16


class ImageFile(NamedTuple):
    """One file of a class."""

    path: Path
    label: int


class ImageFolder(NamedTuple):
    """What a folder of images holds, before any file was opened."""

    root: Path
    classes: tuple[str, ...]
    """Folder names in alphabetical order (by code point, so `10` comes before `2`); the label is the index."""
    splits: dict[Split, list[ImageFile]]
    """No `test` where the folder has none."""
    notes: tuple[str, ...]
    """Sentences on what was merged or passed over."""


def listed(names: Iterable[str], limit: int = NUM_LISTED) -> str:
    """Join names for a message: up to `limit` of them, then a count."""
    names = list(names)
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def scan(root: Path, ticker: Ticker) -> ImageFolder:
    """List the images of a folder.

    Folders called train, test and val (valid, validation) in any case are splits; the validation images join the
    training images if there is a test folder beside them. Without such folders each folder is a class.

    Raises:
        CockpitError: When the folder cannot be read as two or more classes of images, the same ones in each split.
        Cancelled: When the ticker says so.
    """
    try:
        return _scan(root, ticker)
    except OSError as error:
        raise CockpitError(f"{str(error.filename)!r} cannot be read ({error.strerror})") from error


def decode(
    folder: ImageFolder, split: Split, ticker: Ticker, counts: Counter[str] | None = None
) -> tuple[Packed, dict[int, str]]:
    """Read the images of a split, several at a time.

    Args:
        folder: Where they are.
        split: Which of them.
        ticker: Told how many are read, and asked whether to go on.
        counts: Gains what `read_picture` counts.

    Returns:
        The images in the order of the files, and for the index of each that cannot be used the name of its file with
        the reason; its pixels are undefined.

    Raises:
        Cancelled: When the ticker says so; no thread is left running.
    """
    import numpy as np
    from PIL import Image

    Image.init()
    files = folder.splits[split]
    images = np.empty((len(files), SIZE, SIZE, 3), dtype=np.uint8)
    unusable: dict[int, str] = {}
    halt = threading.Event()

    def read_chunk(start: int) -> tuple[int, Counter[str]]:
        found: Counter[str] = Counter()
        stop = min(start + _CHUNK, len(files))
        for index in range(start, stop):
            if halt.is_set():
                break
            try:
                images[index] = read_picture(files[index].path, found)
            except Unusable as error:
                unusable[index] = f"{str(files[index].path.relative_to(folder.root))!r} ({error})"
        return stop, found

    # Pillow warns on stderr, which may be a full-screen program's; what matters of it is refused by read_picture.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(_NUM_THREADS) as pool:
        try:
            for done, found in pool.map(read_chunk, range(0, len(files), _CHUNK)):
                if counts is not None:
                    counts.update(found)
                ticker.tick(done, len(files), "reading images")
        except BaseException:
            halt.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    labels = np.array([file.label for file in files], dtype=np.int64)
    return Packed(images, labels), dict(sorted(unusable.items()))


def refuse_unusable(folder: ImageFolder, reasons: Iterable[str], remedy: str) -> NoReturn:
    """Raise the CockpitError that lists the files which `decode` could not use."""
    reasons, total = list(reasons), sum(map(len, folder.splits.values()))
    raise CockpitError(
        f"{len(reasons):,} of the {total:,} images in {str(folder.root)!r} cannot be used: {listed(reasons)}; {remedy}"
    )


def _scan(root: Path, ticker: Ticker) -> ImageFolder:
    notes: list[str] = []
    folders = _subfolders(root)
    parts = [folder for folder in folders if folder.name.lower() in _SPLIT_FOLDERS]
    # Among other class folders, `train` without folders in it is a class of vehicles, as in CIFAR-100.
    if not any(_subfolders(folder) for folder in parts) and (not parts or len(parts) < len(folders)):
        return _build(root, {"train": _list_classes(root, notes, ticker)}, notes)
    notes += [
        f"the folder {folder.name!r} is no split and was passed over" for folder in folders if folder not in parts
    ]
    splits: dict[str, dict[str, list[Path]]] = {}
    for folder in parts:
        split = _SPLIT_FOLDERS[folder.name.lower()]
        if split in splits:
            raise CockpitError(f"{str(root)!r} has two {split} folders, one of them {folder.name!r}; leave only one")
        splits[split] = _list_classes(folder, notes, ticker)
    _check_splits(root, splits)
    if val := splits.pop("val", None):
        for name, files in val.items():
            splits["train"][name] += files
        notes.append(
            f"the {sum(map(len, val.values())):,} images of the validation folder joined the training images; each "
            f"run cuts its own validation part from those"
        )
    return _build(root, splits, notes)


def _check_splits(root: Path, splits: dict[str, dict[str, list[Path]]]) -> None:
    if "train" not in splits:
        raise CockpitError(f"{str(root)!r} has {listed(splits)} but no train folder with class folders in it")
    if "val" in splits and "test" not in splits:
        raise CockpitError(
            f"{str(root)!r} has a validation folder but no test folder; rename it to test to test on it, or move its "
            f"images to train: each run cuts its own validation part from the training images"
        )
    for split, classes in splits.items():
        if missing := [repr(name) for name in splits["train"] if name not in classes]:
            raise CockpitError(
                f"the {split} folder of {str(root)!r} lacks the class {listed(missing)}, which train has; add it"
            )
        if unknown := [repr(name) for name in classes if name not in splits["train"]]:
            raise CockpitError(
                f"the {split} folder of {str(root)!r} has the class {listed(unknown)}, which train lacks; rename it or "
                f"take it out"
            )


def _build(root: Path, splits: dict[str, dict[str, list[Path]]], notes: list[str]) -> ImageFolder:
    classes = tuple(splits["train"])
    if len(classes) == 1:
        raise CockpitError(f"{str(root)!r} has only the class {classes[0]!r}; a classifier needs two or more")
    files: dict[Split, list[ImageFile]] = {}
    for split in SPLITS:
        if split in splits:
            files[split] = [ImageFile(path, k) for k, name in enumerate(classes) for path in splits[split][name]]
    return ImageFolder(root, classes, files, tuple(notes))


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def _list_classes(folder: Path, notes: list[str], ticker: Ticker) -> dict[str, list[Path]]:
    """Return the images of each class folder, to any depth, and note the files that are no images by their name."""
    homes = _subfolders(folder)
    if not homes:
        raise CockpitError(f"{str(folder)!r} has no class folders in it; put the images of each class into a folder")
    if len(homes) > MAX_CLASSES:
        raise CockpitError(
            f"{str(folder)!r} has {len(homes):,} class folders, more than {MAX_CLASSES:,}; put the images "
            f"of one class into one folder"
        )
    classes: dict[str, list[Path]] = {}
    others: list[str] = []
    for home in homes:
        ticker.tick(len(classes), len(homes), "listing images")
        _check_class_name(home)
        files = sorted(_walk(home))
        classes[home.name] = [path for path in files if path.suffix.lower() in SUFFIXES]
        others += [repr(str(path.relative_to(folder))) for path in files if path.suffix.lower() not in SUFFIXES]
        if not classes[home.name]:
            raise CockpitError(
                f"the class folder {str(home)!r} holds no images ({listed(sorted(SUFFIXES))}); add some or remove it"
            )
    if others:
        notes.append(f"{len(others):,} files that are no images by their name were passed over: {listed(others, 3)}")
    return classes


def _walk(home: Path) -> Iterator[Path]:
    """Yield all files below a class folder, and the linked folders, which might lead in circles."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(home, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in (*files, *linked):
            if not name.startswith("."):
                yield Path(parent, name)


def _check_class_name(home: Path) -> None:
    """Refuse names that would disturb a terminal: control characters, and invisible ones that reorder text.

    The two joiners U+200C and U+200D are allowed: Persian and Indic words need them.
    """
    for character in home.name:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in "\u200c\u200d":
            raise CockpitError(
                f"the class folder {str(home)!r} has the character {character!a} in its name; rename the folder"
            )
