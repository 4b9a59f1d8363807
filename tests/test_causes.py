"""Why a trainer is gone: real signals to real trainers, and the kernel's counters as its file systems show them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from waiting import wait_for

from cockpit import causes, launch, liveness, records, status
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore


@pytest.fixture
def store(tmp_path) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        with_pid = [one.pid for one in run.launches() if liveness.find_life(one, run.metrics_path) != "dead"]
        for pid in with_pid:
            os.kill(pid, signal.SIGKILL)


def begin(store: RunStore) -> tuple[Run, int]:
    run = store.create(Recipe(dataset="tiny", epochs=5_000, batch_size=16, lr=0.02).complete())
    return run, launch.start(run, device="cpu", sample_s=0).pid


def when_lost(run: Run) -> str:
    wait_for(lambda: status.describe(run).status == "lost", 5, "the loss to be seen")
    return status.describe(run).detail


@pytest.mark.parametrize(("number", "name"), [(signal.SIGSEGV, "Segmentation fault"), (signal.SIGABRT, "Aborted")])
def test_a_crash_is_told_by_the_trace_that_it_leaves_until_the_next_launch(store, tiny, number, name):
    run, pid = begin(store)
    wait_for(lambda: run.tail().phase)
    os.kill(pid, number)
    where = f"pid {pid} on {liveness.host_name()}"
    assert when_lost(run) == f"it crashed while preparing: {name} ({where}; log.txt tells where); resume continues it"
    assert "most recent call first" in run.log_path.read_text()
    if number == signal.SIGSEGV:
        pid = launch.start(run, device="cpu").pid
        os.kill(pid, signal.SIGKILL)
        where = f"pid {pid} on {liveness.host_name()}"
        assert when_lost(run).startswith("it is gone without a word while ")
        assert "Segmentation" not in when_lost(run)


@pytest.mark.slow
def test_a_suspended_trainer_is_left_alone_until_it_goes_on_and_a_killed_one_is_lost(store, tiny, capsys):
    run, pid = begin(store)
    runs = ["--runs", str(store.root)]
    wait_for(lambda: run.tail().step)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: status.describe(run).status == "stale", 5)
    suspended = f"its process is suspended; `kill -CONT {pid}` on {liveness.host_name()} lets it go on"
    assert status.describe(run).detail == suspended
    assert main(["resume", run.id, *runs]) == 2
    assert f"is stale, so it is not started again: {suspended}" in capsys.readouterr().err
    assert main(["resume", run.id, "--force", *runs]) == 2, "a process of this host is never taken over"
    assert len(run.launches()) == 1
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: status.describe(run).status == "running", 5)
    capsys.readouterr()
    os.kill(pid, signal.SIGKILL)
    sentence = f"it is gone without a word while training (pid {pid} on {liveness.host_name()}); resume continues it"
    assert when_lost(run) == sentence
    assert main(["runs", "--json", *runs]) == 0
    assert sentence in capsys.readouterr().out
    assert main(["runs", *runs]) == 0
    table = capsys.readouterr().out
    assert "it is gone without a word while training (pid" in table
    assert sentence not in table, "a column has no room for all of it"
    assert main(["runs", "show", run.id, *runs]) == 0
    shown = capsys.readouterr().out
    assert f"lost, {sentence}" in shown
    assert "its log ends" in shown
    assert "running: cpu, " in shown


def test_a_stop_of_a_suspended_trainer_does_not_wait_for_ever(store, tiny, capsys):
    run, pid = begin(store)
    wait_for(lambda: run.tail().phase)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: status.describe(run).status == "stale", 5)
    assert main(["stop", run.id, "--runs", str(store.root)]) == 2
    assert f"heeds the request only once it goes on: its process is suspended; `kill -CONT {pid}`" in (
        capsys.readouterr().err
    )
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: status.describe(run).status == "stopped", 30)
    assert status.describe(run).detail.startswith("when asked (SIGTERM) ")


@pytest.fixture
def run(store, data_dir) -> Run:
    return store.create(Recipe().complete())


def gone(run: Run, state: str = "running", **changes: object) -> str:
    """Forge the folder of a run whose trainer is gone, and return what is said of it."""
    made = records.Launch(
        attempt=1,
        time=time.time(),
        argv=[],
        host=liveness.host_name(),
        boot_id=liveness.boot_id(),
        pid=2**22 + 1,
        process_start_s=1.0,
    )
    run.append_launch(msgspec.structs.replace(made, **changes))
    if state:
        with LineWriter(run.metrics_path) as lines:
            lines.append(records.encode(records.Phase(time=time.time(), state=state)))
    info = status.describe(run)
    assert info.status == "lost"
    return info.detail


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ("", {}, "it is gone without a word while it started (pid"),
        ("preparing", {}, "it is gone without a word while preparing (pid"),
        ("testing", {}, "it is gone without a word during the test (pid"),
        ("dreaming", {}, "it is gone without a word in the phase dreaming (pid"),
        ("running", {"boot_id": "another"}, "the machine was restarted while training; resume continues it"),
        ("testing", {"boot_id": "another"}, "the machine was restarted during the test; resume tests it"),
        ("running", {"oom_kills": {"proc/vmstat": -1}}, "the kernel killed a process of this machine for lack of memo"),
        ("running", {"oom_kills": {"proc/vmstat": 2**40}}, "it is gone without a word while training"),
    ],
)
def test_each_end_is_told_apart(run, state, changes, expected):
    detail = gone(run, state, **changes)
    assert expected in detail
    assert detail.endswith("; resume tests it" if state == "testing" else "; resume continues it")


def test_what_something_else_printed_last_is_quoted(run):
    own = "2025-11-23 14:43:01 running: cpu"
    run.log_path.write_text(f"an older line\n{own}\nlibgomp: Thread creation failed\n\n")
    assert gone(run).endswith("; its log ends: libgomp: Thread creation failed; resume continues it")
    run.log_path.write_text(f"libgomp: Thread creation failed\n{own}\n")
    assert "libgomp" not in status.describe(run).detail


FILES = {
    "version 2": ("0::/lab/job\n", "sys/fs/cgroup/lab/job/memory.events", "low 0\noom 7\noom_kill 3\n"),
    "version 2, in a container": ("0::/\n", "sys/fs/cgroup/memory.events", "oom_kill 3\noom_group_kill 0\n"),
    "both versions": (
        "4:memory:/lab/job\n1:cpu,cpuacct:/\n0::/lab\n",
        "sys/fs/cgroup/memory/lab/job/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    ),
    "hybrid": ("1:name=systemd:/a\n0::/lab/job\n", "sys/fs/cgroup/unified/lab/job/memory.events", "oom_kill 3\n"),
}
"""/proc/self/cgroup, and the counter of that group: its file and its text."""


@pytest.mark.parametrize(("groups", "place", "text"), FILES.values(), ids=FILES)
def test_the_counters_of_every_kind_of_control_group_are_found(tmp_path, groups, place, text):
    for name, content in (("proc/self/cgroup", groups), ("proc/vmstat", "pgfault 1\noom_kill 5\n"), (place, text)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert causes.oom_kills(tmp_path) == {"proc/vmstat": 5, place: 3}


def test_a_kill_in_the_own_control_group_says_more_than_one_on_the_machine(tmp_path, run):
    place = "sys/fs/cgroup/lab/memory.events"
    for name, content in (("proc/vmstat", "oom_kill 5\n"), (place, "oom_kill 3\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    made = msgspec.convert(
        {"attempt": 1, "time": 1, "argv": [], "host": "h", "boot_id": "b", "pid": 1, "process_start_s": 1},
        records.Launch,
    )
    for vmstat, group, told in ((5, 3, ""), (4, 3, "this machine"), (4, 2, "its control group"), (9, 2, "its control")):
        before = msgspec.structs.replace(made, oom_kills={"proc/vmstat": vmstat, place: group})
        said = causes.told_by_kernel(before, tmp_path)
        assert told in said
        assert bool(said) == bool(told)


def test_a_run_folder_cannot_have_other_files_read_as_counters(tmp_path, run):
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    for place in (str(tmp_path / "pipe"), f"sys/fs/cgroup/../../..{tmp_path}/pipe", "etc/passwd", ""):
        assert "the kernel" not in gone(run, oom_kills={place: -1})


def test_a_machine_without_such_files_has_no_counters(tmp_path):
    assert causes.oom_kills(tmp_path) == {}


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="only Linux counts them")
def test_a_launch_records_the_counters_of_this_machine(store, tiny):
    run, pid = begin(store)
    assert run.launches()[0].oom_kills.keys() >= {"proc/vmstat"}
    assert run.launches()[0].oom_kills == causes.oom_kills()
    psutil.Process(pid).kill()


def test_a_listing_reads_no_log_but_those_of_lost_runs(store, data_dir):
    names = {}
    for state in ("created", "finished", "failed", "stopped", "lost"):
        run = store.create(Recipe().complete())
        names[run.id] = state
        run.log_path.write_text("words\n")
        if state != "created":
            gone(run)
        if state not in ("created", "lost"):
            with LineWriter(run.metrics_path) as lines:
                lines.append(records.encode(records.Phase(time=time.time(), state=state)))
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        f"from cockpit.cli import main; main(['runs', '--runs', {str(store.root)!r}])\n"
        "print(*(path for path in opened if path.endswith('log.txt')), sep='\\n')"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [names[Path(path).parent.name] for path in out.split() if path.endswith("log.txt")] == ["lost"]


def elsewhere(run: Run, *, silent: bool, state: str = "running") -> Run:
    """Forge a run that another host's trainer has."""
    made = records.Launch(
        attempt=1, time=1.0, argv=[], host="another-host", boot_id="theirs", pid=1, process_start_s=1.0
    )
    run.append_launch(made)
    with LineWriter(run.metrics_path) as lines:
        lines.append(records.encode(records.Phase(time=time.time(), state=state)))
    if silent:
        os.utime(run.metrics_path, (1, 1))
    return run


