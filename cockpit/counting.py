"""Which runs count for the seed's tables, and why the others do not. Pure but for the datasets' numbers of images.

Only runs of the seed's recipe that are finished, and tested with their best checkpoint, count; of several with one seed
the one that was launched first, or the luckiest of many could be taken.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from cockpit import datasets, seed_tables, status
from cockpit.errors import CockpitError
from cockpit.results import NOT_FINITE
from cockpit.status import RunInfo

_MAX_CHARACTERS = 60
"""Of a name in a test that anybody may have written."""


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the seed's recipe that is not in the mean."""

    run: str
    """The folder's name."""
    seed: int
    """Random seed."""
    epoch: int
    """Epochs done."""
    word: str
    """Its status; "not tested" when it has finished, "left out" when it would count and was not asked for."""
    standing: str
    """How it stands, for example "failed, epoch 12 of 200"."""


class Tally(NamedTuple):
    """The runs of a network on a dataset under the seed's recipe."""

    counted: dict[int, RunInfo]
    """By seed, the run that counts."""
    absent: list[Absent]
    """The others, but for those that repeat a seed."""


def oldest_first(infos: Iterable[RunInfo]) -> list[RunInfo]:
    """Return runs by the time of their first launch, whatever their folders are called; names break ties only."""
    return sorted(infos, key=lambda info: (info.begun is None, info.begun or 0.0, info.id))


def tally(infos: Iterable[RunInfo]) -> dict[tuple[str, str], Tally]:
    """Return what counts of all runs of a folder, and what does not, by dataset and network."""
    found: dict[tuple[str, str], Tally] = {}
    for info in oldest_first(infos):
        if info.recipe is None or not seed_tables.is_seeds(info.recipe):
            continue
        one = found.setdefault((info.dataset, info.model), Tally({}, []))
        if info.test and not why_not(info):
            one.counted.setdefault(info.recipe.seed, info)
        else:
            word = "not tested" if info.status == "finished" else info.status
            one.absent.append(_absent(info, info.recipe.seed, word, standing(info)))
    return found


def left_out(info: RunInfo, seed: int) -> Absent:
    """Return a run that would count, but was not among those that somebody asked for."""
    return _absent(info, seed, "left out", "tested, and not among the runs that were asked for")


def _absent(info: RunInfo, seed: int, word: str, told: str) -> Absent:
    return Absent(run=info.id, seed=seed, epoch=info.epoch, word=word, standing=told)


def standing(info: RunInfo) -> str:
    """Return how a run stands that does not count."""
    if info.status == "finished":
        return f"finished, but {strange(info)}" if info.test else "finished, its best checkpoint not tested"
    return f"{info.status}, epoch {info.epoch} of {info.epochs}" if info.epoch else info.status


def why_not(info: RunInfo) -> str:
    """Return why a run does not count for the table; empty when it does, once it is tested."""
    if info.status == "imported":
        return "imported weights: who trained them, and how, is not known here"
    reasons = []
    if info.recipe is None:
        reasons.append("its recipe cannot be read")
    elif not seed_tables.is_seeds(info.recipe):
        reasons.append(info.changes or "its network or dataset is not known here")
    if info.status != "finished":
        reasons.append(f"{info.status} at epoch {info.epoch} of {info.epochs}")
    if told := strange(info):
        reasons.append(told)
    if reasons and info.test and info.test.loss is None:
        reasons.append(NOT_FINITE)
    return " · ".join(reasons)


def strange(info: RunInfo) -> str:
    """Return why a run's test is none of its best weights on its dataset; empty when it is, and where there is none."""
    test = info.test
    if test is None:
        return ""
    if test.is_outdated(info.best_epoch):
        return f"tested at epoch {test.epoch}, its best is {info.best_epoch}"
    dataset = info.recipe.dataset if info.recipe else info.dataset
    if test.dataset != dataset:
        return f"its test is on {test.dataset[:_MAX_CHARACTERS]}"
    images = _test_images(dataset)
    if images is not None and test.images != images:
        return f"its test is of {test.images:,} images, {dataset} has {images:,}"
    if test.of_weights is False:
        return "its test is of other weights"
    if (
        test.of_weights is None and test.run != info.id
    ):  # weights that are there prove it, whatever the folder is called
        return f"its test is of run {test.run[:_MAX_CHARACTERS]}"
    return ""


def _test_images(dataset: str) -> int | None:
    try:
        return datasets.find_dataset(dataset).test_images
    except CockpitError:
        return None


def standings(infos: Iterable[RunInfo]) -> dict[tuple[str, str], str]:
    """Return how the furthest run of the seed's recipe stands, by dataset and network."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for info in infos:
        if info.recipe is None or not seed_tables.is_seeds(info.recipe):
            continue
        key = (info.dataset, info.model)
        found[key] = max(found.get(key, (-1, "")), (info.epoch + (info.status in status.LIVE), standing(info)))
    return {key: text for key, (_, text) in found.items()}
