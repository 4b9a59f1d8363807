"""Checkpoints are written behind the training's back, in the order that a kill at any moment needs."""

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import threading
from concurrent import futures
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from torch import nn

from cockpit import durable, records
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import LoopState, load_best, load_last, take_snapshot, take_up_best
from cockpit.engine.journal import Journal
from cockpit.engine.keeper import Keeper
from cockpit.engine.step import make_optimizer
from cockpit.recipe import Recipe
from cockpit.series import Series
from cockpit.store import RecordTail, Run, RunStore

NORMALIZATION = Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3))


@pytest.fixture
def run(tmp_path, data_dir) -> Run:
    return RunStore(tmp_path / "runs").create(Recipe().complete())


@pytest.fixture
def keeper(run):
    with Keeper(run, Journal(run, attempt=1), NORMALIZATION, ("a", "b")) as keeper:
        yield keeper


class Training:
    """A network whose weights are all the epoch's number."""

    def __init__(self) -> None:
        self.model = nn.Linear(4, 2)
        self.optimizer = make_optimizer(self.model, Recipe())
        self.state = LoopState()

    def epoch(self, number: int, *, best: bool = True):
        self.state.epoch = self.state.step = number
        if best:
            self.state.best_epoch, self.state.best_val_acc = number, number / 1e6
        with torch.no_grad():
            self.model.weight.fill_(number)
        return take_snapshot(self.state, self.model, self.optimizer)


def epoch_record(number: int, best_epoch: int = 0) -> records.Epoch:
    figures = dict.fromkeys(
        ("train_loss", "train_acc", "val_loss", "val_acc", "lr", "epoch_s", "img_per_s", "elapsed_s"), 0.5
    )
    best_epoch = best_epoch or number
    return records.Epoch(
        time=0.0, epoch=number, step=number, best_val_acc=best_epoch / 1e6, best_epoch=best_epoch, **figures
    )


def test_a_snapshot_is_kept_as_it_was_while_the_training_goes_on(run, keeper):
    training = Training()
    keeper.keep(training.epoch(1), best=True, epoch=[epoch_record(1)])
    training.epoch(2)
    keeper.flush()
    assert load_best(run).weights["weight"].unique().tolist() == [1.0]
    fresh = Training()
    assert load_last(run, fresh.model, fresh.optimizer).epoch == 1
    assert fresh.model.weight.unique().tolist() == [1.0]


def test_no_record_is_left_out_when_epochs_are_quicker_than_the_disk(run, keeper):
    training = Training()
    for number in range(1, 101):
        keeper.keep(training.epoch(number), best=number <= 60, epoch=[epoch_record(number)])
    keeper.flush()
    epochs = [record.epoch for record in RecordTail(run).read() if isinstance(record, records.Epoch)]
    assert epochs == list(range(1, 101))
    fresh = Training()
    assert load_last(run, fresh.model, fresh.optimizer).epoch == 100
    assert load_best(run).epoch == 60


def test_the_best_weights_on_disk_are_never_worse_than_what_a_record_tells(run, keeper):
    told_too_early = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            epoch = run.tail().epoch
            if epoch is not None and load_best(run).epoch < epoch.best_epoch:
                told_too_early.append(epoch.best_epoch)

    with futures.ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        training = Training()
        for number in range(1, 41):
            keeper.keep(training.epoch(number), best=True, epoch=[epoch_record(number)])
            if number % 4 == 0:
                keeper.flush()
        done.set()
        watching.result()
    assert not told_too_early


def test_a_save_that_fails_is_told_to_the_loop(run, keeper):
    training = Training()
    keeper.keep(training.epoch(1))
    keeper.flush()
    run.path.rename(run.path.with_name("gone"))  # no file can be made in a folder that is not there
    keeper.keep(training.epoch(2))
    with pytest.raises(OSError, match="No such file"):
        keeper.flush()
    run.path.with_name("gone").rename(run.path)
    keeper.keep(training.epoch(3))
    keeper.flush()
    fresh = Training()
    assert load_last(run, fresh.model, fresh.optimizer).epoch == 3


def test_leaving_the_context_writes_what_waits_also_when_the_loop_failed(run):
    def fail_after_an_epoch() -> None:
        with Keeper(run, Journal(run, attempt=1), NORMALIZATION, ("a", "b")) as keeper:
            keeper.keep(Training().epoch(5), best=True, epoch=[epoch_record(5)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_an_epoch()
    assert load_best(run).epoch == 5
    assert json.loads(run.metrics_path.read_text())["epoch"] == 5


def keep_until_killed(path: Path, attempt: int, told: Connection) -> None:
    """Do as a trainer does: take up what is there, then keep one epoch after another; tell what is on the disk."""
    torch.set_num_threads(1)
    run, training = Run(path), Training()
    durable.sweep(path)
    if run.last_path.exists():
        training.state = load_last(run, training.model, training.optimizer)
    take_up_best(run, training.state)
    journal = Journal(run, attempt, aloud=False)
    journal.continue_from(training.state.step, 0.0)
    journal.phase("running")
    told.send([name for name in os.listdir(path) if name.startswith(".saving-")])
    with Keeper(run, journal, NORMALIZATION, ("a", "b")) as keeper:
        for number in itertools.count(training.state.epoch + 1):
            best = number % 3 != 0 and number > training.state.best_epoch  # kept weights may be ahead of the state
            snapshot = training.epoch(number, best=best)
            keeper.keep(snapshot, best=best, epoch=[epoch_record(number, snapshot.state.best_epoch)])
            if number % 2 == 0:
                keeper.flush()
                told.send(number)


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_of_keeping_loses_nothing_that_was_told(run, kills):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cockpit.engine.keeper", "cockpit.engine.step", "torch._dynamo", "pytest"])
    rng = random.Random(0)
    newest, in_a_save, saves = 0, 0, 0
    for attempt in range(1, kills + 1):
        ours, theirs = context.Pipe(duplex=False)
        trainer = context.Process(target=keep_until_killed, args=(run.path, attempt, theirs))
        trainer.start()
        theirs.close()
        assert ours.recv() == [], "leftovers are swept"
        threading.Timer(rng.uniform(0, 0.15), trainer.kill).start()
        with contextlib.suppress(EOFError):
            while True:
                newest = ours.recv()
                saves += 1
        trainer.join()
        in_a_save += any(name.startswith(".saving-") for name in os.listdir(run.path))
        told = [record for record in RecordTail(run).read() if isinstance(record, records.Epoch)]
        if told:
            best = load_best(run)
            assert best.epoch >= max(record.best_epoch for record in told)
            assert best.weights["weight"].unique().tolist() == [float(best.epoch)]
        if newest or run.last_path.exists():
            fresh = Training()
            state = load_last(run, fresh.model, fresh.optimizer)
            assert state.epoch >= newest
            assert fresh.model.weight.unique().tolist() == [float(state.epoch)]
    print(f"{kills} kills, {in_a_save} left a half-written file; {saves} flushes acknowledged, none lost, all load")
    assert in_a_save > kills // 10 or kills < 100, "the kills meet the saves, as far as so few can tell"
    epochs = Series(RecordTail(run).read()).curve("val_acc").x
    assert epochs.tolist() == list(range(1, len(epochs) + 1)), "one continuous run"
    assert len(epochs) >= newest > 0
