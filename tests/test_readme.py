"""README says what the code says."""

import itertools
import re
from pathlib import Path

import pytest
from readme import README, with_tables

ROOT = README.parent
NAME = re.compile(r"\w+(/|\.(py|md|toml))")
TREE = re.search(r"```\nREADME\.md .*?```", README.read_text(), re.DOTALL)


def test_the_tables_are_those_of_the_code():
    text = README.read_text()
    assert text == with_tables(text), "run `python tests/readme.py`"


def test_the_tree_is_true():
    assert TREE is not None
    told: set[Path] = set()
    home = ROOT
    for line in TREE[0].splitlines()[1:-1]:
        names = [*itertools.takewhile(NAME.fullmatch, line.split())]
        indented = line.startswith(" ")
        home = home if indented or not names else ROOT / names[0]
        for path in [home / name if indented else ROOT / name for name in names]:
            assert path.exists(), f"README's tree names {path.relative_to(ROOT)}"
            told.add(path)
    missing = {path for path in (ROOT / "cockpit").iterdir() if not path.name.startswith("__")} - told
    assert not missing, f"README's tree lacks {sorted(path.name for path in missing)}"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README.read_text()))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
