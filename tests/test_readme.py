"""README says what the code says."""

import re
from pathlib import Path

import pytest
from readme import README, with_tables

ROOT = README.parent
TREE = re.search(r"```\nREADME\.md .*?```", README.read_text(), re.DOTALL)


def test_the_tables_are_those_of_the_code():
    text = README.read_text()
    assert text == with_tables(text), "run `python tests/readme.py`"


def test_the_tree_is_true():
    assert TREE is not None
    lines = TREE[0].splitlines()[1:-1]
    told: set[Path] = set()
    home = ROOT
    for line in lines:
        names = [word for word in line.split("  ")[0 if line[0] != " " else 1].split() if word != "…"]
        if line[0] != " ":
            home = ROOT / names[0]
        for name in names:
            path = home if line[0] != " " else home / name
            assert path.exists(), f"README's tree names {path.relative_to(ROOT)}"
            told.add(path)
    missing = {path for path in (ROOT / "cockpit").iterdir() if not path.name.startswith("__")} - told
    assert not missing, f"README's tree lacks {sorted(path.name for path in missing)}"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README.read_text()))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
