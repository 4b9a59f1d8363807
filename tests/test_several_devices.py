"""One run on several devices: real processes that share it, are stopped, killed and suspended. All of it is slow."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from disks import fill, mounted
from test_life import as_one_run, wait_for_step
from waiting import wait_for

from cockpit import durable, launch, records, status
from cockpit.devices import is_here
from cockpit.recipe import Recipe
from cockpit.store import RecordTail, Run, RunStore

pytestmark = pytest.mark.slow
EPOCHS, STEPS = 4, 9  # 144 training images in batches of 16


@pytest.fixture
def store(tmp_path, tiny) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        launch.send(run, "kill")


def begin(store: RunStore, device: str = "cpu,cpu", **changes) -> Run:
    run = store.create(
        Recipe(**{"dataset": "tiny", "epochs": EPOCHS, "batch_size": 16, "lr": 0.02} | changes).complete()
    )
    launch.start(run, device=device, sample_s=0)
    return run


def end(run: Run) -> status.RunInfo:
    wait_for(lambda: status.describe(run).status not in status.LIVE, 120, f"the end of {run.id}")
    return status.describe(run)


def rank(run: Run, number: int) -> psutil.Process:
    """Return a rank's process, once it is there."""

    def find() -> psutil.Process | None:
        for child in psutil.Process(run.launches()[-1].pid).children():
            with contextlib.suppress(psutil.Error):  # one that was there only for a moment
                if child.environ().get("RANK") == str(number):
                    return child
        return None

    process = wait_for(find, what=f"rank {number}")
    assert process is not None
    return process


def running(run: Run) -> list[records.Phase]:
    return [
        record for record in RecordTail(run).read() if isinstance(record, records.Phase) and record.state == "running"
    ]


def step_of(record: records.Step | records.Epoch | None) -> int:
    assert record is not None
    return record.step


def wait_for_running(run: Run, times: int) -> None:
    wait_for(lambda: len(running(run)) == times, what=f"{times} times running")


@pytest.mark.parametrize("devices", ["cpu,cpu", "cpu,cpu,cpu"])
def test_ranks_give_the_numbers_of_one_process(store, devices):
    """With batch norm, batches that the ranks do not divide, and a last one of two images.

    After that one batch norm makes much of rounding: 1e-7 of the images becomes 1e-4 of a loss, and 1e-3 at ten times
    this rate. `test_norm.py` does it in float64.
    """
    kind = {"epochs": 2, "batch_size": 71, "precision": "fp32", "lr": 0.002, "warmup_epochs": 0.0}
    alone, together = (begin(store, device, **kind) for device in ("cpu", devices))
    assert (end(alone).status, end(together).status) == ("finished", "finished")
    (steps, epochs), (shared_steps, shared_epochs) = as_one_run(alone), as_one_run(together)
    assert list(shared_steps) == list(range(1, 7))
    for step, (loss, acc, lr, epoch) in steps.items():
        assert shared_steps[step] == (pytest.approx(loss, rel=3e-4), pytest.approx(acc, abs=1e-6), lr, epoch)
    for epoch, figures in epochs.items():
        assert shared_epochs[epoch] == pytest.approx(figures, rel=3e-4)
    tests = [run.test_report() for run in (alone, together)]
    assert tests[0] is not None
    assert tests[1] is not None
    assert tests[1].loss == pytest.approx(tests[0].loss, rel=3e-4)
    assert (tests[1].top1, tests[1].top5) == (tests[0].top1, tests[0].top5)
    guesses = [
        next(record for record in RecordTail(run).read() if isinstance(record, records.Guesses)).guesses
        for run in (alone, together)
    ]
    assert len(guesses[1]) == 12
    for one, other in zip(*guesses, strict=True):
        assert (other.image, other.label, other.best) == (one.image, one.label, one.best)
        assert other.label_share == pytest.approx(one.label_share, abs=2e-4)
    choice = together.choice(devices)
    assert choice is not None
    assert (choice.way, choice.batch_norm) == ("eager", "synced")
    assert "batch norm takes its statistics of the whole batch" in choice.reason


