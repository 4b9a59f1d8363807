"""What a run is said to be, from forged and damaged folders."""

import os
import signal
import subprocess
import sys
import time

import msgspec
import psutil
import pytest
from waiting import wait_for

from cockpit import liveness, records, status
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore


@pytest.fixture
def run(tmp_path, data_dir):
    return RunStore(tmp_path / "runs").create(Recipe().complete())


def launch_of(process: psutil.Process, **changes) -> records.Launch:
    made = records.Launch(
        attempt=1,
        time=time.time(),
        argv=[],
        host=liveness.host_name(),
        boot_id=liveness.boot_id(),
        pid=process.pid,
        process_start_s=liveness.since_boot(process),
    )
    return msgspec.structs.replace(made, **changes)


def say(run: Run, state: str, detail: str = "", attempt: int = 1) -> None:
    with LineWriter(run.metrics_path) as lines:
        lines.append(records.encode(records.Phase(time=time.time(), state=state, detail=detail, attempt=attempt)))


def status_of(run: Run) -> str:
    return status.describe(run).status


def test_phases_of_a_living_process(run):
    assert status_of(run) == "created"
    run.append_launch(launch_of(psutil.Process()))
    assert status_of(run) == "starting"
    say(run, "preparing", "reading digits")
    assert status_of(run) == "starting"
    assert status.describe(run).detail == "reading digits"
    for state, expected in [("running", "running"), ("testing", "running"), ("finished", "finished")]:
        say(run, state)
        assert status_of(run) == expected


@pytest.mark.parametrize(
    "forgery",
    [{"boot_id": "another boot"}, {"process_start_s": 1.0}, {"pid": 2**22 + 1}],
    ids=["reboot", "pid reused", "no such pid"],
)
def test_a_process_that_is_not_ours_is_lost(run, forgery):
    run.append_launch(launch_of(psutil.Process(), **forgery))
    say(run, "running")
    assert status_of(run) == "lost"


def test_the_last_word_of_an_earlier_attempt_does_not_count(run):
    run.append_launch(launch_of(psutil.Process()))
    say(run, "stopped")
    assert status_of(run) == "stopped"
    run.append_launch(launch_of(psutil.Process(), attempt=2))
    assert status_of(run) == "starting"


def test_a_zombie_is_lost(run):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run.append_launch(launch_of(psutil.Process(process.pid)))
    say(run, "running")
    assert status_of(run) == "running"
    process.kill()
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert status_of(run) == "lost"
    process.wait()


def test_a_silent_trainer_of_another_host_is_stale(run):
    run.append_launch(launch_of(psutil.Process(), host="another-host"))
    say(run, "running")
    assert status_of(run) == "running"


def test_a_clock_that_is_wrong_by_a_day_deceives_only_the_first_look(run):
    launch = launch_of(psutil.Process(), host="another-host")
    now = [1000.0]
    heartbeats = liveness.Heartbeats(clock=lambda: now[0])

    def life() -> str:
        return liveness.find_life(launch, run.metrics_path, heartbeats)

    say(run, "running")
    tomorrow = time.time() + 86_400
    os.utime(run.metrics_path, (tomorrow, tomorrow))  # the other host's clock is ahead
    assert life() == "alive"
    now[0] += 119
    assert life() == "alive"
    now[0] += 2
    assert life() == "frozen"
    say(run, "running")
    os.utime(run.metrics_path, (1, 1))  # now it is behind
    assert life() == "alive"
    now[0] += 121
    assert life() == "frozen"


def test_a_trainer_of_another_host_that_never_wrote_is_stale_after_a_while(run):
    now = [0.0]
    heartbeats = liveness.Heartbeats(clock=lambda: now[0])
    launch = launch_of(psutil.Process(), host="another-host")
    assert liveness.find_life(launch, run.metrics_path, heartbeats) == "alive"
    now[0] = 121.0
    assert liveness.find_life(launch, run.metrics_path, heartbeats) == "frozen"


def test_an_old_silence_of_another_host_is_seen_at_the_first_look(run):
    run.append_launch(launch_of(psutil.Process(), host="another-host"))
    say(run, "running")
    os.utime(run.metrics_path, (1, 1))
    assert status_of(run) == "stale"


def test_a_frozen_trainer_is_stale(run):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run.append_launch(launch_of(psutil.Process(process.pid)))
    say(run, "running")
    process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: status_of(run) == "stale")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: status_of(run) == "running")
    finally:
        process.kill()
        process.wait()
