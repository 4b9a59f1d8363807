"""A suite through the real queue: nothing is enqueued or trained twice, whoever is killed in the middle."""

import errno
import fcntl
import json
import os
import random
import signal
import subprocess
import sys

import pytest
from folders import launched, phase, write
from tiny import HELD_TRAINER, make_trainer, ran
from waiting import wait_for

from cockpit import export, launch, records, status, suite
from cockpit.cli import main
from cockpit.dispatch import order, tick
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.suite import fill
from cockpit.tickets import QueueBusyError


@pytest.fixture
def store(tmp_path, data_dir):
    """A folder whose queue starts nothing."""
    store = RunStore(tmp_path / "runs")
    order.pause(store, True)
    return store


def recipes_of(store: RunStore) -> list[Recipe]:
    return [run.recipe for run in store.list()]


def test_looking_writes_nothing(tmp_path, data_dir):
    store = RunStore(tmp_path / "runs")
    assert fill.look(store, suite.rows(), device="cpu").counts == {"missing": 54}
    assert not store.root.exists()


def test_what_is_missing_is_enqueued_once_and_the_cheapest_first(store):
    rows = suite.rows("resnet18,mobilenetv1,vgg11_bn", "cifar10", "1,2")
    runs = fill.fill(store, rows, device="cpu").runs
    assert [(run.recipe.model, run.recipe.seed) for run in runs] == [
        (model, seed) for model in ("mobilenetv1", "vgg11_bn", "resnet18") for seed in (1, 2)
    ]
    assert fill.fill(store, rows, device="cpu").runs == []
    assert len(store.list()) == 6
    more = fill.fill(store, suite.rows("resnet18,mobilenetv1", "cifar10", "1,2,3"), device="cpu").runs
    assert [(run.recipe.model, run.recipe.seed) for run in more] == [("mobilenetv1", 3), ("resnet18", 3)]


def test_a_run_that_somebody_else_made_counts(store):
    own = order.enqueue(store, suite.rows("resnet18", "cifar10"), device="cpu")
    order.enqueue(store, [Recipe(model="resnet18", dataset="cifar100", lr=0.05).complete()], device="cpu")
    runs = fill.fill(store, suite.rows("resnet18"), device="cpu").runs
    assert [run.recipe.dataset for run in runs] == ["cifar100"]
    assert own[0].id not in [run.id for run in runs]


def test_what_was_taken_out_of_the_queue_waits_again_in_its_place(store):
    rows = suite.rows("resnet18,mobilenetv1", "cifar10")
    runs = fill.fill(store, rows, device="cpu").runs
    for run in runs:
        assert order.withdraw(store, run)
    again = fill.fill(store, rows, device="cpu").runs
    assert [run.id for run in again] == [run.id for run in runs]
    assert len(store.list()) == 2


