"""Own results beside the published ones: mean and spread over seeds, what beats what, what was not run. Pure.

What counts, `cockpit.counting` says. What else was tested stands apart, with why it does not count.
"""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal

import msgspec

from cockpit import counting, seed_tables
from cockpit.counting import Absent, Tally
from cockpit.provenance import Provenance, distinct
from cockpit.results import NOT_FINITE
from cockpit.status import RunInfo, TestScores
from nets import MODELS
from nets.spec import Source

Verdict = Literal["above", "level", "below"]
"""How a mean stands to a published figure; level is within the spread of the seeds, or the same to 0.01 %."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One tested run; a figure counts only with the folder that it is from."""

    run: str
    """The folder's name."""
    model: str
    """Network."""
    dataset: str
    """Dataset."""
    seed: int | None
    """Random seed; None when the recipe cannot be read."""
    why_not: str
    """Why it does not count for the table, for example "preset fast · epochs 3"; empty when it does."""
    top1: float
    """Of the test, 0-1."""
    top5: float
    """0-1."""
    diverged: bool
    """Whether the network's outputs are not finite, so that its accuracy is by chance."""
    epochs: int
    """Planned."""
    elapsed_s: float | None
    """Training seconds; None where it was trained on hardware of several kinds."""
    launched: float | None
    """Wall clock of the newest launch, unix seconds."""
    made: Provenance
    """Where and by what."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A published figure, and how the mean stands to it."""

    top1: float
    """0-1."""
    top5: float | None
    """0-1; None where none is published."""
    note: str
    """What keeps it from being like for like."""
    verdict: Verdict | None
    """None where nothing was run."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A network on a dataset under the seed's recipe."""

    model: str
    """Network."""
    dataset: str
    """Dataset."""
    params: int | None
    """Parameters at 10 classes."""
    standing: str
    """What there is in place of a result: "not run", "running, epoch 12 of 200"; empty where there is one."""
    seeds: tuple[int, ...] = ()
    """A run of each counts; the spread is over these."""
    absent: tuple[Absent, ...] = ()
    """Every other run of the seed's recipe but for those that repeat a seed: failed, under way, not tested."""
    diverged: tuple[int, ...] = ()
    """Seeds that count with a network whose outputs are not finite."""
    top1: float | None = None
    """Mean over them, 0-1."""
    top1_spread: float | None = None
    """Sample standard deviation; None of a single run."""
    top5: float | None = None
    """Mean, 0-1."""
    top5_spread: float | None = None
    """Sample standard deviation."""
    elapsed_s: float | None = None
    """Mean training seconds; None where they were trained on different hardware, as the next two."""
    img_per_s: float | None = None
    """Mean training images a second."""
    devices: tuple[str, ...] = ()
    """What they were trained on."""
    commits: tuple[str, ...] = ()
    """By which commits of the cockpit."""
    versions: tuple[str, ...] = ()
    """With which programs: "torch 2.9.0"."""
    seed_figure: Figure | None = None
    """The seed's."""
    peer_figure: Figure | None = None
    """The best of other well-known tables."""
    runs: tuple[str, ...] = ()
    """The folders that count, one a seed."""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """What `cockpit report --format json` writes."""

    rows: tuple[Row, ...]
    """By dataset, then in the order of the catalogue."""
    results: tuple[Result, ...]
    """The runs that count."""
    others: tuple[Result, ...]
    """What else was tested."""


def make_board(
    infos: Sequence[RunInfo],
    made: Mapping[str, Provenance],
    *,
    shown: Collection[str] | None = None,
    whole: bool = True,
) -> Board:
    """Return the table of some runs.

    Args:
        infos: All runs of a folder: which of a seed was first is told by all of them.
        made: Where and by what each tested run was made, by its id.
        shown: Ids of the runs that were asked for; None are all.
        whole: Whether to list the rows of the seed's tables that were not run, too.
    """
    asked = {info.id for info in infos} if shown is None else shown
    tallies = counting.tally(infos)
    counted: dict[tuple[str, str], list[Result]] = {}
    absent: dict[tuple[str, str], list[Absent]] = {}
    for key, one in tallies.items():
        absent[key] = [*one.absent]
        for seed, info in one.counted.items():
            if info.id in asked:
                counted.setdefault(key, []).append(_result(info, info.test, made))
            else:
                absent[key].append(counting.left_out(info, seed))
    of_rows = {result.run for results in counted.values() for result in results}
    others = [
        _result(info, info.test, made, counting.why_not(info) or _repeats(info, tallies))
        for info in counting.oldest_first(infos)
        if info.test and info.id in asked and info.id not in of_rows
    ]
    tables = [(dataset, model) for dataset in seed_tables.DATASETS for model in seed_tables.networks()]
    keys = dict.fromkeys([*(tables if whole else ()), *counted])
    standings = counting.standings(infos)
    return Board(
        rows=tuple(
            _row(key, counted.get(key, []), absent.get(key, []), standings.get(key)) for key in sorted(keys, key=_place)
        ),
        results=tuple(result for results in counted.values() for result in results),
        others=tuple(sorted(others, key=lambda each: _place((each.dataset, each.model)))),
    )


