"""The trainer, from top to bottom: prepare, choose how to step, loop over epochs, validate, keep, and test once.

It only appends to its run folder. It never asks whether anybody watches.
"""

import math
import os
import time
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cockpit import datasets, durable, records
from cockpit.engine import probe
from cockpit.engine.agreement import begin_alike, compute_alike
from cockpit.engine.augment import batches, draw_plan
from cockpit.engine.backend import Backend, choose_backend, make_exact
from cockpit.engine.checkpoint import LoopState, load_last, take_snapshot, take_up_best
from cockpit.engine.data import TrainingData, check_prepared, load_training_data, prepare
from cockpit.engine.evaluate import Scores, evaluate, run_test
from cockpit.engine.guesses import make_record
from cockpit.engine.interruptible import InterruptibleStep
from cockpit.engine.journal import Journal
from cockpit.engine.keeper import Keeper
from cockpit.engine.norm import sync_batch_norm
from cockpit.engine.ranks import Ranks, SharedStep, evaluate_together, only_way, own_batches
from cockpit.engine.step import TakeStep, make_optimizer, make_step
from cockpit.engine.stopping import BEFORE_STEPS, StopFlag, Stopped
from cockpit.engine.tally import Tally
from cockpit.recipe import Recipe, val_images
from cockpit.results import NOT_FINITE
from cockpit.schedule import Schedule, make_schedule
from cockpit.store import Run
from nets import build


def train(run: Run, device: str, journal: Journal, stop: StopFlag) -> None:
    """Train a run to its end, from wherever it stands, and test its best weights.

    Args:
        run: The run, whose writer lock this process holds.
        device: What was asked for, see `choose_backend`.
        journal: Where the records go.
        stop: Asked between steps.

    Raises:
        Stopped: When `stop` said so; the checkpoint is saved.
        CockpitError: When the run cannot go on, in a sentence.
    """
    durable.sweep(run.path)
    loop = begin(run, device, journal, stop)
    with Keeper(run, journal, loop.data.normalization, loop.classes) as keeper:
        while loop.state.epoch < loop.recipe.num_epochs:
            run_epoch(loop, keeper, stop)
    journal.phase("finished", test_best(run, loop, journal, stop))


def test_best(run: Run, loop: "Loop", journal: Journal, stop: StopFlag) -> str:
    """Test a run's best weights and return what came of it, for the last record.

    Raises:
        Stopped: When `stop` said so.
        CockpitError: When they cannot be tested, or the result cannot be kept.
    """
    journal.phase("testing", f"epoch {loop.state.best_epoch} on the test images of {loop.recipe.dataset}")
    with stop.at_once("during the test; a resume tests it"):
        report = run_test(run, loop.backend)
    return f"test top-1 {report.top1:.2%}" + (f", {NOT_FINITE}" if report.loss is None else "")


def begin(run: Run, device: str, journal: Journal, stop: StopFlag, ranks: Ranks | None = None) -> "Loop":
    """Prepare the data, choose how to step, and build the training, or take it up where it stands.

    Args:
        run: The run.
        device: What this process was asked for, see `choose_backend`.
        journal: Where the records go.
        stop: Asked now and then.
        ranks: The processes that share the training; None when it is this one's alone.

    Raises:
        Stopped: When `stop` said so; there is nothing to save yet.
        CockpitError: When the run cannot go on, in a sentence.
    """
    recipe = run.recipe
    journal.phase("preparing", f"reading {recipe.dataset}")
    with stop.at_once(f"while {recipe.dataset} was prepared"):
        if ranks is None:
            prepare(recipe.dataset, journal.progress, stop)
        else:
            check_prepared(recipe.dataset)  # the starter has prepared it, for all
    with stop.at_once(BEFORE_STEPS):
        if recipe.exact:
            make_exact()
        backend, choice = choose(run, choose_backend(device, recipe.precision), journal, ranks)
        loop = Loop.begin(run, backend, choice, journal, stop, ranks)
    how = f"{choice.device}, {choice.precision}, {choice.way}, {torch.get_num_threads()} threads"
    journal.phase("running", f"{how}; {choice.reason}")
    return loop