def test_an_older_run_goes_on_with_the_statistics_of_each_devices_own_images(store):
    """Its record of how steps are computed on these devices does not say: it was always so."""
    kind = {"epochs": 1, "batch_size": 72, "warmup_epochs": 0.0, "precision": "fp32"}
    local = begin(store, batch_norm="local", **kind)
    older = store.create(Recipe(dataset="tiny", lr=0.02, **kind).complete())
    choice = {"kind": "choice", "time": 0, "device": "cpu,cpu", "precision": "fp32", "way": "eager", "reason": "so"}
    older.metrics_path.write_text(json.dumps(choice, separators=(",", ":")) + "\n")
    launch.start(older, device="cpu,cpu", sample_s=0)
    assert (end(local).status, end(older).status) == ("finished", "finished")
    own, synced = as_one_run(local), begin(store, **kind)
    assert as_one_run(older)[0][2][0] == pytest.approx(own[0][2][0], rel=1e-5)
    assert end(synced).status == "finished"
    assert as_one_run(synced)[0][2][0] != pytest.approx(own[0][2][0], rel=1e-4)
    known = local.choice("cpu,cpu")
    assert known is not None
    assert "statistics of each device's own images, as was asked for" in known.reason


def test_a_stop_is_heeded_at_the_same_step_by_all_and_any_number_of_devices_goes_on(store):
    run = begin(store)
    wait_for_step(run, STEPS + 3)
    rank(run, 1).send_signal(signal.SIGUSR1)  # one that is asked alone cannot stop alone
    info = end(run)
    assert (info.status, info.detail.partition(" at step ")[0]) == ("stopped", "by SIGUSR1")
    stopped_at = step_of(run.tail().step)
    assert f"at step {stopped_at}, checkpoint saved" in info.detail
    launch.start(run, device="cpu", sample_s=0)
    wait_for_step(run, 2 * STEPS + 2)
    assert launch.send(run, "stop")
    assert end(run).status == "stopped"
    again_at = step_of(run.tail().step)
    launch.start(run, device="cpu,cpu", sample_s=0)
    process = psutil.Process(run.launches()[-1].pid)
    process.send_signal(signal.SIGHUP)
    wait_for_running(run, 3)
    rank(run, 0).send_signal(signal.SIGHUP)
    assert end(run).status == "finished"
    assert [phase.step for phase in running(run)] == [0, stopped_at, again_at]
    steps, epochs = as_one_run(run)
    assert list(steps) == list(range(1, EPOCHS * STEPS + 1))
    assert list(epochs) == list(range(1, EPOCHS + 1))
    assert (report := run.test_report()) is not None
    assert report.images == 40


def test_a_stop_while_the_ranks_start_leaves_nothing(store):
    run = begin(store)
    process = psutil.Process(run.launches()[-1].pid)
    rank(run, 1)
    process.send_signal(signal.SIGTERM)
    info = end(run)
    assert (info.status, info.detail) == ("stopped", "when asked (SIGTERM) while tiny was prepared")


def test_a_rank_that_is_killed_is_started_again_until_there_is_no_checkpoint_in_between(store):
    run = begin(store, epochs=200, batch_size=4)  # epochs long enough to be killed in
    saved = 0
    for restarts in (1, 2):
        wait_for(lambda before=saved: saved_at(run) > before, what="another checkpoint")
        rank(run, 1).kill()
        wait_for_running(run, restarts + 1)
        saved = saved_at(run)
        assert running(run)[-1].step > 0
    assert [one.attempt for one in run.launches()] == [1, 2, 3]
    assert status.describe(run).status == "running"
    rank(run, 1).kill()
    info = end(run)
    assert info.status == "failed"
    assert info.detail == "rank 1 was ended by signal 9 (SIGKILL), again without a checkpoint in between"


def saved_at(run: Run) -> int:
    """When the last checkpoint was saved, 0 before there is one."""
    return run.last_path.stat().st_mtime_ns if run.last_path.exists() else 0


