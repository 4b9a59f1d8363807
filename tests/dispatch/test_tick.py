"""One tick at a time: what it starts, what it leaves alone, and what it makes of launches that come to nothing."""

import os
import signal
import subprocess
import sys
import time

import msgspec
import psutil
import pytest
from nvml import NVMLError, made_up
from tiny import make_trainer, ran
from waiting import wait_for

from cockpit import launch, liveness, status, tickets
from cockpit.dispatch import Attempt, order, tick
from cockpit.dispatch.look import look
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tickets import Claim

SLEEPER = "import time; time.sleep(600)"


@pytest.fixture
def store(tmp_path, data_dir, monkeypatch):
    """A queue whose trainers are tiny."""
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def stranger():
    """A living process that ticks no queue."""
    process = subprocess.Popen([sys.orig_argv[0], "-c", SLEEPER])
    yield process
    process.kill()
    process.wait()


def enqueue(store: RunStore, count: int = 1) -> list[Run]:
    return order.enqueue(store, [Recipe(seed=seed).complete() for seed in range(count)], device="cpu")


def claim(run: Run, pid: int, **changes) -> Claim:
    """Claim a run in the name of a process."""
    made = Claim(
        device="cpu",
        time=time.time(),
        boot_id=liveness.boot_id(),
        pid=pid,
        process_start_s=liveness.since_boot(psutil.Process(pid)),
    )
    made = msgspec.structs.replace(made, **changes)
    ticket = tickets.read_ticket(run.path)
    assert ticket is not None
    tickets.write_ticket(run.path, msgspec.structs.replace(ticket, claim=made))
    return made


def why(store: RunStore, run: Run) -> str:
    return next(row.why for row in look(store).waiting if row.run.id == run.id)


def wait_until_free(store: RunStore) -> None:
    wait_for(lambda: all(slot.free for slot in look(store).devices), what="a free device")


def test_nothing_is_made_where_there_is_no_queue(store):
    assert tick(store) == []
    assert not store.root.exists()


def test_a_tick_starts_the_first_and_the_next_waits_for_its_end(store):
    first, second = enqueue(store, 2)
    assert tick(store)[0] == Attempt(first.id, "cpu", "")
    wait_until_free(store)
    tick(store)
    wait_for(lambda: len(ran(store)) == 2)
    assert [run_id for run_id, *_ in ran(store)] == [first.id, second.id]
    wait_until_free(store)
    assert tick(store) == []
    assert not (second.path / "queued.json").exists()


def test_a_run_waits_for_the_trainer_that_has_its_device_whoever_started_it(store, stranger):
    (queued,) = enqueue(store)
    (other,) = order.enqueue(store, [Recipe().complete()])
    order.withdraw(store, other)
    other.append_launch(launch_of(stranger.pid))
    assert tick(store) == []
    assert why(store, queued) == f"cpu is busy with {other.id}"
    stranger.kill()
    wait_for(lambda: psutil.Process(stranger.pid).status() == psutil.STATUS_ZOMBIE)
    assert tick(store) == [Attempt(queued.id, "cpu", "")]


def launch_of(pid: int):
    from cockpit.records import Launch

    started = liveness.since_boot(psutil.Process(pid))
    me = {"host": liveness.host_name(), "boot_id": liveness.boot_id(), "pid": pid, "process_start_s": started}
    return Launch(attempt=1, time=time.time(), argv=[], device="cpu", **me)


def test_a_run_on_two_devices_starts_once_both_are_free_and_keeps_the_first(store, stranger):
    order.set_slots(store, "cpu", 2)
    (other,) = order.enqueue(store, [Recipe().complete()])
    order.withdraw(store, other)
    other.append_launch(launch_of(stranger.pid))
    (large,) = order.enqueue(store, [Recipe().complete()], device="cpu,cpu")
    (small,) = enqueue(store)
    assert tick(store) == []
    assert why(store, large) == f"cpu is busy with {other.id}; 1 of its 2 slots is kept for it"
    assert why(store, small) == f"cpu is kept for {large.id}"
    (cpu,) = look(store).devices
    assert (cpu.runs, cpu.kept) == ((other.id,), (large.id,))
    stranger.kill()
    wait_for(lambda: psutil.Process(stranger.pid).status() == psutil.STATUS_ZOMBIE)
    assert why(store, large) == "starts next on cpu,cpu"
    assert tick(store)[0] == Attempt(large.id, "cpu,cpu", "")


