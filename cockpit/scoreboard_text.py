"""The table of own results as sections for people, as Markdown, and as rows for CSV; its JSON is the board itself."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from cockpit import export
from cockpit.datasets import DATASETS
from cockpit.export import counted
from cockpit.results import NOT_FINITE
from cockpit.scoreboard import Board, Figure, Result, Row

_MOST_ABSENT = 10
"""Runs of a row that are told of in a sentence; CSV and JSON have all."""
FORMATS = ("md", "csv", "json")
_MARKS = {"above": "▲", "level": "≈", "below": "▼", None: ""}
_HEADS = [
    "network",
    "params",
    "top-1",
    "n",
    "remarks",
    "seed's",
    "peers'",
    "top-5",
    "seed's top-5",
    "time",
    "img/s",
    "device",
    "commit",
]
_OTHER_HEADS = ["network", "dataset", "why it does not count", "top-1", "top-5", "time", "img/s", "device", "commit"]
_WORDS = frozenset({"network", "remarks", "dataset", "why it does not count", "device", "commit"})
"""Columns that are aligned at their left ends."""
_LEGEND = (
    "▲ above the published figure, ▼ below it, ≈ within the spread. ± is the sample standard deviation over n seeds; "
    "where n is 1 there is none, and a single run may lie above or below by luck alone."
)


class Section(NamedTuple):
    """A table with its title."""

    title: str
    """What it is of."""
    heads: list[str]
    """The titles of the columns."""
    rows: list[list[str]]
    """Their cells; text from outside stands in them as it is."""
    right: tuple[int, ...]
    """Places of the columns that are aligned at their right ends."""


def sections(board: Board) -> list[Section]:
    """Return a table a dataset of what counts, then one of what else was tested; columns without any value are none."""
    found = []
    for dataset in dict.fromkeys(row.dataset for row in board.rows):
        cells = [_cells(row) for row in board.rows if row.dataset == dataset]
        found.append(_section(f"{_title(dataset)}, the seed's recipe", _HEADS, cells))
    if board.others:
        cells = [_other(result) for result in board.others]
        found.append(_section("Other tested runs, which count for no mark", _OTHER_HEADS, cells))
    return found


def _section(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Section:
    filled = [place for place in range(len(heads)) if any(row[place] for row in rows)]
    return Section(
        title,
        [heads[place] for place in filled],
        [[row[place] for place in filled] for row in rows],
        tuple(new for new, place in enumerate(filled) if heads[place] not in _WORDS),
    )


def _title(dataset: str) -> str:
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def _cells(row: Row) -> list[str]:
    return [
        row.model,
        "" if row.params is None else f"{row.params / 1e6:.1f} M",
        row.standing or _mean(row.top1, row.top1_spread),
        str(len(row.seeds) or ""),
        remarks(row),
        _figure(row.seed_figure),
        _figure(row.peer_figure),
        _mean(row.top5, row.top5_spread),
        _share(row.seed_figure.top5 if row.seed_figure else None),
        "" if row.elapsed_s is None else _time(row.elapsed_s),
        "" if row.img_per_s is None else f"{row.img_per_s:,.0f}",
        ", ".join(row.devices),
        _commits(row.commits),
    ]


def remarks(row: Row) -> str:
    """Return in a few words which seeds a mean is without, and which of its networks have diverged."""
    if not row.seeds:
        return ""  # how it stands is said instead
    furthest = sorted((one for one in row.absent if one.seed not in row.seeds), key=lambda one: one.epoch)
    of_seed = {one.seed: one for one in furthest}
    seeds = len(row.seeds) + len(of_seed)
    words = Counter(of_seed[seed].word for seed in sorted(of_seed))
    again = Counter(one.word for one in row.absent if of_seed.get(one.seed) is not one)
    parts = [f"{number} of {seeds} seeds {word}" for word, number in words.items()]
    parts += [f"{counted(number, 'more run')} {word}" for word, number in again.items()]
    if row.diverged:
        seeds_of = f"seed{'s' if len(row.diverged) > 1 else ''} {', '.join(map(str, row.diverged))}"
        parts.append(f"{NOT_FINITE} ({seeds_of})")
    return ", ".join(parts)


def _other(result: Result) -> list[str]:
    made = result.made
    return [
        result.model,
        _title(result.dataset),
        result.why_not,
        _share(result.top1),
        _share(result.top5),
        "" if result.elapsed_s is None else _time(result.elapsed_s),
        "" if made.img_per_s is None else f"{made.img_per_s:,.0f}",
        ", ".join(made.devices),
        _commits(made.commits),
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _mean(value: float | None, spread: float | None) -> str:
    return _share(value) + ("" if spread is None else f" ± {_share(spread)}")


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else f"{_share(figure.top1)} {_MARKS[figure.verdict]}".rstrip()


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _commits(commits: Sequence[str]) -> str:
    """Return commits short; one of a changed tree keeps its plus."""
    return ", ".join(commit[:7] + ("+" if commit.endswith("+") else "") for commit in commits if commit)


def notes(board: Board) -> list[str]:
    """Return in sentences what the marks mean, what was not run, and with what the rest was made."""
    ran = [row for row in board.rows if row.seeds]
    lines = [_LEGEND] if any(row.seed_figure or row.peer_figure for row in ran) else []
    if len(ran) < len(board.rows):
        lines.append(f"{len(ran)} of {len(board.rows)} rows have a result; the others were not run to the end here.")
    if board.rows:
        lines.append(
            "Accuracies in per cent, of the best checkpoint on the test images; parameters at 10 classes; time is "
            "that of the training."
        )
    for row in board.rows:
        for figure in (row.seed_figure, row.peer_figure):
            if figure and figure.verdict and figure.note:
                lines.append(f"{row.model} on {_title(row.dataset)}: {_share(figure.top1)} is {figure.note}.")
    lines += [line for row in ran for line in _asides(row)]
    made = dict.fromkeys(version for each in (*board.results, *board.others) for version in each.made.versions)
    if made:
        lines.append(f"Made with {', '.join(made)}.")
    return lines


def _asides(row: Row) -> list[str]:
    """Return in sentences which runs a mean is without, and what of it is by chance."""
    name, lines = f"{row.model} on {_title(row.dataset)}", []
    if row.absent:
        told = [f"seed {one.seed} {one.standing} ({one.run})" for one in row.absent[:_MOST_ABSENT]]
        more = len(row.absent) - len(told)
        lines.append(f"{name}, not in the mean: {'; '.join(told)}{f'; and {more} more' if more else ''}.")
    if row.diverged:
        numbers = ", ".join(map(str, row.diverged))
        lines.append(f"{name}, in the mean: the network of seed {numbers} has diverged; its accuracy is by chance.")
    return lines


def markdown(board: Board) -> str:
    """Return the tables and the notes as Markdown that can be read as it stands, too."""
    parts = []
    for section in sections(board):
        texts = [[escape(cell) for cell in line] for line in (section.heads, *section.rows)]
        widths = [max(3, *map(len, column)) for column in zip(*texts, strict=True)]
        rules = [
            "-" * (width - 1) + ":" if place in section.right else "-" * width for place, width in enumerate(widths)
        ]
        lines = [_line(line, widths, section.right) for line in (texts[0], rules, *texts[1:])]
        parts.append("\n".join([f"### {escape(section.title)}", "", *lines]))
    if not parts:
        return "No run was tested yet.\n"
    return "\n\n".join([*parts, *map(escape, notes(board))]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if place in right else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def escape(text: str) -> str:
    """Return text from outside as Markdown that shows it and does nothing else."""
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return re.sub(r"([\\`*<>\[\]|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", line)


def flat(board: Board) -> export.Table:
    """Return a row a line of the tables, for CSV."""
    return [_flat_row(row) for row in board.rows] + [_flat_other(result) for result in board.others]


def _flat_row(row: Row) -> dict[str, Any]:
    return {
        "kind": "counted" if row.seeds else "not run",
        "model": row.model,
        "dataset": row.dataset,
        "recipe": "the seed's",
        "standing": row.standing,
        "n": len(row.seeds),
        "seeds": row.seeds,
        "remarks": remarks(row),
        "absent_seeds": tuple(one.seed for one in row.absent),
        "absent_runs": tuple(one.run for one in row.absent),
        "diverged_seeds": row.diverged,
        "top1": row.top1,
        "top1_spread": row.top1_spread,
        "top5": row.top5,
        "top5_spread": row.top5_spread,
        **_flat_figure("seed", row.seed_figure),
        **_flat_figure("peer", row.peer_figure),
        "params": row.params,
        "elapsed_s": row.elapsed_s,
        "img_per_s": row.img_per_s,
        "device": ", ".join(row.devices),
        "commit": ", ".join(row.commits),
        "versions": ", ".join(row.versions),
        "runs": row.runs,
    }


def _flat_figure(source: str, figure: Figure | None) -> dict[str, Any]:
    values = msgspec.structs.asdict(figure) if figure else {}
    return {f"{source}_{name}": values.get(name) for name in ("top1", "top5", "verdict", "note")}


def _flat_other(result: Result) -> dict[str, Any]:
    blank = dict.fromkeys(_flat_row(Row(model="", dataset="", params=None, standing="")))
    made = result.made
    return blank | {
        "kind": "other",
        "model": result.model,
        "dataset": result.dataset,
        "recipe": result.why_not,
        "n": 1,
        "seeds": () if result.seed is None else (result.seed,),
        "diverged_seeds": (result.seed,) if result.diverged and result.seed is not None else (),
        "top1": result.top1,
        "top5": result.top5,
        "elapsed_s": result.elapsed_s,
        "img_per_s": made.img_per_s,
        "device": ", ".join(made.devices),
        "commit": ", ".join(made.commits),
        "versions": ", ".join(made.versions),
        "runs": (result.run,),
    }


def encode(board: Board, form: str) -> bytes:
    """Return the report as a file of one of `FORMATS` holds it."""
    if form == "md":
        return markdown(board).encode("utf-8", "replace")
    if form == "csv":
        return export.encode(flat(board), ".csv")
    return msgspec.json.format(msgspec.json.encode(board)) + b"\n"