def choose(run: Run, backend: Backend, journal: Journal, ranks: Ranks | None) -> tuple[Backend, records.Choice]:
    """Return how the run's steps are computed: as its last attempt on this device did, else as the probe decides."""
    choice = run.choice(ranks.devices if ranks else backend.name)
    if ranks is not None:  # before the first rank writes its choice: who reads late would hide behind it
        compute_alike(ranks, choice.precision if choice else backend.precision)
    if choice is None and ranks is not None:
        choice = only_way(ranks.devices, backend, run.recipe.batch_norm)
        journal.write(choice, durable=True)
    elif choice is None:
        journal.phase("preparing", "measuring how to take a step")
        num_images = datasets.find_dataset(run.recipe.dataset).train_images
        num_train = num_images - val_images(num_images, run.recipe.val_fraction)
        choice = probe.decide(run.recipe, backend, num_train)
        if backend.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(backend.device)  # what the probe took is not the training's
        journal.write(choice, durable=True)
    return backend._replace(precision=choice.precision), choice


class Loop(NamedTuple):
    """A training under way."""

    recipe: Recipe
    backend: Backend
    choice: records.Choice
    journal: Journal
    data: TrainingData
    model: nn.Module
    optimizer: torch.optim.Optimizer
    take_step: TakeStep
    schedule: Schedule
    state: LoopState
    classes: tuple[str, ...]
    hflip: bool
    ranks: Ranks | None

    @classmethod
    def begin(
        cls,
        run: Run,
        backend: Backend,
        choice: records.Choice,
        journal: Journal,
        stop: StopFlag,
        ranks: Ranks | None,
    ) -> "Loop":
        """Build everything from the recipe, then take up the checkpoint if there is one."""
        recipe = run.recipe
        spec = datasets.find_dataset(recipe.dataset)
        data = load_training_data(recipe, backend.device, ranks)
        torch.manual_seed(recipe.seed)
        model = build(recipe.model, spec.num_classes).to(backend.device).to(memory_format=torch.channels_last)
        model.train()
        optimizer = make_optimizer(model, recipe)
        state = load_last(run, model, optimizer) if os.path.lexists(run.last_path) else LoopState()
        take_up_best(run, state)
        if ranks is not None:
            begin_alike(ranks, state, model, optimizer)
            if choice.batch_norm == "synced":
                sync_batch_norm(model, ranks)
            ranks.part_dropout(recipe.seed, state.step)
            take_step = SharedStep(model, optimizer, backend, ranks, label_smoothing=recipe.label_smoothing)
        else:
            images, _ = data.train.plain(0, recipe.batch_size)
            take_step = make_step(choice.way, model, optimizer, backend, images, recipe)
            layer_by_layer = backend.device.type == "cpu" and choice.way == "eager"
            take_step = InterruptibleStep(take_step, model, optimizer, stop, layer_by_layer=layer_by_layer)
        journal.continue_from(state.step, state.elapsed_s)
        shown = backend.name if ranks is None else f"{backend.name} (1 of {ranks.size})"
        journal.watch_device(backend.device.type, backend.device.index or 0, shown)
        schedule = make_schedule(recipe, math.ceil(len(data.train) / recipe.batch_size))
        return cls(
            recipe,
            backend,
            choice,
            journal,
            data,
            model,
            optimizer,
            take_step,
            schedule,
            state,
            spec.classes,
            spec.hflip_ok,
            ranks,
        )

    def steps(self) -> Generator[None]:
        """Train the present epoch from the batch it stands at; yield after every step, and close its sums at the end.

        Raises:
            Stopped: When a slow step was given up for a request; it is as if it had not begun.
            CockpitError: When the loss is no number any more.
        """
        state, recipe = self.state, self.recipe
        self.model.train()
        tally = Tally(self.backend.device, state)
        begun, before_s = time.monotonic(), state.epoch_s
        try:
            for images, labels in self._batches():
                outcome = self.take_step(images, labels, self.schedule.lr(state.step))
                num_images = min(recipe.batch_size, len(self.data.train) - state.batch * recipe.batch_size)
                state.batch += 1
                state.step += 1
                tally.add(outcome, num_images, state.step)
                if self.journal.sample_due():
                    self._sample(tally)
                yield
        finally:
            tally.close()  # waits for the device, so it comes before the clock
            state.epoch_s = before_s + time.monotonic() - begun
        assert state.batch == math.ceil(len(self.data.train) / recipe.batch_size)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        plan = draw_plan(
            len(self.data.train),
            self.recipe.seed,
            self.state.epoch,
            self.backend.device,
            augment=self.recipe.augment,
            hflip=self.hflip,
        )
        data, batch_size, first = self.data.train, self.recipe.batch_size, self.state.batch
        if self.ranks is None:
            return batches(data, plan, batch_size, first=first)
        return own_batches(data, plan, batch_size, first=first, rank=self.ranks.rank, size=self.ranks.size)

    def _sample(self, tally: Tally) -> None:
        window = tally.window()
        images = min(self.state.batch * self.recipe.batch_size, len(self.data.train))
        self.journal.sample(
            epochs_done=self.state.epoch + images / len(self.data.train),
            step=self.state.step,
            loss=window.loss,
            acc=window.acc,
            images=window.images,
            lr=self.schedule.lr(self.state.step - 1),
        )

    def validate(self) -> Scores:
        """Evaluate the network on the validation images."""
        if self.ranks is None:
            return evaluate(self.model, self.data.val, self.backend, self.data.watched.places)
        watched, num_classes = self.data.watched, len(self.classes)
        return evaluate_together(self.model, self.data.val, self.backend, self.ranks, watched, num_classes)

    def end_epoch(self) -> None:
        """Count the epoch and begin the next."""
        state = self.state
        state.epoch += 1
        state.batch, state.epoch_loss, state.epoch_hits, state.epoch_s = 0, 0.0, 0.0, 0.0