def test_a_run_that_takes_more_slots_than_there_are_says_how_to_give_them_and_holds_up_nobody(store):
    (large,) = order.enqueue(store, [Recipe().complete()], device="cpu,cpu")
    (small,) = enqueue(store)
    assert tick(store) == [Attempt(small.id, "cpu", "")]
    assert why(store, large).startswith("cpu has 1 slot and it takes 2; `cockpit queue slots cpu 2` gives it them")
    wait_until_free(store)
    order.set_slots(store, "cpu", 2)
    assert tick(store) == [Attempt(large.id, "cpu,cpu", "")]


def test_a_run_that_is_being_launched_on_several_devices_has_all_of_them(store, stranger):
    order.set_slots(store, "cpu", 3)
    claimed, other = order.enqueue(store, [Recipe(seed=seed).complete() for seed in range(2)], device="cpu,cpu")
    claim(claimed, stranger.pid, device="cpu,cpu")
    assert tick(store) == []
    assert [(slot.free, slot.runs) for slot in look(store).devices] == [(1, (claimed.id, claimed.id))]
    assert why(store, other) == f"cpu is busy with {claimed.id}; 1 of its 2 slots is kept for it"


def test_a_paused_queue_starts_nothing_until_it_goes_on(store):
    (run,) = enqueue(store)
    order.pause(store, True)
    assert tick(store) == []
    assert why(store, run) == "the queue is paused"
    order.pause(store, False)
    assert why(store, run) == "starts next on cpu"
    assert len(tick(store)) == 1


def test_a_run_whose_trainer_does_not_start_is_tried_three_times_and_the_queue_goes_on(store, tmp_path, monkeypatch):
    bad, good = enqueue(store, 2)
    failing = make_trainer(
        tmp_path, f"#!/bin/sh\ncase $3 in *{bad.id}) echo no torch here; exit 1;; esac\nexec $GOOD $*"
    )
    good_trainer = tmp_path / "good"
    failing.rename(tmp_path / "failing")
    make_trainer(tmp_path).rename(good_trainer)
    monkeypatch.setenv("GOOD", str(good_trainer))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "failing"))
    attempts = tick(store)
    assert [attempt.run_id for attempt in attempts] == [bad.id] * 3 + [good.id]
    assert "ended before it began: no torch here" in attempts[0].trouble
    info = status.describe(bad)
    assert info.status == "failed"
    assert info.detail.startswith("it could not be launched: the trainer of")
    assert "no torch here" in why(store, bad)
    wait_until_free(store)
    assert tick(store) == []
    monkeypatch.setattr(sys, "executable", str(good_trainer))
    launch.start(bad, device="cpu")  # as `r` does
    wait_until_free(store)
    assert status.describe(bad).status == "lost"  # the tiny trainer says no last word
    assert tick(store) == []
    assert not (bad.path / "queued.json").exists()


def test_a_run_that_was_launched_by_hand_is_not_launched_again(store):
    (run,) = enqueue(store)
    launch.start(run, device="cpu")
    wait_until_free(store)
    assert tick(store) == []
    assert len(run.launches()) == 1
    assert not (run.path / "queued.json").exists()


def test_a_run_that_somebody_is_launching_has_its_device(store, stranger):
    claimed, other = enqueue(store, 2)
    claim(claimed, stranger.pid)
    assert tick(store) == []
    assert (why(store, claimed), why(store, other)) == ("being launched on cpu", f"cpu is busy with {claimed.id}")
    info = status.describe(claimed)
    assert (info.status, info.detail, info.place) == ("waiting", "queued, being launched on cpu", None)


@pytest.mark.parametrize(
    "forgery", [{"boot_id": "another boot"}, {"process_start_s": 1.0}, {"time": 0.0}, {"time": 9e9}]
)
def test_a_claim_that_leads_to_no_launch_any_more_is_taken_back(store, stranger, forgery):
    (run,) = enqueue(store)
    claim(run, stranger.pid, **forgery)
    assert why(store, run) == "its launch on cpu was broken off; starts next on cpu"
    assert tick(store) == [Attempt(run.id, "cpu", "")]
    assert len(run.launches()) == 1


def test_a_run_whose_launch_kills_its_launcher_again_and_again_is_given_up(store, stranger):
    (run,) = enqueue(store)
    ticket = tickets.read_ticket(run.path)
    assert ticket is not None
    tickets.write_ticket(run.path, msgspec.structs.replace(ticket, broken=9))
    claim(run, stranger.pid, time=0.0)
    assert tick(store) == []
    assert status.describe(run).detail == (
        "it could not be launched: whoever launched it was killed before its trainer began"
    )


