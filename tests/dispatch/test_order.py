"""What a person does with the queue: enqueue, move, prioritise, withdraw, pause; always durable, never half done."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import wait_for

from cockpit import places as places_of_runs
from cockpit import status, tickets
from cockpit.dispatch import order, tick
from cockpit.dispatch.look import look
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore


@pytest.fixture
def store(tmp_path, data_dir):
    """A paused queue: no test here starts anything."""
    store = RunStore(tmp_path / "runs")
    order.pause(store, True)
    return store


def enqueue(store: RunStore, count: int, **settings) -> list[Run]:
    return order.enqueue(store, [Recipe(seed=seed).complete() for seed in range(count)], **settings)


def ids(runs: list[Run]) -> list[str]:
    return [run.id for run in runs]


def places(store: RunStore) -> list[str]:
    return [*tickets.places(tickets.read_tickets(store.root))]


def test_runs_wait_in_the_order_in_which_they_were_queued(store):
    first, second = enqueue(store, 3), enqueue(store, 2)
    assert places(store) == ids([*first, *second])
    rows = status.numbered([status.describe(run, number=False) for run in store.list()])
    assert {row.id: row.detail for row in rows} == {
        run.id: f"queued, place {place}" for place, run in enumerate([*first, *second], 1)
    }
    alone = status.describe(second[0])
    assert (alone.status, alone.detail, alone.place) == ("waiting", "queued, place 4", 4)


def test_no_run_is_without_its_ticket_when_who_queues_them_is_killed(store):
    words = f"""
