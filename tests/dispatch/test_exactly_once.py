"""Every run starts exactly once, however many tick at once and whoever of them is killed."""

from collections import Counter

import pytest
from tiny import kill_in_the_middle, make_trainer, most_at_once, ran, start_ticker
from waiting import wait_for

from cockpit import tickets
from cockpit.dispatch import order
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

SLOTS = 3


@pytest.fixture
def store(tmp_path, data_dir):
    store = RunStore(tmp_path / "runs")
    order.set_slots(store, "cpu", SLOTS)
    return store


def enqueue(store: RunStore, count: int, *devices: str) -> list[Run]:
    """Queue runs that ask for these devices by turns."""
    runs: list[Run] = []
    for seed in range(count):
        device = devices[seed % len(devices)] if devices else "cpu"
        runs += order.enqueue(store, [Recipe(seed=seed).complete()], device=device)
    return runs


def check(store: RunStore, runs: list[Run]) -> None:
    """Each run was launched once, on what it asked for, never more than the slots allow at once, and nothing waits."""
    trained = ran(store)
    assert Counter(run_id for run_id, *_ in trained) == Counter(run.id for run in runs)
    assert all(len(run.launches()) == 1 for run in runs)
    assert most_at_once(trained)["cpu"] <= SLOTS
    assert not [*store.root.glob("*/queued.json")]


MIXED = ("cpu", "cpu,cpu", "cpu", "cpu,cpu,cpu")


@pytest.mark.parametrize(
    ("count", "tickers", "devices"),
    [
        (30, 2, ("cpu",)),
        (30, 2, MIXED),
        pytest.param(1000, 2, ("cpu",), marks=pytest.mark.slow),
        pytest.param(300, 4, MIXED, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.timeout(900)
def test_every_run_starts_once_with_several_ticking(store, tmp_path, count, tickers, devices):
    runs = enqueue(store, count, *devices)
    trainer = make_trainer(tmp_path)
    processes = [start_ticker(store, trainer) for _ in range(tickers)]
    for process in processes:
        _, _ = process.communicate()
        assert process.returncode == 0
    check(store, runs)
    asked = {run.id: devices[place % len(devices)] for place, run in enumerate(runs)}
    assert {run_id: device for run_id, device, *_ in ran(store)} == asked


@pytest.mark.parametrize("count", [12, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_whoever_ticks_may_be_killed_at_any_moment(store, tmp_path, count):
    runs = enqueue(store, count, *MIXED)
    trainer = make_trainer(tmp_path)
    kills = 0
    while True:
        one, other = (start_ticker(store, trainer) for _ in range(2))
        killed = [kill_in_the_middle(one, 0.1), kill_in_the_middle(other, 0.1)]
        kills += sum(killed)
        if not any(killed):
            break
    assert kills
    check(store, runs)


def test_nobody_plans_while_another_does(store, tmp_path):
    (run,) = enqueue(store, 1)
    with tickets.locked(store.root):
        ticker = start_ticker(store, make_trainer(tmp_path))
        assert ticker.stdout is not None
        assert ticker.stdout.readline()
        with pytest.raises(AssertionError, match="waited"):
            wait_for(lambda: (ticket := tickets.read_ticket(run.path)) and ticket.claim, timeout_s=0.5)
    ticker.communicate()
    assert len(run.launches()) == 1
