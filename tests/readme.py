"""Makes the tables of README that are drawn from code: `python tests/readme.py` writes them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from cockpit import provenance, scoreboard, scoreboard_text, status
from cockpit.recipe import options
from cockpit.store import RunStore
from nets import MODELS
from nets.spec import ModelSpec

README = Path(__file__).parents[1] / "README.md"
REFERENCE = README.parent / "runs" / "reference"


def recipe_table() -> str:
    """A row for each field of the recipe."""
    lines = ["| flag | default | what |", "|---|---|---|"]
    for option in options():
        default = "" if option.default is None else "no" if option.default is False else f"`{option.default}`"
        lines.append(f"| `{option.flag}` | {default} | {option.doc} |")
    return "\n".join(lines)


def network_table() -> str:
    """A row for each entry of the catalogue."""
    lines = [
        "| model | family | parameters | FLOPs | year | arXiv | CIFAR-10 | CIFAR-100 |",
        "|---|---|--:|--:|--:|---|---|---|",
    ]
    for spec in MODELS.values():
        facts = f"{spec.params:,} | {spec.flops / 1e6:,.0f} M | {spec.year} | {spec.arxiv}"
        published = f"{_published(spec, 'cifar10')} | {_published(spec, 'cifar100')}"
        lines.append(f"| `{spec.name}` | {spec.family} | {facts} | {published} |")
    return "\n".join(lines)


def _published(spec: ModelSpec, dataset: str) -> str:
    found = {
        source: max((p.top1 for p in spec.published if p.dataset == dataset and p.source == source), default=None)
        for source in ("seed", "peer")
    }
    if not any(found.values()):
        return ""
    return " / ".join("–" if top1 is None else f"{top1:.2%}".removesuffix("%") for top1 in found.values())


def results_table() -> str:
    """What the runs in runs/reference have reached, and how much of the seed's tables was not run."""
    runs = RunStore(REFERENCE).list()
    infos = [status.describe(run, number=False) for run in runs]
    board = scoreboard.make_board(infos, {run.id: provenance.trace(run) for run in runs})
    ran = sum(bool(row.seeds) for row in board.rows)
    told = f"{ran} of the {len(board.rows)} rows of the seed's tables have been run under its recipe so far."
    kept = msgspec.structs.replace(board, rows=tuple(row for row in board.rows if row.seeds))
    return f"{told}\n\n{scoreboard_text.markdown(kept)}" if ran or board.others else told


TABLES: dict[str, Callable[[], str]] = {"recipe": recipe_table, "networks": network_table, "results": results_table}


def with_tables(text: str) -> str:
    """Return README's text with every marked table made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(text), f"README has no place for the table {name}"
        text = pattern.sub(lambda found, table=make(): f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
