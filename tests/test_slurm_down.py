"""A real Slurm that is down, silent, cut off or forgetful at each moment of a job: no run ever gets two."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cluster import job_of, jobs_of, now, submit
from test_life import recipe, wait_for_end, wait_for_step
from test_slurm import TINY
from waiting import wait_for

from cockpit import places, slurm, status
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.store import Run, RunBusyError, RunStore


@pytest.fixture
def store(tmp_path, tiny):
    return RunStore(tmp_path / "runs")


def test_an_sbatch_that_hangs_is_ended_and_refused(cluster, store, fake, monkeypatch):
    fake("sbatch", f"echo $$ > {store.root}/pid; sleep 600")
    monkeypatch.setattr(slurm, "_PATIENCE_S", 0.5)
    run = store.create(recipe())
    with pytest.raises(CockpitError, match=r"sbatch did not end within 0\.5 s"):
        submit(run)
    assert not psutil.pid_exists(int((store.root / "pid").read_text()))
    assert now(run).status == "created"
    assert cluster.jobs("PENDING", "RUNNING") == []


def test_a_submitter_killed_before_slurm_knew_leaves_a_run_that_can_be_submitted(full, store, fake):
    wrapper = fake("sbatch", "touch $0.began; sleep 600")
    run = store.create(recipe())
    cockpit = _resume_elsewhere(run)
    wait_for(Path(f"{wrapper}.began").exists)
    cockpit.kill()
    cockpit.wait()
    with pytest.raises(RunBusyError, match="just being submitted"):
        submit(run)
    _kill_sbatch(wrapper)
    assert now(run).status == "created"
    assert "Slurm has no job of it; resume submits it" in now(run).detail
    wrapper.unlink()
    submit(run)
    assert len(jobs_of(full, run)) == 1
    assert now(run).status == "pending"


def test_a_submitter_killed_before_it_knew_is_told_by_the_name_of_the_job(full, store, fake):
    wrapper = fake("sbatch", '"$REAL" "$@"; sleep 600')
    run = store.create(recipe())
    cockpit = _resume_elsewhere(run)
    wait_for(lambda: jobs_of(full, run), what="the job")
    cockpit.kill()
    cockpit.wait()
    assert job_of(run) == ""
    assert now(run).status == "pending"
    with pytest.raises(RunBusyError):
        submit(run)
    _kill_sbatch(wrapper)
    wrapper.unlink()
    with pytest.raises(CockpitError, match=r"is pending, job .* waits in Slurm .*; nothing was submitted"):
        submit(run)
    assert len(jobs_of(full, run)) == 1
    assert places.send(run, "stop")
    wait_for(lambda: now(run).status == "stopped")


def _resume_elsewhere(run: Run) -> subprocess.Popen[bytes]:
    words = ["resume", run.id, "--where", "slurm", "--device", "cpu", "--detach", "--runs", str(run.path.parent)]
    return subprocess.Popen([sys.executable, "-m", "cockpit", *words])


def _kill_sbatch(wrapper: Path) -> None:
    """End the fake sbatch, which outlived its cockpit, and wait until its lock is free."""
    for process in psutil.process_iter(["cmdline"]):
        if str(wrapper) in (process.info["cmdline"] or []):
            os.killpg(process.pid, signal.SIGKILL)
            psutil.wait_procs([process], 10)


@pytest.mark.slow
def test_a_controller_that_falls_silent_gets_the_job_once(full, store, fake, capsys):
    fake("sbatch", f'kill -STOP {full.controller_pid}; exec "$REAL" "$@"')
    try:
        words = ["train", *TINY, "--where", "slurm", "--slurm", "time=60", "--detach", "--runs", str(store.root)]
        assert main(words) == 2
        assert "whether it has the job is not known; the run is kept" in capsys.readouterr().err
        (run,) = store.list()
        assert now(run).status == "unknown"
        with pytest.raises(CockpitError, match=r"Slurm does not answer: .*; nothing was submitted"):
            submit(run)
    finally:
        full.thaw_controller()
    wait_for(lambda: jobs_of(full, run), what="the job that was taken after all")
    wait_for(lambda: now(run).status == "pending")
    with pytest.raises(CockpitError, match="is pending"):
        submit(run)
    assert len(jobs_of(full, run)) == 1


@pytest.mark.slow
def test_while_slurm_is_down_nothing_is_lost_and_nothing_submitted(cluster, store, capsys):
    run = store.create(recipe(epochs=500))
    submit(run)
    wait_for_step(run, 3)
    cluster.stop_controller()
    try:
        info = now(run)
        assert info.status in ("running", "unknown")  # a first answer is not waited for longer than two seconds
        wait_for(lambda: "Slurm does not answer" in status.describe(run).detail, what="squeue to give up")
        info = status.describe(run)
        assert info.status == "running"
        with pytest.raises(CockpitError, match=r"Slurm does not answer: .*; nothing was submitted"):
            submit(run)
        assert main(["train", *TINY, "--where", "slurm", "--runs", str(store.root)]) == 2
        assert "; nothing was submitted" in capsys.readouterr().err
        assert [one.id for one in store.list()] == [run.id]
        psutil.Process(run.launches()[-1].pid).kill()
        wait_for(lambda: status.describe(run).status == "unknown", what="a run of which nothing is known")
        assert "Slurm does not answer" in status.describe(run).detail
        with pytest.raises(CockpitError, match=r"was not told to stop .*; it will not begin or queue again"):
            places.send(run, "stop")
    finally:
        cluster.start_controller()
    wait_for(lambda: now(run).status == "failed", what="Slurm's word on the job")
    assert "failed (NonZeroExitCode): it is gone without a word while training" in now(run).detail
    assert len(jobs_of(cluster, run)) == 1
    submit(run)
    wait_for(lambda: len(run.launches()) == 2, what="the resume")
    places.send(run, "kill")
    wait_for_end(run)


def test_a_controller_that_ends_before_it_answers_has_the_job_once(full, store, fake, capsys):
    pid = full.controller_pid
    fake(
        "sbatch",
        f'"$REAL" "$@" >/dev/null; kill {pid}; until grep -q ") Z" /proc/{pid}/stat; do sleep 0.05; done; exit 1',
    )
    words = ["train", *TINY, "--where", "slurm", "--slurm", "time=60", "--detach", "--runs", str(store.root)]
    try:
        assert main(words) == 2
        assert "whether it has the job is not known; the run is kept" in capsys.readouterr().err
        (run,) = store.list()
        assert job_of(run) == ""
        assert now(run).status == "unknown"
    finally:
        full.stop_controller()
        full.start_controller()
    wait_for(lambda: now(run).status == "pending", what="the job by its name")
    with pytest.raises(CockpitError, match="is pending"):
        submit(run)
    assert len(jobs_of(full, run)) == 1
    assert places.send(run, "stop")
    assert now(run).status == "stopped"


@pytest.mark.slow
def test_a_job_that_waits_while_slurm_is_down_waits_on_and_is_submitted_again_if_forgotten(full, store, capsys):
    run = store.create(recipe(epochs=500))
    submit(run)
    full.stop_controller()
    try:
        assert main(["resume", run.id, "--runs", str(store.root)]) == 2
        err = capsys.readouterr().err
        assert f"run {run.id} is unknown: Slurm " in err
        assert f"`cockpit resume {run.id} --where local --force` takes the run over" in err
        wait_for(lambda: "Slurm does not answer" in status.describe(run).detail, what="squeue to give up")
        assert status.describe(run).status == "unknown"
        assert f"so what job {job_of(run)} does is not known" in status.describe(run).detail
    finally:
        full.start_controller()
    wait_for(lambda: now(run).status == "pending")
    assert len(jobs_of(full, run)) == 1
    full.stop_controller()
    full.start_controller(afresh=True)
    wait_for(lambda: now(run).status == "lost", what="a job that Slurm does not list, though it had time to")
    assert now(run).detail == f"Slurm has no job {job_of(run)} any more, and it never began; resume submits it again"
    submit(run)
    assert len(jobs_of(full, run)) == 1
    assert places.send(run, "kill")
    wait_for_end(run)


@pytest.mark.slow
def test_a_job_that_slurm_forgets_while_it_runs_leaves_a_run_to_resume(cluster, store):
    run = store.create(recipe(epochs=500))
    submit(run)
    wait_for_step(run, 3)
    cluster.stop_controller()
    cluster.start_controller(afresh=True)  # the node is told to end what the controller does not know
    ended = wait_for_end(run)
    assert ended.status in ("stopped", "lost")
    assert jobs_of(cluster, run) == []
    submit(run)
    wait_for(lambda: len(run.launches()) == 2, what="the resume")
    assert len(jobs_of(cluster, run)) == 1
    places.send(run, "kill")
    wait_for_end(run)
