"""A request to stop is heeded wherever the trainer stands: each of its phases, with real trainers and real signals."""

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from folders import launched, write
from folders import phase as phase_record
from waiting import wait_for

from cockpit import launch, records, status
from cockpit.recipe import Recipe
from cockpit.store import RecordTail, Run, RunStore
from cockpit.tui.row_detail import describe_row

PROMISE_S = 30.0


@pytest.fixture
def store(tmp_path) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        launch.send(run, "kill")


def begin(store: RunStore, **fields) -> Run:
    run = store.create(Recipe(**{"dataset": "tiny", "epochs": 1, "lr": 0.02} | fields).complete())
    launch.start(run, device="cpu", sample_s=0)
    return run


def stop_when(run: Run, ready: Callable[[], object], number: int = signal.SIGTERM) -> str:
    """Send a signal as soon as the trainer is there; return why it stopped."""
    wait_for(ready)
    os.kill(run.launches()[-1].pid, number)
    wait_for(lambda: status.describe(run).status not in status.LIVE, PROMISE_S, "the stop")
    info = status.describe(run)
    assert info.status == "stopped", info.detail
    return info.detail


def phase(run: Run) -> str:
    last = run.tail().phase
    return last.state if last else ""


def finish(run: Run) -> list[records.Record]:
    launch.start(run, device="cpu", sample_s=0)
    wait_for(lambda: status.describe(run).status not in status.LIVE)
    assert status.describe(run).status == "finished", status.describe(run).detail
    return RecordTail(run).read()


def test_while_torch_is_loaded(store, tiny):
    run = begin(store)
    assert stop_when(run, lambda: phase(run) == "" and run.launches()) == "when asked (SIGTERM) before the first step"


def test_a_resume_that_is_stopped_at_once_names_the_checkpoint_that_there_is(store, tiny):
    run = store.create(Recipe(dataset="tiny", epochs=1, lr=0.02).complete())
    launched(run)
    kept = "when asked (SIGTERM) at step 2, checkpoint saved"
    write(run, phase_record("running"), phase_record("stopped", step=2, detail=kept))
    run.last_path.write_bytes(b"weights")
    launch.start(run, device="cpu", sample_s=0)
    detail = stop_when(run, lambda: phase(run) == "stopped" and len(run.launches()) == 2)
    assert detail == "when asked (SIGTERM) before the first step; the checkpoint of step 2 is kept"
    row = status.describe(run)
    assert row.checkpoint_step == 2
    assert "checkpoint of step 2 is kept: the best one is kept from" in describe_row(row).plain
    run.last_path.unlink()
    assert "no checkpoint yet" in describe_row(status.describe(run)).plain


def test_while_a_silent_server_keeps_a_download_waiting(store, data_dir, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        run = begin(store, dataset="cifar10")
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(100).startswith(b"CONNECT")
            detail = stop_when(run, lambda: phase(run) == "preparing", signal.SIGUSR1)
    assert detail == "by SIGUSR1 while cifar10 was prepared"


def test_in_the_middle_of_a_slow_step(store, tiny):
    run = begin(store, model="resnet18", batch_size=144)
    detail = stop_when(run, lambda: phase(run) == "running")
    assert detail == "when asked (SIGTERM) in the middle of a step, which was given up, checkpoint saved"
    assert run.tail().step is None


@pytest.mark.slow
def test_during_the_validation_and_a_resume_repeats_it(store, tiny):
    whole = begin(store, model="resnet18", val_fraction=0.5, batch_size=16)
    wait_for(lambda: status.describe(whole).status == "finished")
    cut = begin(store, model="resnet18", val_fraction=0.5, batch_size=16)
    detail = stop_when(cut, lambda: (step := cut.tail().step) and step.step == 5)
    assert detail == "when asked (SIGTERM) during the validation, checkpoint saved"
    assert cut.tail().epoch is None
    finish(cut)
    figures = [(e.step, e.train_loss, e.train_acc, e.val_loss, e.val_acc) for e in epochs(whole) + epochs(cut)]
    assert len(figures) == 2
    assert figures[0] == figures[1]


@pytest.mark.slow
def test_during_the_test_and_a_resume_tests_it(store, tiny):
    run = begin(store, model="resnet18", batch_size=72)
    detail = stop_when(run, lambda: phase(run) == "testing")
    assert detail == "when asked (SIGTERM) during the test; a resume tests it"
    assert run.test_report() is None
    trained = epochs(run)
    finish(run)
    assert epochs(run) == trained, "no epoch is trained again"
    assert run.test_report() is not None


def epochs(run: Run) -> list[records.Epoch]:
    return [record for record in RecordTail(run).read() if isinstance(record, records.Epoch)]
