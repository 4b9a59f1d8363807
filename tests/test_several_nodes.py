"""One run on several nodes: jobs of a real Slurm, and process trees of this machine that stand for nodes. All slow."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from cluster import job_of, now, submit
from test_life import STEPS, as_one_run, recipe, wait_for_step
from test_several_devices import alive, end, running, step_of, wait_for_running
from test_slurm import begin_again
from waiting import wait_for

from cockpit import launch, places, records, status
from cockpit.cli import main
from cockpit.store import RecordTail, Run, RunStore

pytestmark = pytest.mark.slow
KIND = {"model": "vit_xs", "batch_size": 15, "precision": "fp32", "warmup_epochs": 0.0}
"""A network without batch norm, whose losses are those of one process; 15 images are 7 and 8."""


@pytest.fixture
def store(tmp_path, tiny) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def begin(store) -> Iterator[Callable[..., Run]]:
    """A function (words of the trainer, changes of the recipe) that starts a run on two nodes, a rank each."""
    processes = []

    def start(*words: str, **changes) -> Run:
        run = store.create(recipe(**{"model": "vit_xs"} | changes))
        argv = [sys.executable, "-m", "cockpit.engine", str(run.path), "train", "--device", "cpu", "--nodes", "2"]
        with open(run.log_path, "wb") as log:
            processes.append(subprocess.Popen([*argv, "--sample-s", "0", *words], stdout=log, stderr=log))
        wait_for(run.launches, what="the launch")
        return run

    yield start
    for process in processes:
        process.kill()
        process.wait()


def processes_of(run: Run) -> list[psutil.Process]:
    """All processes that have to do with a run, on any node."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(run.path.resolve()) in process.cmdline() and alive(process):
                found.append(process)
    return found


def find(run: Run, verb: str, number: int) -> psutil.Process:
    """Return the process of a node or of a rank, once it is there."""

    def look() -> psutil.Process | None:
        for process in processes_of(run):
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if (
                    "python" in words[0]
                    and verb in words
                    and (verb == "node" or process.environ().get("RANK") == str(number))
                ):
                    return process
        return None

    process = wait_for(look, what=f"{verb} {number}")
    assert process is not None
    return process


def details(run: Run) -> list[str]:
    return [record.detail for record in RecordTail(run).read() if isinstance(record, records.Phase)]


def test_two_nodes_of_a_job_give_the_losses_of_one_process_also_when_one_goes_on_alone(cluster, store, capsys):
    alone, run = (store.create(recipe(epochs=2, **KIND)) for _ in range(2))
    launch.start(alone, device="cpu", sample_s=0)
    submit(run, "partition=pair", "nodes=2")
    wait_for_step(run, 3)
    wait_for(lambda: now(run).status == "running")
    job = now(run).job
    assert job is not None
    assert job.node == "n[1-2]"
    assert main(["runs", "show", run.id, "--runs", str(store.root)]) == 0
    assert f"job  {job_of(run)} on n[1-2], RUNNING" in capsys.readouterr().out
    assert {process.environ()["SLURMD_NODENAME"] for process in processes_of(run)} == {"n1", "n2"}
    assert places.send(run, "stop")
    info = end(run)
    assert (info.status, info.detail.partition(" at step ")[0]) == ("stopped", "when asked (SIGTERM)")
    wait_for(lambda: not processes_of(run), what="the end of all processes")
    wait_for(cluster.is_idle, what="the job's end")
    places.start(run, "local", device="cpu", sample_s=0)
    assert (end(alone).status, end(run).status) == ("finished", "finished")
    (steps, epochs), (shared_steps, shared_epochs) = as_one_run(alone), as_one_run(run)
    assert list(shared_steps) == list(steps)
    for step, (loss, acc, lr, epoch) in steps.items():
        assert shared_steps[step] == (pytest.approx(loss, rel=1e-3), pytest.approx(acc, abs=1e-6), lr, epoch)
    for number, epoch in epochs.items():
        assert shared_epochs[number] == pytest.approx(epoch, rel=1e-3)