def test_a_claim_is_not_taken_back_while_a_trainer_is_on_its_way(store, stranger):
    on_its_way, other = enqueue(store, 2)
    claim(on_its_way, stranger.pid, time=0.0)
    lock = on_its_way.lock()  # as the trainer has inherited it
    assert tick(store) == []
    assert other.launches() == on_its_way.launches() == []
    os.close(lock)
    assert tick(store)[0].run_id == on_its_way.id


@pytest.fixture
def slow(store):
    """A run that another process has claimed, which finds the writer lock taken and is stopped there."""
    (run,) = enqueue(store)
    lock = run.lock()
    process = subprocess.Popen(
        [sys.orig_argv[0], "-c", _SLOW, str(store.root), sys.executable], stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: (ticket := tickets.read_ticket(run.path)) and ticket.claim, what="the claim")
    order.set_slots(store, "cpu", 0)  # it finds nothing else to do; and it has let go of the queue by now
    process.send_signal(signal.SIGSTOP)
    with process:
        yield run, lock, process
        process.kill()


def test_who_was_too_slow_finds_his_claim_gone_and_starts_nothing(store, slow):
    run, lock, process = slow
    os.close(lock)
    claim(run, process.pid, time=0.0)  # a minute later
    assert tick(store) == []
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == "[]\n"
    assert run.launches() == []
    assert status.describe(run).detail == "queued, place 1"


def test_who_was_too_slow_finds_that_somebody_launched_it_by_hand(store, slow):
    run, lock, process = slow
    run.append_launch(launch_of(os.getpid()))
    os.close(lock)
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == "[]\n"
    assert len(run.launches()) == 1


_SLOW = """
import sys
from pathlib import Path
from cockpit import dispatch
from cockpit.store import RunStore
sys.executable = sys.argv[2]
print(dispatch.tick(RunStore(Path(sys.argv[1]))))
"""


def test_a_folder_that_was_deleted_meanwhile_holds_up_nobody(store, stranger):
    gone, left = enqueue(store, 2)
    claim(gone, stranger.pid, time=0.0)
    (gone.path / "recipe.json").unlink()
    store.remove(gone)
    assert [attempt.run_id for attempt in tick(store)] == [left.id]


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/chattr"), reason="root may write anywhere")
def test_a_run_folder_that_cannot_be_written_holds_up_nobody(store):
    locked, free = enqueue(store, 2)
    order.set_slots(store, "cpu", 2)
    make_immutable(locked, True)
    try:
        assert [attempt.run_id for attempt in tick(store)] == [free.id]
        with pytest.raises(CockpitError, match="cannot be written"):
            tick(store)
    finally:
        make_immutable(locked, False)


def make_immutable(run: Run, immutable: bool) -> None:
    if os.geteuid():
        run.path.chmod(0o555 if immutable else 0o755)
    elif subprocess.run(["chattr", "+i" if immutable else "-i", run.path], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this file system knows no immutable folders")


def test_while_the_driver_fails_nothing_that_may_want_a_card_starts_and_the_rest_does(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", made_up(number=2))
    (wants_any,) = order.enqueue(store, [Recipe().complete()], device="auto")
    (wants_card,) = order.enqueue(store, [Recipe(seed=1).complete()], device="cuda,cuda")
    (wants_cpu,) = enqueue(store)
    monkeypatch.setitem(sys.modules, "pynvml", made_up(number=2, count=NVMLError(999, "Unknown Error")))
    assert tick(store) == [Attempt(wants_cpu.id, "cpu", "")]
    with pytest.raises(CockpitError, match=r"the NVIDIA driver fails \(Unknown Error\)"):
        tick(store)
    assert why(store, wants_any).startswith("the NVIDIA driver fails (Unknown Error)")
    assert why(store, wants_card).startswith("the NVIDIA driver fails (Unknown Error)")
    order.pause(store, True)
    assert tick(store) == []
    assert why(store, wants_any) == "the queue is paused"
    order.pause(store, False)
    with pytest.raises(CockpitError, match="the NVIDIA driver fails"):
        order.enqueue(store, [Recipe(seed=2).complete()], device="auto")


def test_a_stopped_run_is_queued_again_and_resumed_in_its_turn(store):
    (first,) = enqueue(store)
    tick(store)
    wait_until_free(store)
    (second,) = order.enqueue(store, [Recipe(seed=1).complete()], device="cpu")
    order.enqueue_again(store, first, device="cpu")
    assert status.describe(first).detail == "queued, place 2"
    for _ in range(2):
        tick(store)
        wait_until_free(store)
    assert [run_id for run_id, *_ in ran(store)] == [first.id, second.id, first.id]
    assert len(first.launches()) == 2
