"""A run's life with real trainers: started, killed, stopped, resumed, failed; its metrics read as one."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from terminal import Terminal, behind_a_connection
from waiting import wait_for

from cockpit import durable, launch, records, status, tasks
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.records import FINAL_STATES
from cockpit.store import RecordTail, Run, RunBusyError, RunStore

EPOCHS, STEPS = 4, 9  # 144 training images in batches of 16


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny):
    run = RunStore(tmp_path_factory.mktemp("runs")).create(recipe())
    launch.start(run, device="cpu", sample_s=0)
    wait_for_end(run)
    return run


def recipe(**changes) -> Recipe:
    return Recipe(**{"dataset": "tiny", "epochs": EPOCHS, "batch_size": 16, "lr": 0.02} | changes).complete()


def wait_for_end(run: Run) -> status.RunInfo:
    wait_for(lambda: status.describe(run).status not in status.LIVE, what=f"the end of {run.id}")
    return status.describe(run)


def wait_for_step(run: Run, step: int) -> None:
    wait_for(lambda: (tail := run.tail().step) and tail.step >= step, what=f"step {step}")


def as_one_run(run: Run) -> tuple[dict[int, tuple], dict[int, tuple]]:
    """Steps and epochs as a reader sees them: what a resume went back behind is gone."""
    steps: dict[int, tuple] = {}
    epochs: dict[int, tuple] = {}
    for record in RecordTail(run).read():
        match record:
            case records.Phase(state="running", step=resumed_at):
                steps = {step: value for step, value in steps.items() if step <= resumed_at}
                epochs = {epoch: value for epoch, value in epochs.items() if value[0] <= resumed_at}
            case records.Step():
                assert record.step not in steps
                steps[record.step] = (record.loss, record.acc, record.lr, record.epoch)
            case records.Epoch() as e:
                assert e.epoch not in epochs
                epochs[e.epoch] = (e.step, e.train_loss, e.train_acc, e.val_loss, e.val_acc, e.best_val_acc)
    return steps, epochs


def test_a_run_ends_tested(uninterrupted):
    info = status.describe(uninterrupted)
    assert (info.status, info.epoch, info.epochs) == ("finished", EPOCHS, EPOCHS)
    assert info.test is not None
    assert uninterrupted.test_report().images == 40
    phases = [record.state for record in RecordTail(uninterrupted).read() if isinstance(record, records.Phase)]
    assert phases == ["preparing", "preparing", "running", "testing", "finished"]  # the data, then the way to step
    steps, epochs = as_one_run(uninterrupted)
    assert list(steps) == list(range(1, EPOCHS * STEPS + 1))
    assert list(epochs) == list(range(1, EPOCHS + 1))
    kinds = {record.__struct_config__.tag for record in RecordTail(uninterrupted).read()}
    assert kinds == {"phase", "choice", "step", "epoch", "guesses", "device"}


@pytest.mark.slow
def test_exact_reruns_are_equal_to_the_bit(store, uninterrupted):
    run = store.create(recipe(exact=True))
    launch.start(run, device="cpu", sample_s=0)
    assert wait_for_end(run).status == "finished"
    assert as_one_run(run) == as_one_run(uninterrupted)  # a CPU's usual steps are exact too
    choice = run.choice("cpu")
    assert choice is not None
    assert choice.reason == "exact reruns were asked for"


@pytest.mark.slow
def test_a_resume_on_the_same_device_keeps_to_the_way_that_was_chosen(store, tiny):
    run = store.create(recipe(precision="bf16", epochs=2))
    launch.start(run, device="cpu", sample_s=0)
    wait_for_step(run, 2)
    launch.send(run, "stop")
    assert wait_for_end(run).status == "stopped"
    launch.start(run, device="cpu", sample_s=0)
    assert wait_for_end(run).status == "finished"
    choices = [record for record in RecordTail(run).read() if isinstance(record, records.Choice)]
    assert [(choice.precision, choice.reason) for choice in choices] == [("bf16", "bf16 was asked for")]
    report = run.test_report()
    assert report is not None
    assert report.precision == "bf16"


@pytest.mark.parametrize(
    "killed_at",
    [pytest.param(2, marks=pytest.mark.slow), STEPS + 4, pytest.param(3 * STEPS + 1, marks=pytest.mark.slow)],
)
def test_resume_after_kill_9_repeats_the_uninterrupted_losses(store, uninterrupted, killed_at):
    run = store.create(recipe())
    process = psutil.Process(launch.start(run, device="cpu", sample_s=0).pid)
    wait_for_step(run, killed_at)
    process.kill()
    wait_for(lambda: status.describe(run).status == "lost", timeout_s=5)
    assert launch.start(run, device="cpu", sample_s=0).attempt == 2
    assert wait_for_end(run).status == "finished"
    assert as_one_run(run) == as_one_run(uninterrupted)
    assert run.test_report().top1 == uninterrupted.test_report().top1
    assert run.test_report().loss == uninterrupted.test_report().loss


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_stop_in_mid_epoch_keeps_every_step(store, uninterrupted, number):
    run = store.create(recipe())
    pid = launch.start(run, device="cpu", sample_s=0).pid
    wait_for_step(run, STEPS + 3)
    os.kill(pid, number)
    info = wait_for_end(run)
    assert info.status == "stopped"
    assert number.name in info.detail
    stopped_at = run.tail().step.step
    launch.start(run, device="cpu", sample_s=0)
    assert wait_for_end(run).status == "finished"
    resumed = [r for r in RecordTail(run).read() if isinstance(r, records.Phase) and r.state == "running"][1]
    assert resumed.step == stopped_at
    stopped, finished = [r for r in RecordTail(run).read() if isinstance(r, records.Phase) and r.state in FINAL_STATES]
    assert (stopped.step, finished.step) == (stopped_at, EPOCHS * STEPS)
    assert as_one_run(run) == as_one_run(uninterrupted)


@pytest.mark.slow
def test_a_hangup_is_ignored_and_a_second_trainer_refused(store, tiny):
    flags = ["--dataset", "tiny", "--epochs", "200", "--batch-size", "16", "--device", "cpu", "--sample-s", "0"]
    words = [sys.executable, "-m", "cockpit", "train", *flags, "--runs", str(store.root)]
    with Terminal(*behind_a_connection(words)) as terminal:
        run = wait_for(store.list, what="a run")[0]
        wait_for_step(run, 3)
        (follower,) = psutil.Process(terminal.pid).children()
        terminal.kill()
        wait_for(lambda: not follower.is_running(), what="the end of `cockpit train`, whose terminal is gone")
    process = psutil.Process(run.launches()[-1].pid)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(RunBusyError, match="another trainer"):
        launch.start(run, device="cpu")
    with pytest.raises(RunBusyError):
        store.remove(run)
    wait_for_step(run, run.tail().step.step + 5)
    assert status.describe(run).status == "running"
    assert os.getsid(process.pid) == process.pid
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: status.describe(run).status == "stale")
    process.send_signal(signal.SIGCONT)
    assert launch.send(run, "stop")
    assert wait_for_end(run).status == "stopped"
    assert not launch.send(run, "stop")
    store.remove(run)


def test_a_loss_that_is_no_number_fails_the_run(store, tiny):
    run = store.create(recipe(lr=1e9, warmup_epochs=0.0))
    launch.start(run, device="cpu", sample_s=0)
    info = wait_for_end(run)
    assert info.status == "failed"
    assert info.detail.startswith("loss is NaN at step ")


def test_a_trainer_that_cannot_read_its_data_says_so(store, tiny):
    run = store.create(recipe())
    images = tiny / "train-images.npy"
    kept = images.read_bytes()
    images.write_bytes(kept[:1000])
    try:
        launch.start(run, device="cpu")
        info = wait_for_end(run)
    finally:
        images.write_bytes(kept)
    assert info.status == "failed"
    assert "packed train images of tiny" in info.detail


def test_a_device_that_is_not_here_is_refused(store, tiny):
    run = store.create(recipe())
    with pytest.raises(CockpitError, match="device 'cuda:77' is not on this machine; choose one of auto"):
        launch.start(run, device="cuda:77")
    assert status.describe(run).status == "created"


def test_a_test_needs_a_checkpoint(store, tiny):
    with pytest.raises(CockpitError, match="no best checkpoint yet"):
        tasks.start_test(store.create(recipe()))


def test_a_test_by_hand_writes_the_same_result(uninterrupted):
    before = uninterrupted.test_report()
    uninterrupted.test_path.unlink()
    process = tasks.start_test(uninterrupted, device="cpu")
    assert process.wait(60) == 0
    again = uninterrupted.test_report()
    assert (again.top1, again.top5, again.loss, again.sha256) == (
        before.top1,
        before.top5,
        before.loss,
        before.sha256,
    )


@pytest.mark.slow
def test_a_run_whose_test_fails_keeps_its_checkpoints_and_a_resume_finishes_it(store, tiny):
    run = store.create(recipe(epochs=1))
    images = (tiny / "test-images.npy").rename(tiny / "hidden")
    try:
        launch.start(run, device="cpu")
        info = wait_for_end(run)
    finally:
        images.rename(tiny / "test-images.npy")
    assert (info.status, info.epoch, info.test) == ("failed", 1, None)
    assert "the packed test images of tiny" in info.detail
    kept = {path: durable.read_checked(path) for path in (run.last_path, run.best_path)}
    assert main(["resume", run.id, "--runs", str(store.root), "--device", "cpu"]) == 0
    assert wait_for_end(run).test is not None
    assert {path: durable.read_checked(path) for path in kept} == kept, "nothing was trained again"


@pytest.mark.slow
def test_a_result_that_cannot_be_written_fails_the_run_in_words_and_is_made_up_for(store, tiny, capsys):
    run = store.create(recipe(epochs=1))
    words = [run.id, "--runs", str(store.root), "--device", "cpu"]
    run.test_path.mkdir()
    launch.start(run, device="cpu")
    info = wait_for_end(run)
    assert info.status == "failed"
    assert "test.json cannot be written: it is a folder, not a file; move it away" in info.detail
    assert main(["test", *words]) == 2
    assert "test.json cannot be written: it is a folder, not a file; move it away" in capsys.readouterr().err
    run.test_path.rmdir()
    assert main(["test", *words]) == 0
    assert status.describe(run).test is not None
    assert main(["resume", *words]) == 0
    assert status.describe(run).status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "harm", "sentence"),
    [
        ("last.pt", lambda path: path.write_bytes(b"junk"), "last.pt is damaged"),
        ("last.pt", lambda path: path.symlink_to("nowhere"), "last.pt cannot be read: it is a link that leads nowhere"),
        ("best.safetensors", Path.mkdir, "best.safetensors cannot be written: it is a folder, not a file"),
        (".reserve", Path.mkdir, ""),
        (".reserve", os.mkfifo, ""),
        (".saving-old", Path.mkdir, ""),
    ],
    ids=["damaged state", "dead link", "folder for weights", "folder for room", "pipe for room", "folder for a save"],
)
def test_a_trainer_in_a_damaged_folder_says_why_or_goes_on(store, tiny, name, harm, sentence):
    run = store.create(recipe(epochs=1))
    harm(run.path / name)
    launch.start(run, device="cpu")
    info = wait_for_end(run)
    assert info.status == ("failed" if sentence else "finished")
    assert sentence in info.detail


@pytest.mark.parametrize("name", ["log.txt", "metrics.jsonl", "launches.jsonl", ".lock"])
@pytest.mark.parametrize("harm", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_a_folder_that_cannot_be_written_is_said_before_a_trainer_starts(store, tiny, name, harm):
    run = store.create(recipe(epochs=1))
    harm(run.path / name)
    with pytest.raises(CockpitError, match=rf"{name} cannot be (read|written): it is a (pipe|folder), not a file"):
        launch.start(run, device="cpu")
