"""What the columns of the tables keep of a name that does not fit."""

import pytest

from cockpit.tui.columns import RUN_COLUMNS, fitting
from cockpit.tui.queue_rows import COLUMNS, SLURM_COLUMNS
from nets.catalog import MODELS


@pytest.mark.parametrize("columns", [RUN_COLUMNS, COLUMNS, SLURM_COLUMNS], ids=["runs", "queue", "slurm"])
@pytest.mark.parametrize("width", [58, 78, 80, 100])
def test_every_network_can_be_told_from_every_other(columns, width):
    column = next(one for one in fitting(columns, width) if one.title == "model")
    shown = {column.fit(name) for name in MODELS}
    assert len(shown) == len(MODELS)
    assert {len(text) for text in shown} == {column.width + 2}


def test_a_long_name_keeps_its_beginning_and_its_end():
    column = next(one for one in RUN_COLUMNS if one.title == "model")._replace(width=12)
    assert column.fit("shufflenetv1_g8") == " shuf…etv1_g8 "
    assert column.fit("resnet20") == " resnet20     "
    assert column.fit("名" * 20) == f" {'名' * 5}…  "
