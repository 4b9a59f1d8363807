"""What a thousand jobs cost is bounded: how often Slurm is asked and which files are read, counted and never timed."""

import threading

import msgspec
import pytest
from opened import opened_files
from test_jobs import NAME, begun, submitted
from test_status import say

from cockpit import places, squeue
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.settings import read_settings
from cockpit.store import Run, RunStore
from cockpit.tui import watch
from cockpit.tui.watch import RunsReader

NUM_JOBS = 25


@pytest.fixture
def store(tmp_path, data_dir):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def now(monkeypatch):
    """The seconds that the one who asks squeue goes by."""
    seconds = [1e6]
    monkeypatch.setattr(squeue, "QUEUE", queue := squeue.Queue(clock=lambda: seconds[0]))
    for module in ("cockpit.jobs", "cockpit.slurm"):
        monkeypatch.setattr(f"{module}.QUEUE", queue)
    return seconds


@pytest.fixture
def asked(fake, tmp_path):
    """A function that tells how often squeue was called; what it prints stands in a file that can be replaced."""
    calls, jobs = tmp_path / "calls", tmp_path / "jobs"
    calls.touch()
    jobs.touch()
    fake("squeue", f"echo >> {calls}; cat {jobs}")
    return lambda: calls.stat().st_size


def waiting(store: RunStore, tmp_path, *, reason: str = "Priority", state: str = "PENDING") -> list[Run]:
    """Runs whose jobs wait."""
    runs = store.list() or [store.create(Recipe(seed=seed).complete()) for seed in range(NUM_JOBS)]
    lines = []
    for number, run in enumerate(runs):
        if not run.submissions():
            submitted(run, name=f"{NAME}-{number}")
        lines.append(f"{number}|{state}|{reason}|{'node01' if state == 'RUNNING' else ''}|0:00|{NAME}-{number}\n")
    (tmp_path / "jobs").write_text("".join(lines))
    return runs


def test_first_submissions_in_a_row_ask_once_in_five_seconds(fake, store, asked, now):
    fake("sbatch", "echo 17")
    runs = [store.create(Recipe(seed=seed).complete()) for seed in range(NUM_JOBS)]
    for run in runs[:-1]:
        places.start(run, "slurm", device="cpu", settings=read_settings())
    assert asked() == 1
    now[0] += squeue.INTERVAL_S
    places.start(runs[-1], "slurm", device="cpu", settings=read_settings())
    assert asked() == 2


def test_a_second_submission_of_a_run_asks_afresh(fake, store, asked, now):
    fake("sbatch", "echo 17")
    run = store.create(Recipe().complete())
    places.start(run, "slurm", device="cpu", settings=read_settings())
    (name,) = [one.name for one in run.submissions()]
    fake("squeue", f"echo '17|CANCELLED|None||0:00|{name}'")
    places.start(run, "slurm", device="cpu", settings=read_settings())
    assert len(run.submissions()) == 2


def test_a_slurm_that_did_not_answer_is_asked_again_before_the_next_submission(fake, store, now):
    fake("sbatch", "echo 17")
    fake("squeue", "exit 1")
    run = store.create(Recipe().complete())
    with pytest.raises(CockpitError, match="nothing was submitted"):
        places.start(run, "slurm", device="cpu", settings=read_settings())
    fake("squeue", "exit 0")
    places.start(run, "slurm", device="cpu", settings=read_settings())
    assert len(run.submissions()) == 1


def test_a_list_of_waiting_jobs_that_wait_on_opens_none_of_their_files(store, tmp_path, asked, now):
    waiting(store, tmp_path)
    reader = RunsReader(store)
    *_, look = reader.look()
    assert {row.status for row in look.rows} == {"pending"}
    with opened_files() as opened:
        assert list(reader.look()) == []
    assert [path for path in opened if str(store.root) in path and path != str(store.root)] == []
    assert asked() == 1


def test_a_list_learns_that_jobs_wait_for_something_else_and_that_they_begin(store, tmp_path, asked, now):
    runs = waiting(store, tmp_path)
    reader = RunsReader(store)
    list(reader.look())
    waiting(store, tmp_path, reason="Resources")
    squeue.QUEUE.forget()
    (look,) = reader.look()
    assert {row.job and row.job.reason for row in look.rows} == {"Resources"}
    waiting(store, tmp_path, reason="None", state="RUNNING")
    squeue.QUEUE.forget()
    (look,) = reader.look()
    assert {row.status for row in look.rows} == {"starting"}
    waiting(store, tmp_path)
    squeue.QUEUE.forget()
    list(reader.look())
    begun(runs[0], submission=f"{NAME}-0")  # a file says more than Slurm: it was requeued, say
    say(runs[0], "stopped", "by SIGUSR1")
    (look,) = reader.look()
    assert sum("by SIGUSR1" in row.detail for row in look.rows) == 1


def test_a_sweep_is_submitted_job_by_job_and_prints_the_runs(fake, store, asked, capsys):
    fake("sbatch", "echo 17")
    words = ["train", "--seed", "1,2,3", "--lr", "0.1,0.05", "--where", "slurm", "--device", "cpu"]
    assert main([*words, "--runs", str(store.root)]) == 0
    runs = store.list()
    assert sorted(capsys.readouterr().out.split()) == sorted(run.id for run in runs)
    assert len({(run.recipe.seed, run.recipe.lr) for run in runs}) == 6
    assert main([*words, "--json", "--runs", str(store.root)]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert len(told) == 6
    assert {row["status"] for row in told} == {"pending"}


def test_a_sweep_that_slurm_refuses_in_the_middle_says_how_far_it_came(fake, store, asked, capsys):
    sbatch = fake(
        "sbatch", "echo >> $0.calls; [ $(wc -l < $0.calls) -lt 3 ] && echo 17 || { echo no more >&2; exit 1; }"
    )
    words = ["train", "--seed", "1,2,3,4", "--where", "slurm", "--device", "cpu", "--runs", str(store.root)]
    assert main(words) == 2
    told = capsys.readouterr()
    assert len(told.out.split()) == len(store.list()) == 2
    assert "2 of 4 runs are submitted; for the next: Slurm refuses the job: no more" in told.err
    fake("sbatch", "echo no more >&2; exit 1")
    assert main([*words, "--json"]) == 2
    assert capsys.readouterr().out == ""
    assert sbatch.exists()


@pytest.mark.parametrize("spent_s", [0.0, 0.001, 0.0125, 0.1, 0.25, 1.0, 10.0])
def test_a_look_costs_a_twentieth_of_a_core_at_most_and_news_come_within_five_seconds_where_that_allows(spent_s):
    rest_s = watch.rest_s(spent_s, watch.INTERVAL_S)
    assert spent_s / (spent_s + rest_s) < 1 / 20
    assert watch.INTERVAL_S <= rest_s <= max(5.0, 20 * spent_s)


def test_the_first_look_which_reads_everything_is_soon_followed_by_another():
    seconds = [0.0]
    rests: list[float | None] = []

    class Cancelled(threading.Event):
        def wait(self, timeout=None):
            rests.append(timeout)
            if len(rests) == 4:
                self.set()
            return self.is_set()

    looks = iter((30.0, 1.0, 1.0, 30.0))

    def look():
        seconds[0] += next(looks)
        return iter(())

    watch.poll(look, lambda _: None, Cancelled(), watch.INTERVAL_S, clock=lambda: seconds[0])
    assert rests == [watch.INTERVAL_S, 20.0, 20.0, 20.0]
