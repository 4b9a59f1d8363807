"""Turns what a user has into a packed dataset: the embedded digits, an official archive, or a folder of images.

Writes only to the cache folder, whole datasets at once; an import that fails or is cancelled leaves nothing there.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cockpit.datasets import (
    DATASETS,
    EMBEDDED,
    OUR_FILES,
    SIZE,
    SPLITS,
    DatasetSpec,
    Packed,
    Split,
    cache_dir,
    check_name,
    is_packed,
    list_datasets,
    write_packed,
)
from cockpit.errors import CockpitError, unknown
from cockpit.ingest.digests import digest, hold_out, image_digests
from cockpit.ingest.digits import read_digits
from cockpit.ingest.image_folder import ImageFolder, decode, listed, refuse_unusable, scan
from cockpit.ingest.official import load_official, refuse_misnamed
from cockpit.ingest.pictures import GREY, RESIZED, TRANSPARENT
from cockpit.progress import Cancelled, Progress, Stop, Ticker

__all__ = ["Cancelled", "Progress", "Stop", "Summary", "digest", "import_dataset", "pack_digits", "remove_dataset"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did."""

    spec: DatasetSpec
    """The dataset as it is now."""
    folder: Path
    """Where it is packed."""
    skipped: tuple[str, ...] = ()
    """Names of the files that were left out on request, each with its reason."""
    notes: tuple[str, ...] = ()
    """Sentences for the user: what was held out, merged, passed over or left out."""


