"""What a run in Slurm is said to be: every state of its job beside every state of its folder."""

import os
import time

import msgspec
import psutil
import pytest
from test_status import launch_of, say

from cockpit import launch, liveness, places, records, status
from cockpit.cli import main
from cockpit.dispatch import order
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tui.watch import RunsReader

NAME = "a-run.1-abc"
USR1 = "by SIGUSR1 at step 9, checkpoint saved"


@pytest.fixture
def run(tmp_path, data_dir):
    return RunStore(tmp_path / "runs").create(Recipe().complete())


def submitted(run: Run, *, turn: bool = True, **changes) -> None:
    made = records.Submission(
        name=NAME, time=time.time() - 3600, host="login", uid=os.getuid(), launches=0, device="auto", job="17"
    )
    run.append_submission(msgspec.structs.replace(made, **changes))
    if turn:
        run.turn_path.write_text(f"{NAME}\n")


def begun(run: Run, state: str = "", detail: str = "", **changes) -> None:
    """A launch by the job, in another host's process unless told otherwise, and its last word."""
    run.append_launch(launch_of(psutil.Process(), **{"host": "node01", "submission": NAME} | changes))
    if state:
        say(run, state, detail)


def squeue(fake, state: str, reason: str = "None", node: str = "node01") -> None:
    fake("squeue", f"echo '17|{state}|{reason}|{node}|12:34|{NAME}'")


@pytest.mark.parametrize(
    ("state", "reason", "expected", "detail"),
    [
        ("PENDING", "Resources", "pending", "job 17 waits in Slurm (Resources)"),
        ("CONFIGURING", "None", "pending", "job 17 waits in Slurm (CONFIGURING)"),
        ("RUNNING", "None", "starting", "job 17 on node01, 12 min: the trainer starts"),
        ("A_STATE_OF_TOMORROW", "None", "starting", "job 17 on node01 is A_STATE_OF_TOMORROW, 12 min"),
        ("CANCELLED", "None", "stopped", "job 17 was cancelled before the trainer began"),
        ("FAILED", "NonZeroExitCode", "failed", "job 17 failed (NonZeroExitCode) before the trainer began"),
        ("BOOT_FAIL", "None", "failed", "job 17 did not get its node to boot before the trainer began"),
    ],
)
def test_a_job_that_has_not_begun_to_train(fake, run, state, reason, expected, detail):
    submitted(run)
    squeue(fake, state, reason)
    info = status.describe(run)
    assert info.status == expected
    assert info.detail.startswith(detail)
    assert info.job is not None
    assert info.job.id == "17"


@pytest.mark.parametrize(
    ("state", "last_word", "expected", "detail"),
    [
        ("RUNNING", ("running", "cpu, fp32"), "running", "job 17 on node01, 12 min · cpu, fp32"),
        ("SUSPENDED", ("running", "cpu"), "running", "job 17 on node01 is SUSPENDED, 12 min · cpu"),
        ("RUNNING", ("stopped", USR1), "starting", "job 17 on node01, 12 min · the trainer ends or begins again"),
        ("COMPLETING", ("stopped", USR1), "pending", f"job 17 ends · {USR1}"),
        ("PENDING", ("stopped", USR1), "pending", f"job 17 waits in Slurm (BeginTime); {USR1}"),
        ("PENDING", ("running", "cpu"), "pending", "job 17 waits in Slurm (BeginTime)"),  # its node was lost
        ("COMPLETED", ("stopped", USR1), "stopped", USR1),
        ("TIMEOUT", ("stopped", "by SIGTERM"), "stopped", "by SIGTERM · job 17 reached its time limit"),
        ("COMPLETED", ("running", "cpu"), "running", "job 17 ended · cpu"),  # its last word may be on its way
        ("RUNNING", ("finished", "test"), "finished", "test"),
        ("FAILED", ("failed", "loss is NaN"), "failed", "loss is NaN"),
    ],
)
def test_a_job_that_trained(fake, run, state, last_word, expected, detail):
    submitted(run)
    begun(run, *last_word)
    squeue(fake, state, "BeginTime")
    info = status.describe(run)
    assert (info.status, info.detail) == (expected, detail)


