"""The queue with nobody watching: each trainer's last act is that the next may start."""

import json
import os
import re
import subprocess
import sys

import psutil
import pytest
from terminal import Terminal, cockpit_words
from tiny import make_trainer, ran
from waiting import wait_for

from cockpit import launch, status
from cockpit.dispatch import order, tick_when_gone
from cockpit.recipe import Recipe
from cockpit.store import RunStore

_TRAINER_THAT_ENDS = """
import sys
from pathlib import Path
from cockpit import dispatch
from cockpit.store import RunStore
sys.executable = sys.argv[2]
dispatch.tick_when_gone(RunStore(Path(sys.argv[1])))
print("tearing down torch", flush=True)
sys.stdin.read()
"""
_TICKER = """
import sys
sys.executable = {trainer!r}
from cockpit.dispatch.__main__ import main
main()
"""


@pytest.fixture
def store(tmp_path, data_dir):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def real_store(tmp_path, tiny):
    """A folder whose trainers do not outlive the test."""
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        order.withdraw(store, run)
    for run in store.list():
        launch.send(run, "kill")


def end_a_trainer(store: RunStore, tmp_path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a process that ends as a trainer does; whatever ticks after it starts tiny trainers."""
    ticker = tmp_path / "ticker.py"
    ticker.write_text(_TICKER.format(trainer=str(make_trainer(tmp_path))))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {ticker} "$@"\n')
    python.chmod(0o755)
    words = [sys.executable, "-c", _TRAINER_THAT_ENDS, str(store.root), str(python)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def ticking(store: RunStore) -> list[psutil.Process]:
    """The processes that wait to tick this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "--after" in words and str(store.root) in words:
            found.append(process)
    return found


def test_what_a_trainer_sets_for_itself_is_not_handed_on(store, tmp_path, monkeypatch):
    order.enqueue(store, [Recipe().complete()], device="cpu")
    printer = tmp_path / "printer"
    printer.write_text(
        f"#!/bin/sh\nenv > {tmp_path}/environment.new\nmv {tmp_path}/environment.new {tmp_path}/environment\n"
    )
    printer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(printer))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    environment = dict(os.environ)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tick_when_gone(store, environment)
    wait_for((tmp_path / "environment").exists, what="the next")
    assert "OMP_NUM_THREADS=1" not in (tmp_path / "environment").read_text().split()


def test_the_next_starts_once_the_trainer_is_gone(store, tmp_path):
    (run,) = order.enqueue(store, [Recipe().complete()], device="cpu")
    trainer = end_a_trainer(store, tmp_path)
    wait_for(lambda: ticking(store), what="the one who ticks")
    assert run.launches() == []
    trainer.communicate("")
    wait_for(run.launches)
    wait_for(lambda: len(ran(store)) == 1)
    wait_for(lambda: not ticking(store))


def test_nobody_is_left_behind_without_a_queue_or_in_a_slurm_job(store, tmp_path):
    import os

    end_a_trainer(store, tmp_path).communicate("")
    assert not ticking(store)
    order.enqueue(store, [Recipe().complete()], device="cpu")
    end_a_trainer(store, tmp_path, {**os.environ, "SLURM_JOB_ID": "7"}).communicate("")
    assert not ticking(store)


def blocked_lock(store: RunStore) -> None:
    (store.root / ".queue.lock").unlink()
    (store.root / ".queue.lock").mkdir()


def damaged_settings(store: RunStore) -> None:
    (store.root / "queue.json").write_text("{")


@pytest.mark.parametrize("spoil", [blocked_lock, damaged_settings])
def test_a_tick_that_cannot_be_done_is_told_in_the_log(store, tmp_path, spoil):
    (run,) = order.enqueue(store, [Recipe().complete()], device="cpu")
    spoil(store)
    said, _ = end_a_trainer(store, tmp_path).communicate("")
    assert re.search(r"^\d{4}-\d\d-\d\d [\d:]{8} queue: .* (it is a folder|is damaged)", said, re.MULTILINE)
    assert run.launches() == []


@pytest.mark.parametrize("python", ["/nowhere/python", "/dev/null"])
def test_a_trainer_whose_last_tick_cannot_even_begin_ends_well(store, monkeypatch, python):
    order.enqueue(store, [Recipe().complete()], device="cpu")
    monkeypatch.setattr(sys, "executable", python)
    tick_when_gone(store)
    tick_when_gone(RunStore(store.root / "nothing" / "here"))
    assert not ticking(store)


