"""The commands that list, fetch and import datasets."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from cockpit import datasets
from cockpit.cli.common import print_json, print_table, say, show
from cockpit.errors import CockpitError


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
            )
        return 0


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
        for note in summary.notes:
            say(note)
        return _tell(summary.spec, self.json)


def _tell(spec: datasets.DatasetSpec, json: bool) -> int:
    if not datasets.is_ready(spec.name):
        raise CockpitError(f"{spec.name} is not in {datasets.cache_dir()} after all")
    if json:
        print_json(spec)
    else:
        images = f"{spec.train_images:,} training and {spec.test_images:,} test images"
        show(f"{spec.name}: {spec.num_classes} classes, {images}")
    return 0
