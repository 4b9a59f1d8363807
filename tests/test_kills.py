"""A run killed twenty times, from its launch to its test: what is left is one run, the one it would have been."""

import os
import random
import threading
import time
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from waiting import wait_for

from cockpit import durable, launch, records, status
from cockpit.engine.checkpoint import load_best
from cockpit.recipe import Recipe
from cockpit.series import Series
from cockpit.store import RecordTail, Run, RunStore

EPOCHS, STEPS = 20, 9  # 144 training images in batches of 16
METRICS = ("loss", "acc", "lr", "train_loss", "train_acc", "val_loss", "val_acc")


class Attempt:
    """A trainer at work, and the moments at which it can be caught."""

    def __init__(self, run: Run, rng: random.Random) -> None:
        self._run = run
        self._tail = RecordTail(run)
        self._tail.read()
        self._rng = rng
        self.steps: list[records.Step] = []
        self.states: set[str] = set()
        self.process = psutil.Process(launch.start(run, device="cpu", sample_s=0).pid)

    def _look(self) -> None:
        for record in self._tail.read():
            if isinstance(record, records.Step):
                self.steps.append(record)
            elif isinstance(record, records.Phase):
                self.states.add(record.state)

    def launched(self) -> bool:
        return True

    def preparing(self) -> bool:
        self._look()
        return "preparing" in self.states

    def stepping(self) -> bool:
        self._look()
        return len(self.steps) > self._rng.randrange(2 * STEPS)

    def saving(self) -> bool:
        return any(name.startswith(".saving-") for name in os.listdir(self._run.path))

    def validating(self) -> bool:
        self._look()
        return bool(self.steps) and self.steps[-1].step % STEPS == 0

    def testing(self) -> bool:
        self._look()
        assert "finished" not in self.states, "the test was missed"
        return "testing" in self.states


MOMENTS: dict[Callable[[Attempt], bool], tuple[int, float]] = {
    Attempt.launched: (3, 3.0),
    Attempt.preparing: (2, 0.5),
    Attempt.stepping: (4, 0.05),
    Attempt.saving: (4, 0.001),
    Attempt.validating: (4, 0.01),
    Attempt.testing: (3, 0.005),
}
"""How often to kill at each moment, and at most so many seconds after it has come."""


def recipe() -> Recipe:
    fields = {"dataset": "tiny", "epochs": EPOCHS, "batch_size": 16, "lr": 0.02, "precision": "fp32", "way": "eager"}
    return Recipe(**fields).complete()


def wait_for_end(run: Run) -> None:
    wait_for(lambda: status.describe(run).status not in status.LIVE, 120, f"the end of {run.id}")
    assert status.describe(run).status == "finished"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_at_any_moment_of_its_life_reads_as_the_uninterrupted_one(tmp_path, tiny):
    store, rng = RunStore(tmp_path / "runs"), random.Random(0)
    uninterrupted = store.create(recipe())
    launch.start(uninterrupted, device="cpu", sample_s=0)
    wait_for_end(uninterrupted)

    run = store.create(recipe())
    moments = [moment for moment in MOMENTS if moment is not Attempt.testing for _ in range(MOMENTS[moment][0])]
    rng.shuffle(moments)
    moments += [Attempt.testing] * MOMENTS[Attempt.testing][0]
    lost_after: list[float] = []
    leftovers: set[str] = set()
    in_a_save = 0
    for moment in moments:
        attempt = Attempt(run, rng)
        wait_for(lambda moment=moment, attempt=attempt: moment(attempt), every_s=0.0005)
        kill = threading.Timer(rng.uniform(0, MOMENTS[moment][1]), attempt.process.kill)
        kill.start()
        kill.join()
        killed = time.monotonic()
        wait_for(lambda: status.describe(run).status == "lost", 5, "lost", every_s=0.001)
        lost_after.append(time.monotonic() - killed)
        assert f"(pid {attempt.process.pid} on " in status.describe(run).detail
        left = {name for name in os.listdir(run.path) if name.startswith(".saving-")}
        if attempt.steps:
            assert not left & leftovers, "leftovers are swept"
        in_a_save += bool(left - leftovers)
        leftovers |= left
        epochs = [record for record in RecordTail(run).read() if isinstance(record, records.Epoch)]
        if epochs:
            assert (load_best(run).val_acc or 0.0) >= max(record.best_val_acc or 0.0 for record in epochs)
        if run.last_path.exists():
            durable.read_checked(run.last_path)
    launch.start(run, device="cpu", sample_s=0)
    wait_for_end(run)

    told = RecordTail(run).read()
    ours, theirs = Series(told), Series(RecordTail(uninterrupted).read())
    assert ours.curve("loss", "step").x.tolist() == list(range(1, EPOCHS * STEPS + 1))
    assert ours.curve("val_loss").x.tolist() == list(range(1, EPOCHS + 1))
    for metric in METRICS:
        assert np.array_equal(ours.curve(metric).x, theirs.curve(metric).x)
        assert np.array_equal(ours.curve(metric).y, theirs.curve(metric).y), f"{metric} to the last bit"
    assert ours.best == theirs.best
    assert status.describe(run).epoch == EPOCHS
    report, expected = run.test_report(), uninterrupted.test_report()
    assert report is not None
    assert expected is not None
    assert (report.epoch, report.top1, report.top5, report.loss) == (
        expected.epoch,
        expected.top1,
        expected.top5,
        expected.loss,
    )
    assert len(run.launches()) == len(moments) + 1
    assert in_a_save, "at least one of those that were to hit a save did"
    taken = sum(isinstance(record, records.Step) for record in told)
    print(
        f"{len(moments)} kills, {in_a_save} left a half-written file; {taken - EPOCHS * STEPS} of {taken} steps were "
        f"taken again; shown as lost after {max(lost_after):.3f} s at most"
    )
