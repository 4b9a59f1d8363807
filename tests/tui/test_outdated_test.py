"""The figures of a test of another checkpoint than the best one say so wherever they stand."""

import pytest
from folders import finished, make_run, screen_text, settle, with_test

from cockpit.recipe import Recipe
from cockpit.tui.compare import CompareScreen
from cockpit.tui.compare_table import CompareTable
from cockpit.tui.report import ReportScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.table import RunTable
from cockpit.tui.watch import RunsReader

RUN_ID = "20251123-141000-resnet20-digits-0001"
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
AT = "at epoch 12; t tests epoch 34"


@pytest.fixture
def run(store):
    """A run tested at epoch 12, whose best checkpoint is of epoch 34 by now."""
    run = finished(make_run(store, RUN_ID), epochs=34, val_acc=0.986, best_epoch=34)
    return with_test(run, top1=0.836, epoch=12)


@SIZES
async def test_runs_marks_the_figure_and_tells_the_epoch(app, run, size):
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: AT in screen_text(app))
        assert "83.6°" in app.screen.query_one(RunTable).texts(RUN_ID)
        assert f"epoch 34 · val 98.6 % · test 83.6° % {AT}" in screen_text(app)
        app.testing = frozenset({RUN_ID})
        await settle(pilot, lambda: "at epoch 12; epoch 34 is being tested" in screen_text(app))
        app.testing = frozenset()
        with_test(run, top1=0.972, epoch=34)
        await settle(pilot, lambda: "best checkpoint: epoch 34 · val 98.6 % · test 97.2 % (top-5" in screen_text(app))
        assert "97.2" in app.screen.query_one(RunTable).texts(RUN_ID)


async def test_a_first_test_under_way_is_told(app, store):
    finished(make_run(store, RUN_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "t tests it" in screen_text(app))
        app.testing = frozenset({RUN_ID})
        await settle(pilot, lambda: "val 90.0 % · being tested" in screen_text(app))


@SIZES
async def test_run_tells_the_epoch(app, run, size):
    async with app.run_test(size=size) as pilot:
        app.open_run(run)
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and f"83.6° % {AT}" in screen_text(app))


@SIZES
async def test_the_report_tells_the_epoch(app, run, size):
    async with app.run_test(size=size) as pilot:
        app.open_report(run)
        await settle(pilot, lambda: isinstance(app.screen, ReportScreen) and AT in screen_text(app))


async def test_compare_marks_the_figure(app, run, store):
    other = with_test(finished(make_run(store, RUN_ID[:-1] + "2", Recipe(lr=0.05))))
    async with app.run_test(size=(160, 45)) as pilot:
        app.open_compare([run, other])
        await settle(
            pilot, lambda: isinstance(app.screen, CompareScreen) and "° tested at epoch 12" in screen_text(app)
        )
        (column,) = [column for column in app.screen.query_one(CompareTable)._columns if column.title == "test"]
        assert column.texts == ["83.6°", "97.2"]


def test_it_is_no_best_of_its_network(run, store):
    reader = RunsReader(store)
    list(reader.look())
    assert reader.own_bests()["resnet20", "digits"].top1 == 0.986
    with_test(run, top1=0.972, epoch=34)
    list(reader.look())
    assert reader.own_bests()["resnet20", "digits"].top1 == 0.972
