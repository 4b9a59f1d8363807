"""The made folders are what trainers leave."""

import itertools
from collections import Counter

import generator
import pytest

from cockpit import records
from cockpit.lines import whole_lines
from cockpit.status import describe
from cockpit.store import RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_runs_come_to_every_end_on_many_networks_and_datasets(store):
    generator.make_runs(store, 120)
    runs = store.list()
    rows = [describe(run) for run in runs]
    assert {row.status for row in rows} == {*generator.FATES}
    assert len({row.model for row in rows}) > 20
    assert {row.dataset for row in rows} >= {"digits", "cifar10", "cifar100"}
    assert max(len(run.launches()) for run in runs) == 3
    launched = [row.launched for row in rows if row.launched]
    assert launched == sorted(launched, reverse=True)
    for row in rows:
        if row.status == "finished":
            assert row.test is not None
            assert (row.epoch, row.best_epoch) >= (row.epochs, 1)


def test_a_run_learns_and_is_resumed_at_an_epoch(store):
    run, trainer = generator.make_long_run(store, 1000, live=False)
    told = [*records.decode_lines(whole_lines(run.metrics_path))]
    kinds = Counter(type(record).__name__ for record in told)
    assert kinds["Step"] == kinds["Device"] == 500
    epochs = [record for record in told if isinstance(record, records.Epoch)]
    assert [epoch.epoch for epoch in epochs] == [*range(1, len(epochs) + 1)]
    best = [epoch.best_val_acc or 0 for epoch in epochs]
    assert best == sorted(best)
    assert best[-1] > 0.9 > 0.2 > best[0]
    for before, record in itertools.pairwise(told):
        if isinstance(record, records.Phase) and record.state == "running" and record.attempt == 2:
            assert isinstance(before, records.Phase)
            assert record.step % (trainer.samples_per_epoch * generator.STEPS_PER_SAMPLE) == 0


def test_a_run_can_go_on_in_this_process(store):
    run, trainer = generator.make_long_run(store, 1000)
    assert describe(run).status == "running"
    step = run.tail().step
    assert step is not None
    generator.write(run, *trainer.sample())
    newer = run.tail().step
    assert newer is not None
    assert newer.step == step.step + generator.STEPS_PER_SAMPLE
