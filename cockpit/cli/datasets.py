"""The commands that list, show, fetch, import and remove datasets."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from tyro.conf import Positional

from cockpit import datasets, status
from cockpit.cli.common import open_store, print_json, print_table, say, show
from cockpit.errors import CockpitError

if TYPE_CHECKING:
    from cockpit.gallery import ClassCount


@dataclasses.dataclass(frozen=True)
class ListData:
    """List the datasets."""

    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the listing."""
        specs = datasets.list_datasets()
        if self.json:
            print_json(
                [
                    {
                        "name": spec.name,
                        "title": spec.title,
                        "classes": spec.num_classes,
                        "train_images": spec.train_images,
                        "test_images": spec.test_images,
                        "ready": datasets.is_ready(spec.name),
                        "class_names": spec.classes,
                        "held_out": spec.held_out,
                        "source": spec.source,
                    }
                    for spec in specs
                ]
            )
        else:
            print_table(
                ["dataset", "title", "classes", "train", "test", "here"],
                [
                    [
                        spec.name,
                        spec.title,
                        str(spec.num_classes),
                        f"{spec.train_images:,}",
                        f"{spec.test_images:,}",
                        "yes" if datasets.is_ready(spec.name) else f"cockpit data get {spec.name}",
                    ]
                    for spec in specs
                ],
                right=(2, 3, 4),
                order=("dataset", "here", "title"),
                cut=("title",),
            )
        return 0


@dataclasses.dataclass(frozen=True)
class ShowData:
    """Show a dataset: its classes by superclass, how many images each has, where they come from."""

    name: Positional[str]
    """A name of `cockpit data`."""
    pictures: bool = False
    """Draw ten training images of each class too, where stdout is a terminal."""
    find: str = ""
    """Only classes that contain each of these words, in their name or their superclass's."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print it."""
        from cockpit.gallery import list_classes

        spec = datasets.find_dataset(self.name)
        sought = self.find.lower().split()
        classes = [
            one for one in list_classes(spec) if all(word in f"{one.name} {one.group}".lower() for word in sought)
        ]
        if self.json:
            facts = msgspec.to_builtins(spec) | {"ready": datasets.is_ready(spec.name)}
            print_json(facts | {"classes": [msgspec.to_builtins(one) for one in classes]})
            return 0
        here = "" if datasets.is_ready(spec.name) else f"not here, `cockpit data get {spec.name}` fetches it"
        for line in (spec.title, spec.source, here, _batch_note(spec)):
            if line:
                say(line)
        grouped = any(one.group for one in classes)
        heads, first = (["superclass"], 3) if grouped else ([], 2)
        print_table(
            [*heads, "class", "label", "train", "test"],
            [[*([one.group] if grouped else []), one.name, str(one.label), *_counts(one)] for one in classes],
            right=(first - 1, first, first + 1),
        )
        for split, digest in spec.digests.items():
            show(f"{split} digest {digest}")
        if self.pictures:
            _draw(spec, classes)
        return 0


def _batch_note(spec: datasets.DatasetSpec) -> str:
    """Return what to pass where the usual batch is larger than the training part; else nothing."""
    from cockpit.recipe import Recipe, largest_batch

    usual = Recipe()
    most = largest_batch(spec, usual.val_fraction)
    if most >= usual.batch_size:
        return ""
    return f"{most:,} images are left to train on: pass --batch-size {most} or less, not the usual {usual.batch_size}"


def _counts(one: "ClassCount") -> list[str]:
    return ["" if count is None else f"{count:,}" for count in (one.train, one.test)]


def _draw(spec: datasets.DatasetSpec, classes: list["ClassCount"]) -> None:
    """Draw some pictures of each class side by side, in half blocks: as many as a line of the terminal holds."""
    if not sys.stdout.isatty():
        raise CockpitError("pictures are drawn on a terminal only; leave out --pictures, or do not redirect the output")
    from cockpit.cli.pictures import draw_row
    from cockpit.gallery import examples

    for one in classes:
        show(f"{one.name}")
        draw_row(examples(spec, one.label))


@dataclasses.dataclass(frozen=True)
class GetData:
    """Fetch a known dataset's official archive and check it, unless it is here."""

    name: Positional[str]
    """cifar10 or cifar100."""
    json: bool = False
    """Print the dataset as JSON."""

    def execute(self) -> int:
        """Fetch it."""
        from cockpit.cli.progress import progress_bar

        spec = datasets.find_dataset(self.name)
        if not datasets.is_ready(self.name):
            from cockpit.engine.download import get_dataset

            with progress_bar() as progress:
                get_dataset(self.name, progress=progress)
        return _tell(spec, self.json)


@dataclasses.dataclass(frozen=True)
class ImportData:
    """Make a dataset of a folder of images, or of an official CIFAR archive that was fetched by hand."""

    name: Positional[str]
    """cifar10, cifar100, or a new name."""
    path: Positional[Path]
    """<split>/<class>/*.png (or jpg, webp and so on), <class>/*.png, or the official folder or archive."""
    skip_unreadable: bool = False
    """Leave out files that are no images instead of refusing the folder."""
    no_mirror: bool = False
    """Never mirror its images in training: a mirrored letter or digit is not of its class any more."""
    replace: bool = False
    """Replace an imported dataset of that name."""
    json: bool = False
    """Print the dataset as JSON."""

    def execute(self) -> int:
        """Import it."""
        from cockpit import ingest
        from cockpit.cli.progress import progress_bar

        with progress_bar() as progress:
            summary = ingest.import_dataset(
                self.name,
                self.path,
                skip_unreadable=self.skip_unreadable,
                replace=self.replace,
                hflip_ok=not self.no_mirror,
                progress=progress,
            )
        for note in (*summary.notes, _batch_note(summary.spec)):
            if note:
                say(note)
        return _tell(summary.spec, self.json)


@dataclasses.dataclass(frozen=True)
class RemoveData:
    """Delete a dataset's packed images; what they were made of stays where it is, and no result is touched."""

    name: Positional[str]
    """A name of `cockpit data`."""
    runs: Path | None = None
    """Folder of the runs that may need it. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Delete it, unless a run trains on it or waits to."""
        infos = [status.describe(run) for run in open_store(self.runs).list()]
        users = [info for info in infos if info.dataset == self.name and info.status != "imported"]
        busy = [info.id for info in users if info.status in status.LIVE or info.status == "waiting"]
        if busy:
            raise CockpitError(f"{self.name} is needed by {', '.join(busy[:3])}; stop what trains or waits first")
        folder = datasets.remove_packed(self.name)
        again = "is packed anew" if self.name == datasets.EMBEDDED else "has to be fetched or imported again"
        if users:
            say(f"{len(users)} run{'s' if len(users) > 1 else ''} used it; to resume or test them it {again}")
        if self.json:
            print_json({"name": self.name, "folder": str(folder)})
        else:
            show(str(folder))
        return 0


def _tell(spec: datasets.DatasetSpec, json: bool) -> int:
    if not datasets.is_ready(spec.name):
        raise CockpitError(f"{spec.name} is not in {datasets.cache_dir()} after all")
    if json:
        print_json(spec)
    else:
        images = f"{spec.train_images:,} training and {spec.test_images:,} test images"
        show(f"{spec.name}: {spec.num_classes} classes, {images}")
    return 0