from pathlib import Path
from cockpit.dispatch import order
from cockpit.recipe import Recipe
from cockpit.store import RunStore
order.enqueue(RunStore(Path({str(store.root)!r})), [Recipe(seed=seed).complete() for seed in range(10_000)])
"""
    process = subprocess.Popen([sys.executable, "-c", words])
    wait_for(lambda: len(store.list()) > 20, what="some runs")
    process.kill()
    process.wait()
    left = store.list()
    assert len(left) < 10_000
    assert set(places(store)) == set(ids(left))
    assert enqueue(store, 1)[0].id == places(store)[-1]


def test_runs_of_a_second_have_names_of_their_own(store, monkeypatch):
    drawn = itertools.cycle(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(drawn))
    assert len({run.id for run in enqueue(store, 2)}) == 2


def test_nothing_is_left_of_a_sweep_that_cannot_be_made(store):
    recipe = Recipe().complete()
    with pytest.raises(CockpitError, match="is no name for a run"):
        order.enqueue(store, [recipe, recipe, dataclasses.replace(recipe, model="no/name")])
    assert store.list() == []
    assert not [*store.root.glob(".new-*")]


def test_a_ticket_names_several_devices_in_their_normal_form(store):
    (run,) = enqueue(store, 1, device=" CPU, cpu")
    ticket = run.ticket()
    assert ticket is not None
    assert ticket.device == places_of_runs.device_of(run) == "cpu,cpu"
    order.enqueue_again(store, run, device="cpu")
    assert places_of_runs.device_of(run) == "cpu"


def test_a_run_is_enqueued_again_although_its_killed_trainer_has_not_let_go_of_it_yet(store):
    """The last thread of a killed process may hold the lock for a moment longer than the process is seen."""
    (run,) = enqueue(store, 1, device="cpu")
    assert order.withdraw(store, run)
    lets_go = subprocess.Popen(["sleep", "0.3"], pass_fds=[handle := run.lock()])
    os.close(handle)
    order.enqueue_again(store, run, device="cpu")
    assert lets_go.wait() == 0
    assert status.describe(run).status == "waiting"


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (Recipe(exact=True), "exact reruns are of one device, not of cpu,cpu"),
        (Recipe(batch_size=1), "batch size 1 is smaller than the 2 devices that share it"),
    ],
)
def test_a_recipe_that_is_not_for_several_devices_does_not_wait_for_them(store, recipe, sentence):
    with pytest.raises(CockpitError, match=sentence):
        order.enqueue(store, [Recipe().complete(), recipe.complete()], device="cpu,cpu")
    assert store.list() == []


def test_a_device_that_is_not_here_is_refused_before_anything_is_made(store):
    with pytest.raises(CockpitError, match="device 'cuda:77' is not on this machine"):
        enqueue(store, 1, device="cuda:77")
    assert store.list() == []


def test_a_higher_priority_comes_first(store):
    usual, urgent = enqueue(store, 2), enqueue(store, 1, priority=5)
    assert places(store) == ids([*urgent, *usual])
    order.set_priority(store, usual[1], 6)
    assert places(store) == ids([usual[1], *urgent, usual[0]])


MOVES = [
    ("top", [3, 0, 1, 2, 4]),
    ("bottom", [0, 1, 2, 4, 3]),
    ("up", [0, 1, 3, 2, 4]),
    ("down", [0, 1, 2, 4, 3]),
    (0, [3, 0, 1, 2, 4]),
    (2, [0, 1, 3, 2, 4]),
    (3, [0, 1, 2, 3, 4]),
    (4, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("to", "expected"), MOVES)
def test_a_run_is_moved(store, to, expected):
    runs = enqueue(store, 5)
    order.move(store, runs[3], runs[to] if isinstance(to, int) else to)
    assert places(store) == ids([runs[n] for n in expected])


@given(
    priorities=st.lists(st.integers(0, 2), min_size=2, max_size=6),
    moves=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["top", "bottom", "up", "down", *range(6)])), max_size=8
    ),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_stands_where_it_was_moved_and_no_other_changes_its_place(store, priorities, moves):
    for run in store.list():
        store.remove(run)
    runs = [enqueue(store, 1, priority=priority)[0] for priority in priorities]
    for moved, to in moves:
        run = runs[moved % len(runs)]
        target = runs[to % len(runs)] if isinstance(to, int) else to
        before = places(store)
        others = [run_id for run_id in before if run_id != run.id]
        place = before.index(run.id)
        if isinstance(target, Run):
            index = place if target.id == run.id else others.index(target.id)
        else:
            index = {"top": 0, "bottom": len(others), "up": max(0, place - 1), "down": place + 1}[target]
        order.move(store, run, target)
        assert places(store) == [*others[:index], run.id, *others[index:]]


def test_places_between_two_others_never_run_out(store):
    runs = enqueue(store, 3)
    for _ in range(70):  # a double is halved 53 times
        order.move(store, runs[2], runs[1])
        order.move(store, runs[1], runs[2])
    assert places(store) == ids([runs[0], runs[1], runs[2]])


def test_a_withdrawn_run_is_kept_and_does_not_wait(store):
    runs = enqueue(store, 2)
    assert order.withdraw(store, runs[0])
    assert not order.withdraw(store, runs[0])
    info = status.describe(runs[0])
    assert (info.status, info.detail, info.ticket) == ("created", "not launched yet", None)
    assert places(store) == ids([runs[1]])
    order.enqueue_again(store, runs[0])
    assert places(store) == ids([runs[1], runs[0]])


@pytest.mark.parametrize("change", ["move", "priority", "withdraw"])
def test_a_run_that_does_not_wait_is_not_changed(store, change):
    enqueue(store, 1)
    run = store.create(Recipe().complete())
    if change == "withdraw":
        assert not order.withdraw(store, run)
        return
    with pytest.raises(CockpitError, match=f"run {run.id} does not wait in the queue"):
        order.move(store, run, "top") if change == "move" else order.set_priority(store, run, 1)


def test_a_run_that_is_being_launched_is_not_taken_from_under_its_trainer(store):
    (run,) = enqueue(store, 1)
    lock = run.lock()
    for change in (order.withdraw, order.enqueue_again):
        with pytest.raises(CockpitError, match="is just being launched"):
            change(store, run)
    os.close(lock)
    assert order.withdraw(store, run)


def test_slots_and_pause_are_kept_beside_each_other(store):
    order.set_slots(store, "cpu", 3)
    order.pause(store, False)
    assert tickets.read_settings(store.root) == tickets.Settings(paused=False, slots={"cpu": 3})
    with pytest.raises(CockpitError, match="slots is 65; it must be 0 to 64"):
        order.set_slots(store, "cpu", 65)
    with pytest.raises(CockpitError, match="there is no device 'tpu'; choose auto, cpu, mps, cuda or cuda:<n>"):
        order.set_slots(store, "tpu", 1)
    with pytest.raises(CockpitError, match="device 'cuda:70' is not on this machine"):
        order.set_slots(store, "70,71", 1)


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"paused": 3}', '{"slots": {"cpu": -1}}'])
def test_damaged_settings_start_nothing_and_are_named(store, junk):
    enqueue(store, 1)
    (store.root / "queue.json").write_text(junk)
    with pytest.raises(CockpitError, match=r"queue\.json .*; correct it or delete it"):
        tick(store)


@pytest.mark.parametrize("priority", [1_000_001, -(10**30)])
def test_a_priority_that_no_ticket_can_hold_is_refused(store, priority):
    with pytest.raises(CockpitError, match=rf"priority is {priority}; it must be -1000000 to 1000000"):
        enqueue(store, 1, priority=priority)
    assert store.list() == []
    (run,) = enqueue(store, 1)
    with pytest.raises(CockpitError, match="priority is"):
        order.set_priority(store, run, priority)


def test_runs_are_moved_at_the_end_of_the_numbers_too(store):
    runs = enqueue(store, 2)
    for run, place in zip(runs, (2.0**53, -(2.0**53)), strict=True):
        path = Path(run.path / "queued.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"place": place}))
    for to in ("bottom", "top"):
        order.move(store, runs[1], to)
        assert places(store) == ids([*reversed(runs)] if to == "top" else runs)
    assert enqueue(store, 1)[0].id == places(store)[-1]


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"place": "x"}'])
def test_a_damaged_ticket_is_told_and_holds_up_nobody(store, junk):
    bad, good = enqueue(store, 2)
    (bad.path / "queued.json").write_text(junk)
    info = status.describe(bad)
    assert info.status == "damaged"
    assert "queued.json is damaged" in info.detail
    assert places(store) == ids([good])
    assert order.withdraw(store, bad)
    assert status.describe(bad).status == "created"


def test_a_queue_that_cannot_be_written_is_a_sentence(tmp_path, data_dir):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CockpitError, match=r"the queue of .* cannot be written: .*; choose another folder with --runs"):
        enqueue(RunStore(tmp_path / "file" / "runs"), 1)


def test_a_queue_that_another_process_keeps_is_given_up_after_a_while(store, monkeypatch):
    monkeypatch.setattr(tickets, "_LOCK_S", 0.05)
    with (
        tickets.locked(store.root),
        pytest.raises(tickets.QueueBusyError, match="another process has kept the queue"),
        tickets.locked(store.root),
    ):
        pass


def test_a_ticket_of_another_box_waits_for_that(store):
    (run,) = enqueue(store, 1)
    path = Path(run.path / "queued.json")
    claim = {"device": "cpu", "time": 1.0, "boot_id": "its own", "pid": 7, "process_start_s": 1.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "another-box", "claim": claim}))
    before = path.read_bytes()
    order.pause(store, False)
    assert tick(store) == []
    assert run.launches() == []
    assert path.read_bytes() == before
    assert [row.why for row in look(store).waiting] == ["waits for another-box"]
