"""Runs as jobs of a real Slurm: trained, queued, stopped, over their time limit, and never submitted twice."""

import json
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cluster import Cluster, job_of, jobs_of, now, submit
from test_life import STEPS, as_one_run, recipe, wait_for_end, wait_for_step
from waiting import wait_for

from cockpit import launch, places
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.jobs import JobInfo
from cockpit.store import Run, RunStore

TINY = ["--dataset", "tiny", "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--sample-s", "0"]


@pytest.fixture
def store(tmp_path, tiny):
    return RunStore(tmp_path / "runs")


def job_now(run: Run) -> JobInfo:
    job = now(run).job
    assert job is not None
    return job


def usr1_waits(pid: int) -> bool:
    """Whether USR1 was sent to a process that has not taken it yet."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(lines["SigPnd"], 16) | int(lines["ShdPnd"], 16)) >> (signal.SIGUSR1 - 1) & 1)


@pytest.mark.slow
def test_a_run_trains_in_a_job_and_its_folder_tells_everything(cluster, tmp_path, tiny, capsys):
    runs = tmp_path / "runs with 100% space"
    words = ["train", *TINY, "--where", "slurm", "--slurm", "time=10", "--slurm", "extra=--nice=5"]
    assert main([*words, "--json", "--runs", str(runs)]) == 0
    info = json.loads(capsys.readouterr().out)
    (run,) = RunStore(runs).list()
    (submission,) = run.submissions()
    (launched,) = run.launches()
    assert (info["status"], info["epoch"], info["job"]["id"]) == ("finished", 1, submission.job)
    assert launched.submission == submission.name
    assert submission.settings == {"time": "10", "extra": ["--nice=5"]}
    assert "finished: test top-1" in "\n".join(run.log_tail(9))
    script = run.job_script_path.read_text().splitlines()
    assert {"#SBATCH --requeue", "#SBATCH --time=10", "#SBATCH --nice=5"} <= set(script)
    assert stat.S_IMODE(run.job_script_path.stat().st_mode) == 0o644
    assert main(["runs", "show", "last", "--runs", str(runs)]) == 0
    assert f"job  {submission.job}" in capsys.readouterr().out
    with pytest.raises(CockpitError, match="is finished"):
        submit(run)


@pytest.mark.slow
def test_the_users_command_runs_at_the_end_of_a_job_but_not_when_it_only_queues_again(
    cluster, store, tmp_path, monkeypatch
):
    config = tmp_path / "config.toml"
    config.write_text("[notify]\ncommand = 'sleep 2; echo $COCKPIT_STATUS $COCKPIT_EPOCH'\n")
    monkeypatch.setenv("COCKPIT_CONFIG", str(config))
    run = store.create(recipe(epochs=100))
    submit(run)
    wait_for_step(run, 3)
    trainer = psutil.Process(run.launches()[-1].pid)
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))  # as before a time limit
    wait_for(lambda: not trainer.is_running(), what="the trainer's end")
    assert not run.notify_log_path.exists()
    places.send(run, "kill")
    wait_for(lambda: cluster.jobs("RUNNING", "COMPLETING", "PENDING") == [], what="the job's end")
    done = store.create(recipe(epochs=1))
    submit(done)
    wait_for_end(done)
    wait_for(done.notify_log_path.exists, what="the command's output")
    assert done.notify_log_path.read_text().endswith("\nfinished 1\n")


def test_a_script_can_be_seen_before_anything_is_made(cluster, tmp_path, capsys):
    assert main(["train", "--where", "slurm", "--print-script", "--runs", str(tmp_path / "runs")]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#!/bin/bash\n#SBATCH --signal=B:USR1@120\n")
    assert "cockpit.engine" in script
    assert not (tmp_path / "runs").exists()
    assert cluster.jobs("PENDING", "RUNNING") == []


@pytest.mark.slow
def test_a_waiting_job_says_why_and_is_cancelled_by_a_stop(full, store, capsys):
    run = store.create(recipe())
    submit(run)
    wait_for(lambda: job_now(run).reason, what="Slurm's reason")
    info = now(run)
    assert info.status == "pending"
    assert info.detail in (f"job {job_of(run)} waits in Slurm ({reason})" for reason in ("Resources", "Priority"))
    for words in (["resume", run.id], ["runs", "rm", run.id]):
        assert main([*words, "--runs", str(store.root)]) == 2
        assert "is pending" in capsys.readouterr().err
    with pytest.raises(CockpitError, match=r"is pending, .*; nothing was submitted"):
        submit(run)
    assert len(jobs_of(full, run)) == 1
    watch = [sys.executable, "-m", "cockpit", "watch", run.id, "--runs", str(store.root)]
    watcher = subprocess.Popen(watch, stderr=subprocess.PIPE, text=True)
    assert watcher.stderr is not None
    assert watcher.stderr.readline().startswith(f"pending: job {job_of(run)} waits in Slurm (")
    assert main(["stop", run.id, "--runs", str(store.root)]) == 0
    assert watcher.wait(20) == 1
    assert now(run).status == "stopped"
    assert now(run).detail == f"job {job_of(run)} was cancelled before the trainer began"
    assert not places.send(run, "stop")
    assert (
        main(["resume", run.id, "--detach", "--runs", str(store.root)]) == 0
    )  # goes where it was, asking for the same
    assert run.submissions()[-1].settings == {"time": "60"}
    assert len(full.jobs("PENDING")) == 1
    places.send(run, "kill")
    wait_for(lambda: now(run).status == "stopped")


@pytest.mark.slow
def test_a_stop_keeps_every_step_and_the_job_does_not_queue_again(cluster, store):
    run = store.create(recipe(epochs=200))
    submit(run)
    wait_for_step(run, 3)
    wait_for(lambda: now(run).status == "running")
    job = job_now(run)
    assert (job.state, job.node) == ("RUNNING", cluster.host)
    assert re.match(rf"job {job.id} on {job.node}, \d+ min · cpu, ", now(run).detail)
    trainer = psutil.Process(run.launches()[-1].pid)
    trainer.suspend()
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))  # as before a time limit
    wait_for(lambda: usr1_waits(trainer.pid), what="the warning")
    assert places.send(run, "stop")
    trainer.resume()
    ended = wait_for_end(run)
    assert ended.status == "stopped"
    assert "checkpoint saved" in ended.detail
    wait_for(lambda: cluster.jobs("RUNNING", "COMPLETING") == [], what="the job's end")
    assert cluster.jobs("PENDING") == []
    assert now(run).status == "stopped"
    stopped_at = run.tail().phase.step
    places.start(run, places.place_of(run), device="cpu", sample_s=0)
    wait_for_step(run, stopped_at + 2)
    assert [one.attempt for one in run.launches()] == [1, 2]
    places.send(run, "stop")
    assert wait_for_end(run).status == "stopped"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny):
    run = RunStore(tmp_path_factory.mktemp("runs")).create(recipe())
    launch.start(run, device="cpu", sample_s=0)
    wait_for_end(run)
    return run


def outlive_the_limit(cluster: Cluster, run: Run, attempt: int) -> None:
    """Have the job of a run that was submitted with `warn_s=100` reach its time limit, queue again and begin again."""
    wait_for_step(run, attempt * STEPS + 3)
    process = psutil.Process(run.launches()[-1].pid)
    processes = [process, *process.children()]
    for one in processes:
        one.suspend()  # or it would be done before Slurm looks at the limits, which it does twice a minute
    minutes = int((job_now(run).elapsed_s or 0.0) // 60) + 2
    cluster.run("scontrol", "update", f"JobId={job_of(run)}", f"TimeLimit={minutes}")
    wait_for(lambda: usr1_waits(process.pid), 90, "Slurm's warning")
    assert now(run).status == "stale"
    for one in processes:
        one.resume()
    begin_again(cluster, run, attempt + 1)


def begin_again(cluster: Cluster, run: Run, attempt: int) -> None:
    """Wait until a job that was warned of its limit queues again, and have it begin as this attempt of the run."""
    wait_for(lambda: "BeginTime" in now(run).detail, what="the job in the queue again")
    info = now(run)
    assert info.status == "pending"
    assert "by SIGUSR1 at step" in info.detail
    assert "checkpoint saved" in info.detail

    # Slurm makes it wait two minutes once it has left its node, which refuses a job that begins in the very
    # second of its end ("Job credential revoked").
    wait_for(cluster.is_idle, what="the job off its node")
    left = time.monotonic()
    wait_for(lambda: time.monotonic() > left + 2)

    def begins_again() -> bool:
        cluster.run("scontrol", "update", f"JobId={job_of(run)}", "TimeLimit=60", "StartTime=now")
        return len(run.launches()) == attempt

    wait_for(begins_again, what="the next launch", every_s=1.0)


@pytest.mark.slow
def test_a_run_that_outlives_its_time_limit_twice_has_the_uninterrupted_losses(cluster, store, uninterrupted):
    run = store.create(recipe())
    submit(run, "warn_s=100")
    for attempt in (1, 2):
        outlive_the_limit(cluster, run, attempt)
    assert wait_for_end(run).status == "finished"
    assert [one.attempt for one in run.launches()] == [1, 2, 3]
    assert len(run.submissions()) == 1
    assert as_one_run(run) == as_one_run(uninterrupted)
    assert run.test_report().loss == uninterrupted.test_report().loss


@pytest.mark.slow
def test_a_job_of_two_devices_that_outlives_its_time_limit_has_the_losses_of_one_device(cluster, store):
    kind = {"model": "vit_xs", "epochs": 3, "precision": "fp32"}  # no batch norm, which makes much of rounding
    alone, run = (store.create(recipe(**kind)) for _ in range(2))
    submit(run, "warn_s=100", "cpus=2", device="cpu,cpu")
    outlive_the_limit(cluster, run, 1)
    launch.start(alone, device="cpu", sample_s=0)
    assert (wait_for_end(run).status, wait_for_end(alone).status) == ("finished", "finished")
    assert [one.device for one in run.launches()] == ["cpu,cpu", "cpu,cpu"]
    for shared, single in zip(as_one_run(run), as_one_run(alone), strict=True):
        assert list(shared) == list(single)
        for number, values in single.items():
            assert shared[number] == pytest.approx(values, rel=1e-3, abs=1e-6)


def test_a_limit_that_leaves_no_time_for_a_step_does_not_queue_for_ever(cluster, store):
    run = store.create(recipe())
    submit(run)
    trainer = psutil.Process(wait_for(run.launches)[-1].pid)
    trainer.suspend()
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))
    wait_for(lambda: usr1_waits(trainer.pid), what="the warning")
    trainer.resume()
    wait_for(lambda: now(run).status == "stopped", what="the end")
    assert not run.last_path.exists()
    assert cluster.jobs("PENDING", "RUNNING") == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["partition=nowhere"], "Slurm refuses the job: invalid partition specified: nowhere"),
        (["time=soon"], "Invalid --time specification"),
        (["mem=1T"], "Memory specification can not be satisfied"),
        (["extra=--no-such-option"], "unrecognized option '--no-such-option'"),
    ],
)
def test_what_slurm_refuses_is_one_sentence_and_leaves_nothing(cluster, store, capsys, flags, sentence):
    words = [word for flag in flags for word in ("--slurm", flag)]
    assert main(["train", *TINY, "--where", "slurm", *words, "--runs", str(store.root)]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert "--slurm KEY=VALUE" in err
    assert err.count("\n") == 1
    assert store.list() == []
    assert cluster.jobs("PENDING", "RUNNING") == []


def test_a_job_that_slurm_begins_after_its_run_moved_on_does_nothing(full, store):
    run = store.create(recipe())
    submit(run)
    run.turn_path.write_text("another\n")
    ghost = job_of(run)
    full.run("scancel", "--name=blocker")
    wait_for(lambda: ghost in full.run("squeue", "--noheader", "--states=COMPLETED", "--format=%i").split())
    assert run.launches() == []
    assert "has no turn any more" in run.log_tail(1)[0]