def _repeats(info: RunInfo, tallies: Mapping[tuple[str, str], Tally]) -> str:
    seed = info.recipe.seed if info.recipe else 0
    again = f"repeats seed {seed} of {tallies[info.dataset, info.model].counted[seed].id}"
    return f"{again} · {NOT_FINITE}" if info.test and info.test.loss is None else again


def _place(key: tuple[str, str]) -> tuple[int, str, int, str]:
    dataset, model = key
    of_tables = [*seed_tables.DATASETS, dataset].index(dataset)
    return of_tables, dataset, [*MODELS, model].index(model), model


def _result(info: RunInfo, test: TestScores | None, made: Mapping[str, Provenance], why_not: str = "") -> Result:
    assert test is not None
    of_it = made.get(info.id, Provenance())
    return Result(
        run=info.id,
        model=info.model,
        dataset=info.dataset,
        seed=info.recipe.seed if info.recipe else None,
        why_not=why_not,
        top1=test.top1,
        top5=test.top5,
        diverged=test.loss is None,
        epochs=info.epochs,
        elapsed_s=None if of_it.mixed else info.elapsed_s,
        launched=info.launched,
        made=of_it,
    )


def _row(key: tuple[str, str], results: Sequence[Result], absent: Sequence[Absent], standing: str | None) -> Row:
    dataset, model = key
    params = MODELS[model].params if model in MODELS else None
    top1, top1_spread = _mean([each.top1 for each in results])
    top5, top5_spread = _mean([each.top5 for each in results])
    alike = len({each.made.key for each in results}) == 1 and not results[0].made.mixed
    speeds = [each.made.img_per_s for each in results if each.made.img_per_s]
    return Row(
        model=model,
        dataset=dataset,
        params=params,
        standing="" if results else standing or "not run",
        seeds=_seeds(results),
        absent=tuple(sorted(absent, key=lambda each: (each.seed, each.run))),
        diverged=_seeds([each for each in results if each.diverged]),
        top1=top1,
        top1_spread=top1_spread,
        top5=top5,
        top5_spread=top5_spread,
        elapsed_s=_mean([each.elapsed_s for each in results if each.elapsed_s is not None])[0] if alike else None,
        img_per_s=_mean(speeds)[0] if alike else None,
        devices=distinct(chain.from_iterable(each.made.devices for each in results)),
        commits=distinct(chain.from_iterable(each.made.commits for each in results)),
        versions=distinct(chain.from_iterable(each.made.versions for each in results)),
        seed_figure=_figure(model, dataset, "seed", top1, top1_spread),
        peer_figure=_figure(model, dataset, "peer", top1, top1_spread),
        runs=tuple(each.run for each in results),
    )


def _seeds(results: Iterable[Result]) -> tuple[int, ...]:
    return tuple(sorted(each.seed for each in results if each.seed is not None))


def _mean(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation, None where there are too few."""
    if not values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _figure(model: str, dataset: str, source: Source, mean: float | None, spread: float | None) -> Figure | None:
    found = seed_tables.published(model, dataset, source)
    if found is None:
        return None
    verdict = None if mean is None else judge(mean, spread, found.top1)
    return Figure(top1=found.top1, top5=found.top5, note=found.note or "", verdict=verdict)


def judge(mean: float, spread: float | None, figure: float) -> Verdict:
    """Return how a mean stands to a published figure, which has two decimals of per cent."""
    apart = round(mean, 4) - figure
    if abs(apart) < 5e-5 or (spread is not None and abs(apart) <= spread):
        return "level"
    return "above" if apart > 0 else "below"
