"""Loads a known dataset from whatever form of it a user has, and accepts the official content only."""

from collections.abc import Iterator
from pathlib import Path

from cockpit.datasets import DATASETS, SPLITS, DatasetSpec, Packed, Split
from cockpit.errors import CockpitError
from cockpit.ingest import cifar_files
from cockpit.ingest.digests import combine, image_digests
from cockpit.ingest.image_folder import ImageFolder, decode, listed, refuse_unusable, scan
from cockpit.progress import Ticker


def refuse_misnamed(name: str, path: Path) -> None:
    """Raise CockpitError when a folder holds another dataset, in the official layout, than the name says."""
    official = cifar_files.find_layout(path) if path.is_dir() else None
    if official is not None and official[0] != name:
        raise CockpitError(
            f"{str(path)!r} holds {DATASETS[official[0]].title} in the official layout; import it as "
            f"`cockpit data import {official[0]} PATH`"
        )


def load_official(spec: DatasetSpec, path: Path, ticker: Ticker) -> dict[Split, Packed]:
    """Read a known dataset from its tar archive, the folder of the official layout, or class folders.

    The images come in the order of their digests, so that every form of the dataset gives the same arrays, and a seed
    the same run.

    Raises:
        CockpitError: When a class, an image or a pixel is missing or differs.
        Cancelled: When the ticker says so.
    """
    return {split: _verify(spec, split, part, path, ticker) for split, part in _read(spec, path, ticker)}


def _read(spec: DatasetSpec, path: Path, ticker: Ticker) -> Iterator[tuple[Split, Packed]]:
    """Yield the smaller part first, so that a wrong folder is refused sooner."""
    official = cifar_files.find_layout(path) if path.is_dir() else None
    if path.is_file() or official:
        if spec.name not in cifar_files.LAYOUTS:
            known = ", ".join(cifar_files.LAYOUTS)
            raise CockpitError(
                f"no archive of {spec.name} can be read, only those of {known}; unpack it into class folders first"
            )
        if official:
            parts = cifar_files.read_folder(spec.name, official[1], ticker)
        else:
            parts = cifar_files.read_archive(spec.name, path, ticker)
        _check_counts(spec, {split: len(part.labels) for split, part in parts.items()}, path)
        yield from reversed(parts.items())
        return
    folder = scan(path, ticker)
    _check_classes(spec, folder)
    _check_counts(spec, {split: len(files) for split, files in folder.splits.items()}, path)
    for split in reversed(SPLITS):
        part, unusable = decode(folder, split, ticker)
        if unusable:
            refuse_unusable(folder, unusable.values(), f"{spec.name} has to be whole, so fetch it again")
        yield split, part


def _check_classes(spec: DatasetSpec, folder: ImageFolder) -> None:
    if folder.classes == spec.classes:
        return
    missing = [repr(name) for name in spec.classes if name not in folder.classes]
    strange = [repr(name) for name in folder.classes if name not in spec.classes]
    found = [f"lacks {listed(missing, 5)}"] if missing else []
    found += [f"has {listed(strange, 5)}"] if strange else []
    raise CockpitError(
        f"the class folders of {str(folder.root)!r} are not those of {spec.name}: it {' and '.join(found)}; correct "
        f"them, or import the folder under another name"
    )


def _check_counts(spec: DatasetSpec, found: dict[Split, int], path: Path) -> None:
    expected: dict[Split, int] = {"train": spec.train_images, "test": spec.test_images}
    for split, count in expected.items():
        if found.get(split, 0) != count:
            raise CockpitError(
                f"{str(path)!r} holds {found.get(split, 0):,} {split} images and {spec.name} has {count:,}; complete "
                f"it, or import a part of it under another name"
            )


def _verify(spec: DatasetSpec, split: Split, part: Packed, path: Path, ticker: Ticker) -> Packed:
    ticker.tick(0, 1, f"checking the {split} images")
    each = image_digests(*part)
    if (found := combine(each)) != spec.digests[split]:
        raise CockpitError(
            f"the {split} images in {str(path)!r} are not those of the official {spec.name}: their number is right, "
            f"but a pixel or label of at least one differs (content digest {found[:12]}…, official "
            f"{spec.digests[split][:12]}…); fetch them again, or import them under another name"
        )
    order = sorted(range(len(each)), key=each.__getitem__)
    return Packed(part.images[order], part.labels[order])