@pytest.mark.parametrize(
    ("silent", "words", "sentence"),
    [
        (True, [], "was started on another-host and may go on there"),
        (False, [], "is running, so there is nothing to resume"),
        (False, ["--force"], "is running, so there is nothing to resume"),
    ],
)
def test_a_run_of_another_host_is_not_taken_over(store, run, capsys, silent, words, sentence):
    elsewhere(run, silent=silent)
    assert status.describe(run).status == ("stale" if silent else "running")
    assert main(["resume", run.id, *words, "--runs", str(store.root)]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert (f"`cockpit resume {run.id} --force` takes the run over" in said) == silent
    with pytest.raises(CockpitError, match="another-host"):
        launch.start(run, device="cpu", force="--force" in words)
    assert len(run.launches()) == 1


def test_a_dead_host_s_run_is_taken_over_when_somebody_vouches_for_it_and_an_ended_one_without(store, tiny, capsys):
    for state, words in (("running", ["--force"]), ("stopped", [])):
        run = store.create(Recipe(dataset="tiny", epochs=5_000, batch_size=16).complete())
        elsewhere(run, silent=True, state=state)
        assert main(["resume", run.id, "--detach", "--device", "cpu", *words, "--runs", str(store.root)]) == 0
        assert [one.host for one in run.launches()] == ["another-host", liveness.host_name()]
        assert status.describe(run).status == "starting"
        psutil.Process(run.launches()[-1].pid).kill()