def test_a_job_of_two_nodes_outlives_a_killed_rank_a_killed_node_and_its_time_limit(cluster, store):
    run = store.create(recipe(model="vit_xs", epochs=200))
    submit(run, "partition=pair", "nodes=2", "cpus=2", device="cpu,cpu")
    wait_for_step(run, STEPS + 2)
    find(run, "rank", 3).kill()
    wait_for_running(run, 2)
    assert "rank 3 on n2 was ended by signal 9 (SIGKILL); it begins again from the last checkpoint" in details(run)
    checkpoint = run.last_path.stat().st_mtime_ns
    wait_for(lambda: run.last_path.stat().st_mtime_ns > checkpoint, what="another checkpoint")
    find(run, "node", 1).kill()
    wait_for_running(run, 3)
    assert "the process on n2 ended (exit code 137); it begins again from the last checkpoint" in details(run)
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))  # as before a time limit
    begin_again(cluster, run, 4)
    wait_for_running(run, 4)
    wait_for_step(run, running(run)[-1].step + 2)
    assert places.send(run, "stop")
    assert end(run).status == "stopped"
    steps = as_one_run(run)[0]
    assert list(steps) == list(range(1, step_of(run.tail().step) + 1))
    wait_for(lambda: not processes_of(run), what="the end of all processes")
    wait_for(cluster.is_idle, what="the job's end")


def test_a_node_that_is_gone_is_begun_again_with_and_the_second_time_without_a_checkpoint_the_run_fails(begin):
    run = begin(epochs=200)
    wait_for_step(run, 2)
    find(run, "node", 1).kill()
    wait_for_running(run, 2)
    find(run, "node", 1).kill()
    info = end(run)
    assert (info.status, info.detail) == (
        "failed",
        "the process on node 1 ended (signal 9), again without a checkpoint in between",
    )
    assert len(run.launches()) == 2
    wait_for(lambda: not processes_of(run), what="the end of all processes")


def test_batch_norm_of_two_nodes_takes_its_statistics_of_the_whole_batch(begin, store):
    kind = {"model": "resnet20", "epochs": 1, "batch_size": 71, "precision": "fp32", "lr": 0.002, "warmup_epochs": 0.0}
    run, alone = begin(**kind), store.create(recipe(**kind))
    launch.start(alone, device="cpu", sample_s=0)
    assert (end(alone).status, end(run).status) == ("finished", "finished")
    (steps, epochs), (shared_steps, shared_epochs) = as_one_run(alone), as_one_run(run)
    assert list(shared_steps) == [1, 2, 3]
    for step, (loss, acc, lr, epoch) in steps.items():
        assert shared_steps[step] == (pytest.approx(loss, rel=3e-4), pytest.approx(acc, abs=1e-6), lr, epoch)
    assert shared_epochs[1] == pytest.approx(epochs[1], rel=3e-4)


def test_nothing_is_left_on_any_node_when_the_first_ones_process_is_killed(begin):
    run = begin(epochs=200)
    wait_for_step(run, 2)
    assert len(processes_of(run)) == 4
    os.kill(run.launches()[-1].pid, 9)
    wait_for(lambda: not processes_of(run), what="the end of all processes")
    assert status.describe(run).status == "lost"


def test_a_rank_of_the_second_node_that_hangs_fails_the_run_in_bounded_time(begin):
    run = begin("--patience-s", "4", epochs=200)
    wait_for_step(run, 2)
    find(run, "rank", 1).suspend()
    info = end(run)
    assert (info.status, info.detail) == ("failed", "rank 1 on node 1 did not answer for 4 s")
    wait_for(lambda: not processes_of(run), what="the end of all processes")


def test_a_stop_before_the_other_node_is_there_needs_not_wait_for_it(begin):
    run = begin(epochs=200)
    node = find(run, "node", 1)
    node.suspend()
    launch.send(run, "stop")
    info = end(run)
    assert (info.status, info.detail) == ("stopped", "when asked (SIGTERM) before the first step")
    wait_for(lambda: not processes_of(run), what="the end of all processes")
    assert running(run) == []
