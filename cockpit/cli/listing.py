"""The commands that list, show, fetch, import and delete."""

import dataclasses
import time
from pathlib import Path

import msgspec
from tyro.conf import Positional

from cockpit import datasets, status
from cockpit.cli.common import open_store, percent, print_json, print_table, printable, say
from cockpit.errors import CockpitError
from nets.catalog import MODELS


@dataclasses.dataclass(frozen=True)
class ListRuns:
    """List the runs, the newest first."""

    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the listing."""
        store = open_store(self.runs)
        rows = [status.describe(run) for run in store.list()]
        if self.json:
            print_json(rows)
        elif not rows:
            say(f"no runs in {store.root}; `cockpit train` makes one, `cockpit` too")
        else:
            print_table(
                ["run", "status", "epoch", "best val", "at", "test top-1", "top-5"],
                [
                    [
                        row.id,
                        row.status,
                        f"{row.epoch}/{row.epochs}",
                        percent(row.best_val_acc),
                        str(row.best_epoch or ""),
                        percent(row.test and row.test.top1),
                        percent(row.test and row.test.top5),
                    ]
                    for row in rows
                ],
                right=(2, 3, 4, 5, 6),
            )
        return 0


@dataclasses.dataclass(frozen=True)
class ShowRun:
    """Show one run: status, recipe, launches, test."""

    run: Positional[str]
    """Run: its id, the beginning or end of it, or `last`."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the run."""
        run = open_store(self.runs).get(self.run)
        info = status.describe(run)
        whole = msgspec.to_builtins(info) | {
            "recipe": None if info.status == "damaged" else run.recipe,
            "launches": run.launches(),
            "size_bytes": run.size_bytes(),
        }
        if self.json:
            print_json(whole)
            return 0
        facts = [
            ("run", info.id),
            ("folder", info.path),
            ("status", f"{info.status}, {info.detail}" if info.detail else info.status),
            ("epoch", f"{info.epoch} of {info.epochs}"),
            ("best val", f"{percent(info.best_val_acc)} at epoch {info.best_epoch}" if info.best_epoch else "none yet"),
            ("test", _test_line(info.test)),
            ("trained", f"{info.elapsed_s:,.0f} s in {len(whole['launches'])} launches"),
            ("size", f"{whole['size_bytes'] / 1e6:.1f} MB"),
        ]
        if info.launched:
            facts.insert(3, ("launched", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.launched))))
        if info.status != "damaged":
            facts += [(name, str(value)) for name, value in dataclasses.asdict(run.recipe).items()]
        for name, value in facts:
            print(f"{name:>16}  {printable(value)}")
        return 0


def _test_line(test: status.TestScores | None) -> str:
    if test is None:
        return "not tested"
    return f"top-1 {test.top1:.2%}, top-5 {test.top5:.2%}, loss {test.loss:.4f}"


@dataclasses.dataclass(frozen=True)
class RemoveRun:
    """Delete runs, folder and all."""

    run: Positional[tuple[str, ...]]
    """Runs: ids, or beginnings or ends of them."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the ids of the deleted runs as JSON."""

    def execute(self) -> int:
        """Delete them; every name is looked up before the first is deleted."""
        store = open_store(self.runs)
        found = [store.get(ref) for ref in self.run]
        for run in found:
            store.remove(run)
            say(f"deleted {run.id}")
        if self.json:
            print_json([run.id for run in found])
        return 0


@dataclasses.dataclass(frozen=True)
class ListModels:
    """List the architectures with their size at 10 classes."""

    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print the listing."""
        specs = list(MODELS.values())
        if self.json:
            keys = ("name", "family", "params", "flops", "year", "arxiv")
            print_json([{key: getattr(spec, key) for key in keys} for spec in specs])
        else:
            print_table(
                ["model", "family", "params", "FLOPs an image", "year", "arXiv"],
                [[s.name, s.family, f"{s.params:,}", f"{s.flops / 1e6:,.0f} M", str(s.year), s.arxiv] for s in specs],
                right=(2, 3, 4),
            )
        return 0


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
                progress=progress,
            )
        for note in summary.notes:
            say(printable(note))
        return _tell(summary.spec, self.json)


def _tell(spec: datasets.DatasetSpec, json: bool) -> int:
    if not datasets.is_ready(spec.name):
        raise CockpitError(f"{spec.name} is not in {datasets.cache_dir()} after all")
    if json:
        print_json(spec)
    else:
        images = f"{spec.train_images:,} training and {spec.test_images:,} test images"
        print(f"{spec.name}: {spec.num_classes} classes, {images}")
    return 0
