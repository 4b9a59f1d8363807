"""The clock of the machine is set by a day, forth or back: durations, time left and liveness stay right."""

import time

import msgspec
import psutil
import pytest

from cockpit import liveness, records, status
from cockpit.engine.journal import Journal
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.series import Series, eta_s
from cockpit.store import RecordTail, Run, RunStore

DAY_S = 86_400.0
JUMPS = pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["forth", "back"])


@pytest.fixture
def run(tmp_path, data_dir) -> Run:
    return RunStore(tmp_path / "runs").create(Recipe().complete())


def jump(monkeypatch, by_s: float) -> None:
    """Set the wall clock of this process; the monotonic one goes on as it does when a machine's clock is set."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + by_s)


@JUMPS
def test_a_trainer_measures_the_same_across_the_jump(run, monkeypatch, jump_s):
    began = time.monotonic()
    journal = Journal(run, attempt=1, sample_s=0, aloud=False)
    journal.phase("running")
    for number in range(1, 21):
        if number == 11:
            jump(monkeypatch, jump_s)
        journal.sample(epochs_done=number / 10, step=number, loss=1.0, acc=0.5, images=100, lr=0.1)
    journal.phase("stopped")
    took_s = time.monotonic() - began
    written = RecordTail(run).read()
    steps = [record for record in written if isinstance(record, records.Step)]
    assert abs(steps[10].time - steps[9].time) > DAY_S / 2, "the clock was set"
    elapsed = [step.elapsed_s for step in steps]
    assert elapsed == sorted(elapsed)
    assert 0 <= elapsed[0] <= elapsed[-1] <= took_s
    assert all(step.img_per_s > 100 / took_s for step in steps)
    series = Series()
    series.extend(written)
    left_s = eta_s(series, planned_steps=40)
    assert left_s is not None
    assert 0 < left_s < 3 * took_s


@JUMPS
def test_a_listing_tells_the_same_duration(run, jump_s):
    step = records.Step(time=1e9, epoch=1, step=10, loss=1, acc=0.5, lr=0.1, img_per_s=9, elapsed_s=12.5)
    with LineWriter(run.metrics_path) as lines:
        lines.append(records.encode(records.Phase(time=1e9, state="running")))
        lines.append(records.encode(step))
        lines.append(records.encode(records.Phase(time=1e9 + jump_s, state="stopped", step=10, elapsed_s=13.0)))
    assert status.describe(run).elapsed_s == 13.0


@JUMPS
def test_a_living_trainer_stays_alive(run, monkeypatch, jump_s):
    launch = records.Launch(
        attempt=1,
        time=time.time(),
        argv=[],
        host=liveness.host_name(),
        boot_id=liveness.boot_id(),
        pid=psutil.Process().pid,
        process_start_s=liveness.since_boot(psutil.Process()),
    )
    jump(monkeypatch, jump_s)
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + jump_s)  # the kernel reckons it back from the clock
    assert liveness.find_life(launch, run.metrics_path) == "alive"
    another = msgspec.structs.replace(launch, process_start_s=launch.process_start_s + 1)
    assert liveness.find_life(another, run.metrics_path) == "dead"


def test_the_start_of_a_process_is_as_psutil_has_it():
    process = psutil.Process()
    assert liveness.since_boot(process) == pytest.approx(process.create_time() - psutil.boot_time(), abs=0.02)