def test_what_the_queue_gave_up_is_left_until_it_is_asked_for(tmp_path, data_dir, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    store, rows = RunStore(tmp_path / "runs"), suite.rows("mobilenetv1", "cifar10")
    (run,) = fill.fill(store, rows, device="cpu").runs
    tick(store)
    assert status.describe(run).status == "failed"
    (entry,) = fill.look(store, rows, device="cpu").entries
    assert entry.state == "left"
    assert "could not be launched" in entry.detail
    assert fill.fill(store, rows, device="cpu").runs == []
    assert [again.id for again in fill.fill(store, rows, device="cpu", retry=True).runs] == [run.id]
    assert status.describe(run).status == "waiting"


def test_failures_are_counted_by_attempt(store):
    run = store.create(Recipe().complete())
    with run.append_metrics() as lines:
        for attempt, state in ((1, "failed"), (1, "failed"), (2, "stopped"), (3, "failed")):
            lines.append(records.encode(records.Phase(time=1.0, state=state, attempt=attempt)))
    assert fill.count_failures(run) == 2


def test_two_who_fill_at_once_do_not_find_the_same_missing(store):
    with fill._alone(store), pytest.raises(QueueBusyError, match="ask again"):
        fill.fill(store, suite.rows("resnet18"), device="cpu")
    assert store.list() == []


def stopped(store: RunStore, recipe: Recipe, device: str = "cpu") -> Run:
    """A run that was stopped in its second epoch."""
    run = launched(store.create(recipe), device=device)
    write(run, phase("stopped", detail="as asked", step=500))
    return run


def test_a_run_that_cannot_be_locked_is_left_and_the_rest_is_enqueued(store, capsys):
    strange, busy, well = (stopped(store, row) for row in suite.rows("mobilenetv1,vgg11_bn,resnet18", "cifar10"))
    (strange.path / ".lock").symlink_to(store.root.parent / "elsewhere")
    words = ["suite", "--only", "mobilenetv1,vgg11_bn,resnet18", "--runs", str(store.root), "--device", "cpu"]
    lock = busy.lock()
    try:
        assert main([*words, "--enqueue", "--json"]) == 0
    finally:
        os.close(lock)
    told = capsys.readouterr()
    plan = json.loads(told.out)
    assert plan["counts"] == {"waiting": 4, "left": 2}
    left = {entry["run"]: entry["detail"] for entry in plan["entries"] if entry["state"] == "left"}
    assert left.keys() == {strange.id, busy.id}
    assert ".lock cannot be written: it is a link" in left[strange.id]
    assert "just being launched" in left[busy.id]
    assert all(f"{run}: left to you: {why}\n" in told.err for run, why in left.items())
    assert "4 enqueued\n" in told.err
    assert status.describe(well).status == "waiting"


def test_what_waits_is_started_although_the_suite_cannot_be_enqueued(tmp_path, data_dir, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    store = RunStore(tmp_path / "runs")
    order.enqueue(store, [Recipe().complete()], device="cpu")
    with fill._alone(store):
        assert main(["suite", "--enqueue", "--device", "cpu", "--runs", str(store.root)]) == 2
    wait_for(lambda: ran(store), what="the run that waited")


def test_what_is_resumed_goes_on_on_the_devices_it_had(store, capsys):
    rows = suite.rows("mobilenetv1,vgg11_bn,resnet18", "cifar10")
    two, gone, new = stopped(store, rows[0], "cpu,cpu"), stopped(store, rows[1], "cuda:63"), rows[2]
    words = ["suite", "--enqueue", "--only", "mobilenetv1,vgg11_bn,resnet18", "--dataset", "cifar10"]
    assert main([*words, "--runs", str(store.root)]) == 0
    waiting = {run.recipe.model: ticket.device for run in store.list() if (ticket := run.ticket())}
    assert waiting == {two.recipe.model: "cpu,cpu", gone.recipe.model: "auto", new.model: "auto"}
    assert f"cuda:63, which {gone.id} had, is not here: it goes on on auto\n" in capsys.readouterr().err
    for run in (two, gone):
        assert order.withdraw(store, run)
    assert main([*words, "--device", "cpu", "--runs", str(store.root)]) == 0
    tickets = [run.ticket() for run in (two, gone)]
    assert [ticket.device for ticket in tickets if ticket] == ["cpu", "cpu"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_disk_without_locks_is_told_in_a_sentence(store, monkeypatch, capsys, number):
    run = store.create(Recipe().complete())

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert main(["suite", "--enqueue", "--device", "cpu", "--runs", str(store.root)]) == 2
    assert f"cannot be written: {os.strerror(number)}; choose another folder" in capsys.readouterr().err
    with pytest.raises(CockpitError, match=rf"\.lock cannot be written: {os.strerror(number)}"):
        run.lock()


def test_each_is_trained_once(tmp_path, data_dir, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path, HELD_TRAINER)))
    store, rows = RunStore(tmp_path / "runs"), suite.rows("resnet18,mobilenetv1", "cifar10")
    fill.fill(store, rows, device="cpu")
    tick(store)
    assert fill.look(store, rows, device="cpu").counts == {"training": 1, "waiting": 1}
    assert fill.fill(store, rows, device="cpu").runs == []
    (store.root / ".go").touch()
    wait_for(lambda: len(ran(store)) == 1, what="the first")


_FILL = """
import sys
from pathlib import Path
from cockpit import suite
from cockpit.store import RunStore
from cockpit.suite import fill
fill.fill(RunStore(Path(sys.argv[1])), suite.rows(), device="cpu")
"""


@pytest.mark.slow
def test_killed_while_it_fills_the_next_goes_on(store):
    ends = []
    for enough in sorted(random.sample(range(1, 50), 8)):
        filling = subprocess.Popen([sys.executable, "-c", _FILL, str(store.root)])
        while filling.poll() is None and len([*store.root.glob("*/recipe.json")]) < enough:
            pass
        filling.kill()
        ends.append(filling.wait())
    fill.fill(store, suite.rows(), device="cpu")
    found = recipes_of(store)
    assert -signal.SIGKILL in ends
    assert len(found) == 54
    assert {(recipe.model, recipe.dataset) for recipe in found} == {(r.model, r.dataset) for r in suite.rows()}
    assert fill.look(store, suite.rows(), device="cpu").counts == {"waiting": 54}


@pytest.fixture
def real_store(tmp_path, tiny):
    """A folder whose trainers do not outlive the test."""
    store = RunStore(tmp_path / "runs")
    yield store
    order.pause(store, True)
    for run in store.list():
        order.withdraw(store, run)
        launch.send(run, "kill")


@pytest.mark.slow
def test_a_rehearsal_from_end_to_end_with_a_trainer_killed_on_the_way(real_store, capsys):
    """Two real runs on a small dataset, one of which is killed with -9 in the middle."""
    words = ["suite", "--only", "resnet20,shufflenetv1_g1", "--dataset", "tiny", "--epochs", "4"]
    words += ["--device", "cpu", "--runs", str(real_store.root), "--json"]

    def ask(*more: str) -> dict:
        assert main([*words, *more]) == 0
        return json.loads(capsys.readouterr().out)

    def training() -> list[Run]:
        infos = [status.describe(run) for run in real_store.list()]
        return [Run(real_store.root / info.id) for info in infos if info.status == "running" and info.epoch]

    assert ask()["counts"] == {"missing": 2}
    assert ask("--enqueue")["rehearsal"] is True
    (victim,) = wait_for(training, what="an epoch")
    os.kill(victim.launches()[-1].pid, signal.SIGKILL)
    wait_for(lambda: status.describe(victim).status == "lost", what="its end")
    ask("--enqueue")
    wait_for(lambda: ask("--enqueue")["counts"] == {"done": 2}, timeout_s=200, every_s=1, what="all of it")

    entries = ask("--enqueue")["entries"]
    assert {entry["model"] for entry in entries} == {"resnet20", "shufflenetv1_g1"}
    assert all(entry["epoch"] == 4 and entry["top1"] is not None for entry in entries)
    runs = real_store.list()
    assert sorted(len(run.launches()) for run in runs) == [1, 2]
    for run in runs:
        assert [row["epoch"] for row in export.export_epochs(run)] == [1, 2, 3, 4]
    other = ask("--seeds", "1")["entries"][0]
    assert other["state"] == "missing"
    assert other["left"]["measured"]