def test_the_first_rank_may_be_killed_too_and_the_run_reads_as_one(store):
    run = begin(store)
    wait_for_step(run, STEPS + 2)
    rank(run, 0).kill()
    assert end(run).status == "finished"
    steps, epochs = as_one_run(run)
    assert list(steps) == list(range(1, EPOCHS * STEPS + 1))
    assert list(epochs) == list(range(1, EPOCHS + 1))
    beginnings = [record for record in RecordTail(run).read() if isinstance(record, records.Phase)]
    assert "rank 0 was ended by signal 9 (SIGKILL); it begins again from the last checkpoint" in [
        phase.detail for phase in beginnings
    ]


def test_nobody_is_left_when_the_starter_is_killed_and_a_resume_begins_at_once(store):
    run = begin(store, epochs=200)
    wait_for_step(run, 2)
    ranks = [rank(run, number) for number in (0, 1)]
    ranks[1].suspend()
    assert launch.send(run, "kill")
    wait_for(lambda: status.describe(run).status == "lost", 5)
    launch.start(run, device="cpu,cpu", sample_s=0)
    for process in ranks:
        wait_for(lambda process=process: not alive(process), 5, "the end of a rank")
    wait_for_running(run, 2)
    assert len(list(run.path.glob(".scratch-*"))) == 1  # what the kill left of the first is swept
    launch.send(run, "stop")
    assert end(run).status == "stopped"
    assert not list(run.path.glob(".scratch-*"))


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_rank_that_is_suspended_fails_the_run_in_bounded_time(store):
    run = store.create(Recipe(dataset="tiny", epochs=200, batch_size=16).complete())
    argv = [sys.executable, "-m", "cockpit.engine", str(run.path), "train", "--device", "cpu,cpu", "--sample-s", "0"]
    process = subprocess.Popen([*argv, "--patience-s", "4"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_step(run, 2)
    rank(run, 1).suspend()
    info = end(run)
    process.wait()
    assert (info.status, info.detail) == ("failed", "rank 1 did not answer for 4 s")


def test_an_error_of_one_rank_is_the_runs_and_is_not_tried_again(store):
    run = begin(store, lr=1e9, warmup_epochs=0.0)
    info = end(run)
    assert info.status == "failed"
    assert info.detail.startswith("loss is NaN at step ")
    assert len(run.launches()) == 1


def test_want_of_memory_of_one_rank_is_the_runs_and_nothing_is_tried_again(store):
    run = begin(store, model="resnet18", epochs=200, batch_size=144)
    wait_for_running(run, 1)
    rank(run, 1).rlimit(psutil.RLIMIT_AS, (1 << 30, 1 << 30))  # less than it has: it gets nothing more
    info = end(run)
    assert info.status == "failed"
    assert info.detail == (
        "rank 1: out of memory with batch size 144 shared by cpu,cpu; start a new run with a smaller --batch-size, or "
        "on more devices"
    )
    assert len(run.launches()) == 1


def test_a_full_disk_fails_the_run_in_the_words_of_one_device(tmp_path, tiny):
    with mounted(tmp_path / "disk", size_bytes=8 << 20) as disk:
        run = begin(RunStore(disk / "runs"), epochs=2_000)
        wait_for(lambda: run.last_path.exists() and run.tail().epoch, what="the first epoch")
        fill(disk, but_bytes=0)
        info = end(run)
        assert info.status == "failed"
        assert "make room, then resume the run" in info.detail
        durable.read_checked(run.last_path)


@pytest.mark.gpu
@pytest.mark.skipif(not is_here("cuda:0,cuda:1"), reason="there are no two cards")
def test_two_cards_train_a_run(tmp_path, digits):
    """Not run yet on two cards by anybody: claim nothing of it."""
    run = RunStore(tmp_path / "runs").create(Recipe(model="resnet18", epochs=3).complete())
    launch.start(run, device="cuda:0,cuda:1")
    info = end(run)
    assert info.status == "finished", info.detail
    assert os.path.exists(run.best_path)