@pytest.mark.parametrize(
    ("state", "expected", "detail"),
    [
        ("TIMEOUT", "failed", "job 17 reached its time limit, and its trainer left no last word"),
        ("NODE_FAIL", "failed", "job 17 lost its node"),
        ("OUT_OF_MEMORY", "failed", "job 17 ran out of the node's memory; ask for more with --slurm mem=SIZE"),
        ("PREEMPTED", "failed", "job 17 had to make room"),
        ("CANCELLED", "lost", "job 17 was cancelled, and its trainer left no last word"),
        ("RUNNING", "stale", "job 17 on node01, 12 min"),
        ("PENDING", "pending", "job 17 waits in Slurm"),
    ],
)
def test_a_trainer_that_fell_silent(fake, run, state, expected, detail):
    submitted(run)
    begun(run, "running")
    os.utime(run.metrics_path, (1, 1))
    squeue(fake, state)
    info = status.describe(run)
    assert info.status == expected
    assert info.detail.startswith(detail)


@pytest.mark.parametrize(
    ("last_word", "own_host", "expected"),
    [
        (None, False, "unknown"),
        (("running", "cpu"), False, "running"),
        (("running", "cpu"), True, "unknown"),
        (("stopped", USR1), False, "unknown"),
        (("finished", "test"), False, "finished"),
        (("failed", "loss is NaN"), False, "failed"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_silent_slurm_proves_nothing(fake, run, last_word, own_host, expected):
    submitted(run)
    if last_word:  # on its own host the process is gone
        begun(run, *last_word, **({"host": liveness.host_name(), "pid": 2**22 + 1} if own_host else {}))
    fake("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    info = status.describe(run)
    assert info.status == expected
    if expected in ("unknown", "running"):
        assert "Slurm does not answer: Unable to contact slurm controller" in info.detail


def test_a_run_of_which_nothing_is_known_is_taken_over_only_when_somebody_says_so(fake, run):
    fake("squeue", "exit 1")
    submitted(run)
    with pytest.raises(
        CockpitError, match=rf"is unknown: Slurm does not answer.*`cockpit resume {run.id} --where local --force`"
    ):
        places.check_resumable(run)
    places.check_resumable(run, force=True)
    begun(run, "stopped", USR1)
    with pytest.raises(CockpitError, match="is unknown"):
        launch.start(run, device="cpu")


@pytest.mark.parametrize("force", [False, True])
def test_a_silent_trainer_whose_job_goes_on_is_not_taken_over(fake, run, force):
    submitted(run)
    begun(run, "running")
    os.utime(run.metrics_path, (1, 1))
    squeue(fake, "RUNNING")
    with pytest.raises(CockpitError, match=rf"is stale: job 17 on node01, .*; `cockpit stop {run.id}` ends its job"):
        places.start(run, "local", device="cpu", force=force)
    assert run.turn() == NAME


def test_a_run_that_is_just_being_submitted_says_so(fake, run):
    fake("squeue", "exit 0")
    submitted(run, job="")
    assert "Slurm has no job of it; resume submits it" in status.describe(run).detail
    with run.submitting():
        assert (status.describe(run).status, status.describe(run).detail) == (
            "pending",
            "it is being submitted to Slurm",
        )
    assert status.describe(run).status == "created"


def test_a_job_that_slurm_forgot(fake, run):
    fake("squeue", "exit 0")
    submitted(run)
    assert status.describe(run).status == "lost"
    assert "it never began; resume submits it again" in status.describe(run).detail
    run.turn_path.unlink()
    assert status.describe(run).detail == "job 17 was cancelled before it began"
    begun(run, "running")
    assert status.describe(run).status == "running"  # its folder grows
    say(run, "stopped", USR1)
    assert status.describe(run).status == "stopped"


def test_a_silent_trainer_whose_job_slurm_forgot_is_lost(fake, run):
    fake("squeue", "exit 0")
    submitted(run)
    begun(run, "running")
    os.utime(run.metrics_path, (1, 1))
    assert status.describe(run).status == "lost"
    assert "its trainer left no last word; resume continues it" in status.describe(run).detail


def test_a_job_that_is_too_new_for_the_last_answer_is_not_lost(fake, run):
    fake("squeue", "exit 0")
    submitted(run, time=time.time())
    assert status.describe(run).status == "pending"
    assert status.describe(run).detail == "job 17 is submitted"


def test_a_stop_counts_at_once(fake, run):
    squeue(fake, "RUNNING")
    submitted(run, turn=False)
    begun(run, "stopped", "by SIGTERM at step 9, checkpoint saved")
    assert status.describe(run).status == "stopped"


def test_a_run_that_went_on_without_slurm_is_judged_without_it(fake, run):
    fake("squeue", "exit 1")
    submitted(run)
    begun(run, "stopped", "by SIGTERM")
    run.append_launch(launch_of(psutil.Process(), attempt=2))
    say(run, "running", attempt=2)
    info = status.describe(run)
    assert (info.status, info.job, places.place_of(run)) == ("running", None, "local")


def test_a_refused_submission_changes_nothing(fake, run):
    fake("squeue", "exit 1")
    submitted(run, job="", refused="Invalid partition")
    assert status.describe(run).status == "created"


def test_a_copied_folder_is_read_where_there_is_no_slurm(run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    submitted(run)
    begun(run, "stopped", USR1)
    assert (status.describe(run).status, status.describe(run).detail) == ("stopped", USR1)


def test_another_users_job_is_not_looked_for_among_ones_own(fake, run):
    fake("squeue", "exit 0")
    submitted(run, uid=os.getuid() + 1)
    info = status.describe(run)
    assert info.status == "unknown"
    assert "another user's" in info.detail


def test_many_runs_cost_one_question(fake, run, tmp_path, capsys):
    asked = tmp_path / "asked"
    fake("squeue", f"echo >> {asked}; echo '17|PENDING|Priority||0:00|{NAME}'")
    for _ in range(20):
        submitted(RunStore(run.path.parent).create(Recipe().complete()))
    assert main(["runs", "--runs", str(run.path.parent)]) == 0
    out = capsys.readouterr().out
    assert out.count("17, PENDING (Priority)") == 20
    assert asked.read_text() == "\n"


@pytest.mark.parametrize("junk", [b"", b"\x00" * 100, b"{", b"[]\n", b"\xff\xfe\n"])
@pytest.mark.parametrize("name", ["submissions.jsonl", ".turn"])
def test_a_damaged_folder_gives_a_row(fake, run, name, junk):
    squeue(fake, "PENDING")
    submitted(run)
    (run.path / name).write_bytes(junk)
    info = status.describe(run)
    if name == ".turn":
        assert info.status == "pending"
    elif junk.endswith(b"\n"):  # what stood there may be a job, so nothing is submitted
        assert (info.status, info.job) == ("damaged", None)
        assert info.detail.startswith("submissions.jsonl is damaged: no line of it is a submission")
        with pytest.raises(CockpitError, match="is damaged"):
            places.check_resumable(run)
    else:  # a torn line was written before Slurm was asked
        assert info.status == "created"


def test_a_run_that_waits_in_the_queue_leaves_it_for_slurm(fake, run, capsys):
    fake("sbatch", "echo 17")
    squeue(fake, "PENDING")
    store = RunStore(run.path.parent)
    order.enqueue_again(store, run, device="cpu")
    assert main(["resume", run.id, "--where", "slurm", "--device", "cpu", "--detach", "--runs", str(store.root)]) == 0
    assert capsys.readouterr().out == f"{run.id}\n"
    assert run.ticket() is None
    assert run.submissions()[-1].job == "17"
    assert main(["resume", run.id, "--enqueue", "--where", "local", "--runs", str(store.root)]) == 2
    assert "Slurm has one of its own" in capsys.readouterr().err


def test_a_list_learns_that_slurm_has_taken_a_job_after_all(fake, run):
    fake("squeue", "exit 0")
    submitted(run, job="")
    reader = RunsReader(RunStore(run.path.parent))
    (look,) = reader.look()
    assert look.rows[0].status == "created"
    squeue(fake, "PENDING")
    (look,) = reader.look()
    assert look.rows[0].status == "pending"