@pytest.mark.slow
def test_a_run_whose_last_tick_fails_is_finished(real_store):
    words = ["train", "--dataset", "tiny", "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--enqueue"]
    first, second = (real_store.get(row["id"]) for row in cockpit(real_store, *words, "--seed", "1,2"))
    wait_for(first.launches)
    blocked_lock(real_store)
    wait_for(lambda: "it is a folder" in first.log_path.read_text(), 120, "the last words")
    assert status.describe(first).status == "finished"
    assert second.launches() == []
    (real_store.root / ".queue.lock").rmdir()
    assert status.describe(second).detail == "queued, place 1"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_is_trained_with_no_cockpit_open(real_store):
    """One fails, one is stopped, the others finish; each makes room for the next."""
    words = ["train", "--dataset", "tiny", "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--enqueue"]
    swept = cockpit(real_store, *words, "--lr", "1e9,0.02", "--warmup-epochs", "0", "--seed", "1,2")
    runs = [real_store.get(row["id"]) for row in swept]
    assert [run.recipe.lr for run in runs] == [1e9, 0.02, 1e9, 0.02]
    endings = ["failed", "finished", "failed", "finished"]
    wait_for(lambda: [status.describe(run).status for run in runs] == endings, 300, "the sweep")
    launches = [run.launches() for run in runs]
    assert [len(one) for one in launches] == [1, 1, 1, 1]
    times = [one[0].time for one in launches]
    assert times == sorted(times)
    assert f"queue: {runs[1].id} is launched on cpu" in runs[0].log_path.read_text()
    wait_for(lambda: not [*real_store.root.glob("*/queued.json")], what="the last ticket to go")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_on_two_devices_is_trained_in_its_turn_with_no_cockpit_open(real_store):
    order.set_slots(real_store, "cpu", 2)
    words = ["train", "--dataset", "tiny", "--epochs", "1", "--batch-size", "16", "--enqueue"]
    devices = ("cpu", "cpu,cpu", "cpu")
    runs = [real_store.get(cockpit(real_store, *words, "--devices", device)[0]["id"]) for device in devices]
    wait_for(lambda: all(status.describe(run).status == "finished" for run in runs), 300, "all three")
    launches = [launch for run in runs for launch in run.launches()]
    assert [launch.device for launch in launches] == [*devices]
    assert [launch.time for launch in launches] == sorted(launch.time for launch in launches)
    assert f"queue: {runs[1].id} is launched on cpu,cpu" in runs[0].log_path.read_text()
    assert f"queue: {runs[2].id} is launched on cpu" in runs[1].log_path.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trainer_that_is_killed_leaves_the_next_to_who_passes_by(real_store):
    words = ["train", "--dataset", "tiny", "--batch-size", "16", "--device", "cpu", "--enqueue"]
    endless, _ = cockpit(real_store, *words, "--epochs", "5000,1")
    first, second = real_store.get(endless["id"]), real_store.get(_["id"])
    wait_for(lambda: first.tail().step, what="a step")
    psutil.Process(first.launches()[-1].pid).kill()
    wait_for(lambda: status.describe(first).status == "lost")
    assert status.describe(second).detail == "queued, place 1"
    cockpit(real_store, "queue")
    wait_for(lambda: status.describe(second).status == "finished", 120)
    assert len(first.launches()) == 1


def cockpit(store: RunStore, *words: str):
    command = [sys.executable, "-m", "cockpit", *words, "--json", "--runs", str(store.root)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


_KEEPER = """
import sys
from pathlib import Path
from cockpit import tickets
with tickets.locked(Path(sys.argv[1])):
    print("kept", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_the_cockpit_is_left_at_once_while_another_process_keeps_the_queue(store):
    order.enqueue(store, [Recipe().complete()])
    words = [sys.executable, "-c", _KEEPER, str(store.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        try:
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == b"kept\n"
            with Terminal(*cockpit_words(store.root)) as terminal:
                terminal.wait_for_text("1 queued")
                cockpit = psutil.Process(terminal.pid)
                lock = str(store.root / ".queue.lock")
                wait_for(lambda: lock in {file.path for file in cockpit.open_files()}, what="a tick that waits")
                terminal.press("q")
                assert terminal.wait(15) == 0
        finally:
            keeper.kill()