def run_epoch(loop: Loop, keeper: Keeper | None, stop: StopFlag) -> None:
    """Train one epoch from the batch it stands at, validate, and keep the weights unless another rank does."""
    try:
        for _ in (steps := loop.steps()):
            if stop():
                steps.close()
                raise Stopped(f"{stop.how} at step {loop.state.step}")
        with stop.at_once("during the validation"):
            scores = loop.validate()
    except Stopped as stopped:
        _keep(loop, keeper)
        if keeper is not None:
            keeper.flush()
        raise Stopped(f"{stopped}, checkpoint saved") from None
    state, num_images = loop.state, len(loop.data.train)
    train_loss, train_acc, epoch_s = state.epoch_loss / num_images, state.epoch_hits / num_images, state.epoch_s
    loop.end_epoch()
    best = state.best_val_acc is None or scores.top1 > state.best_val_acc
    if best:
        state.best_val_acc, state.best_epoch = scores.top1, state.epoch
    epoch = records.Epoch(
        time=time.time(),
        epoch=state.epoch,
        step=state.step,
        train_loss=train_loss,
        train_acc=train_acc,
        val_loss=scores.loss,
        val_acc=scores.top1,
        lr=loop.schedule.lr(state.step - 1),
        epoch_s=epoch_s,
        img_per_s=num_images / epoch_s,
        elapsed_s=loop.journal.elapsed_s(),
        best_val_acc=state.best_val_acc,
        best_epoch=state.best_epoch,
    )
    guesses = make_record(loop.data.watched, scores.logits, epoch=state.epoch, step=state.step)
    _keep(loop, keeper, best=best, epoch=(guesses, epoch))


def _keep(loop: Loop, keeper: Keeper | None, *, best: bool = False, epoch: Sequence[records.Record] = ()) -> None:
    loop.state.elapsed_s = loop.journal.elapsed_s()
    loop.journal.step = loop.state.step
    if keeper is not None:
        keeper.keep(take_snapshot(loop.state, loop.model, loop.optimizer), best=best, epoch=epoch)