def import_dataset(
    name: str,
    path: Path | str,
    *,
    skip_unreadable: bool = False,
    replace: bool = False,
    hflip_ok: bool = True,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Pack a dataset from a folder, or a known one from its official archive too.

    A known name (`cifar10`, `cifar100`) takes the official content only, in any of the forms of
    `cockpit.ingest.official.load_official`. Another name takes class folders, with or without a test part, as
    `cockpit.ingest.image_folder.scan` finds them and `cockpit.ingest.pictures.read_picture` makes them 32×32 RGB.

    Args:
        name: What the dataset will be called.
        path: The folder or archive; it is only read.
        skip_unreadable: Leave out the files that cannot be used, instead of refusing the folder. A known dataset is
            refused all the same, because it would not be whole.
        replace: Replace a dataset that was imported under this name before. A known one is always replaced.
        hflip_ok: Whether a mirrored image is still of its class. A known dataset has its own answer.
        progress: Told of the work, in this thread.
        stop: Asked in this thread, between every few images, whether to give up.

    Raises:
        CockpitError: When the name or the folder cannot be used; nothing was written.
        Cancelled: When `stop()` returned True; nothing was written.
    """
    path = check_import(name, path, replace=replace)
    ticker = Ticker(progress, stop)
    if name not in DATASETS:
        return _import_folder(name, scan(path, ticker), skip_unreadable, hflip_ok, ticker)
    parts = load_official(DATASETS[name], path, ticker)
    return Summary(spec=DATASETS[name], folder=_store(DATASETS[name], parts["train"], parts["test"], ticker))


def check_import(name: str, path: Path | str, *, replace: bool = False) -> Path:
    """Return the folder or archive to import, or raise CockpitError when its name or its place is of no use.

    Args:
        name: What the dataset will be called.
        path: The folder or archive.
        replace: Whether a dataset that was imported under this name may be replaced.
    """
    path = Path(path).expanduser()
    _check_target(name, replace)
    if not path.exists():
        raise CockpitError(f"{str(path)!r} does not exist; name the folder that holds the images of {name}")
    if not path.is_dir() and not (name in DATASETS and path.is_file()):
        raise CockpitError(
            f"{str(path)!r} is not a folder; unpack it if it is an archive, and name the folder with the class folders"
        )
    refuse_misnamed(name, path)
    return path


def pack_digits() -> Path:
    """Pack the embedded digits and return their folder; it takes no more than seconds."""
    return _store(DATASETS[EMBEDDED], *read_digits(), Ticker())


def remove_dataset(name: str) -> Path:
    """Delete a packed dataset from the cache, never its source, and return the folder that it had.

    Raises:
        CockpitError: When there is none of that name, or its folder holds something that cockpit did not write.
    """
    home = cache_dir() / check_name(name)
    if not home.exists():
        if name in DATASETS:
            raise CockpitError(f"dataset {name!r} is not in the cache {cache_dir()}, so there is nothing to remove")
        raise unknown("dataset", name, [spec.name for spec in list_datasets()], "cockpit data")
    _refuse_strange_files(home)
    try:
        if home.is_symlink():
            home.unlink()
        else:
            shutil.rmtree(home)
    except OSError as error:
        raise CockpitError(f"{str(home)!r} cannot be deleted ({error.strerror})") from error
    return home


def _check_target(name: str, replace: bool) -> None:
    home = cache_dir() / check_name(name)
    if name == EMBEDDED:
        raise CockpitError(f"{name!r} is embedded and needs no import; take another name for your images")
    _refuse_strange_files(home)
    if name not in DATASETS and is_packed(name) and not replace:
        raise CockpitError(f"dataset {name!r} exists; take another name, or replace it with --replace")


def _refuse_strange_files(home: Path) -> None:
    """Keep other people's files: `COCKPIT_DATA` may name a folder that holds, say, the source images in `cifar10`."""
    if not home.exists():
        return
    if not home.is_dir():
        raise CockpitError(f"{str(home)!r} is not a folder of cockpit's; move it away")
    if strange := [repr(name) for name in sorted(child.name for child in home.iterdir()) if name not in OUR_FILES]:
        raise CockpitError(
            f"{str(home)!r} holds {listed(strange, 3)}, which cockpit did not write; move it away, or let COCKPIT_DATA "
            f"name another folder for the packed datasets"
        )


def _import_folder(name: str, folder: ImageFolder, skip_unreadable: bool, hflip_ok: bool, ticker: Ticker) -> Summary:
    import numpy as np

    parts: dict[Split, Packed] = {}
    skipped: list[str] = []
    counts: Counter[str] = Counter()
    for split in folder.splits:
        part, unusable = decode(folder, split, ticker, counts)
        usable = ~np.isin(np.arange(len(part.labels)), list(unusable))
        parts[split] = Packed(part.images[usable], part.labels[usable]) if unusable else part
        skipped += unusable.values()
    if skipped and not skip_unreadable:
        refuse_unusable(folder, skipped, "repair or remove them, or leave them out with --skip-unreadable")
    notes = [*folder.notes, *_tell_conversions(counts)]
    if skipped:
        which = (
            "1 file that cannot be used was"
            if len(skipped) == 1
            else f"{len(skipped):,} files that cannot be used were"
        )
        notes.append(f"{which} left out: {listed(skipped, 3)}")
    _check_class_sizes(folder, parts)
    if held_out := "test" not in parts:
        test = _hold_out_test(parts)
        notes.append(
            f"there is no test folder, so {test:,} images, a fifth of each class, were held out to test on and "
            f"{len(parts['train'].labels):,} are left to train on"
        )
    spec = DatasetSpec(
        name=name,
        title=name,
        classes=folder.classes,
        train_images=len(parts["train"].labels),
        test_images=len(parts["test"].labels),
        hflip_ok=hflip_ok,
        source=f"imported from {os.fsencode(folder.root.resolve()).decode(errors='replace')}",
        digests={split: digest(*parts[split]) for split in SPLITS},
        held_out=held_out,
    )
    home = _store(spec, parts["train"], parts["test"], ticker)
    return Summary(spec=spec, folder=home, skipped=tuple(skipped), notes=tuple(notes))


def _tell_conversions(counts: Counter[str]) -> Iterator[str]:
    words = ((RESIZED, "were resized"), (GREY, "were grey"), (TRANSPARENT, "had transparency, now white"))
    if told := [f"{counts[name]:,} {what}" for name, what in words if counts[name]]:
        yield f"every image is {SIZE}×{SIZE} RGB now: {', '.join(told)}"


def _check_class_sizes(folder: ImageFolder, parts: dict[Split, Packed]) -> None:
    import numpy as np

    least = 1 if "test" in parts else 2
    for split, part in parts.items():
        counts = np.bincount(part.labels, minlength=len(folder.classes))
        if small := [repr(name) for name, count in zip(folder.classes, counts, strict=True) if count < least]:
            raise CockpitError(
                f"too few usable {split} images of the class {listed(small)} in {str(folder.root)!r}: each class needs "
                f"{least}{' where no test folder is given' if least > 1 else ''}; add images or take the class out"
            )


def _hold_out_test(parts: dict[Split, Packed]) -> int:
    """Move a fifth of the training images to the test part, and return how many."""
    images, labels = parts["train"]
    test = hold_out(image_digests(images, labels), labels)
    parts["train"], parts["test"] = Packed(images[~test], labels[~test]), Packed(images[test], labels[test])
    return int(test.sum())


def _store(spec: DatasetSpec, train: Packed, test: Packed, ticker: Ticker) -> Path:
    ticker.tick(0, 1, "packing")
    _refuse_strange_files(cache_dir() / spec.name)
    try:
        home = write_packed(spec, train, test)
    except OSError as error:
        raise CockpitError(
            f"the packed images of {spec.name} cannot be written to {str(cache_dir())!r} ({error.strerror or error}); "
            f"make room there, or let COCKPIT_DATA name another folder"
        ) from error
    ticker.tick(1, 1, "packing")
    return home
