"""What is in a packed dataset: how many images of each class, and some of them to look at. Loads no torch."""

from typing import TYPE_CHECKING

import msgspec

from cockpit import datasets
from cockpit.datasets import EMBEDDED, SPLITS, DatasetSpec, Split
from cockpit.errors import CockpitError

if TYPE_CHECKING:
    import numpy as np

NUM_EXAMPLES = 10
"""Pictures of a class that are shown when no other number is asked for."""


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """One class of a dataset."""

    label: int
    """Its number."""
    name: str
    """Its name."""
    group: str
    """The superclass it is in; empty where there is none."""
    train: int | None
    """Images to train and validate on; None while the images are not here."""
    test: int | None
    """Images to test on; None while the images are not here."""


def list_classes(spec: DatasetSpec) -> list[ClassCount]:
    """Return the classes of a dataset, counted if its images are here: those of a superclass stand together.

    The embedded dataset is packed if it is not yet.

    Raises:
        CockpitError: When the packed images cannot be read.
    """
    counts: dict[Split, list[int]] = {}
    if is_here(spec.name):
        import numpy as np

        for split in SPLITS:
            counts[split] = np.bincount(_labels(spec, split), minlength=spec.num_classes).tolist()
    groups = {name: group for group, members in spec.superclasses.items() for name in members}
    order = list(spec.superclasses)
    found = [
        ClassCount(
            label=label,
            name=name,
            group=groups.get(name, ""),
            train=counts["train"][label] if counts else None,
            test=counts["test"][label] if counts else None,
        )
        for label, name in enumerate(spec.classes)
    ]
    return sorted(found, key=lambda one: order.index(one.group) if one.group else len(order))


def examples(spec: DatasetSpec, label: int, num: int = NUM_EXAMPLES) -> "np.ndarray":
    """Return the first training images of a class, (N, 32, 32, 3) uint8, no more than there are.

    Raises:
        CockpitError: When the images are not here, or cannot be read.
    """
    import numpy as np

    if not is_here(spec.name):
        raise CockpitError(f"the images of {spec.name} are not here; `cockpit data get {spec.name}` fetches them")
    labels = _labels(spec, "train")
    return np.array(datasets.load_packed(spec.name, "train").images[np.flatnonzero(labels == label)[:num]])


def is_here(name: str) -> bool:
    """Tell whether the images are in the cache; the embedded ones are put there if they are not."""
    if name == EMBEDDED and not datasets.is_packed(name):
        from cockpit.ingest import pack_digits

        pack_digits()
    return datasets.is_packed(name)


def _labels(spec: DatasetSpec, split: Split) -> "np.ndarray":
    labels = datasets.load_packed(spec.name, split).labels
    usual = labels.ndim == 1 and labels.dtype.kind in "iu"
    if not usual or (len(labels) and not 0 <= labels.min() <= labels.max() < spec.num_classes):
        raise CockpitError(
            f"{spec.name} has {split} labels outside of its {spec.num_classes} classes; delete the folder "
            f"{datasets.cache_dir() / spec.name} and import it again"
        )
    return labels
