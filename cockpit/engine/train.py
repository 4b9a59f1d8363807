"""The trainer, from top to bottom: prepare, loop over epochs and steps, validate, keep, and at the end test once.

It only appends to its run folder. It never asks whether anybody watches.
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cockpit import datasets, durable, records
from cockpit.engine.augment import draw_plan
from cockpit.engine.backend import Backend, choose_backend
from cockpit.engine.checkpoint import LoopState, load_last, save_best, save_last
from cockpit.engine.data import TrainingData, load_training_data, prepare
from cockpit.engine.evaluate import evaluate, run_test
from cockpit.engine.journal import Journal
from cockpit.engine.schedule import Schedule, make_schedule
from cockpit.engine.stopping import StopFlag, Stopped
from cockpit.engine.tally import Tally
from cockpit.progress import Cancelled
from cockpit.recipe import Recipe
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
    recipe = run.recipe
    durable.sweep(run.path)
    journal.phase("preparing", f"reading {recipe.dataset}")
    try:
        prepare(recipe.dataset, journal.progress, stop)
    except Cancelled:
        raise Stopped(f"by {stop.reason} while {recipe.dataset} was prepared") from None
    backend = choose_backend(device, recipe.precision)
    loop = Loop.begin(run, recipe, backend, journal)
    journal.phase("running", f"{backend.name}, {backend.precision}, {torch.get_num_threads()} threads")
    while loop.state.epoch < recipe.num_epochs:
        loop.run_epoch(stop)
    journal.phase("testing", f"epoch {loop.state.best_epoch} on the test images of {recipe.dataset}")
    report = run_test(run, backend)
    journal.phase("finished", f"test top-1 {report.top1:.2%}")


class Loop(NamedTuple):
    """A training under way."""

    run: Run
    recipe: Recipe
    backend: Backend
    journal: Journal
    data: TrainingData
    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    state: LoopState
    classes: tuple[str, ...]
    hflip: bool

    @classmethod
    def begin(cls, run: Run, recipe: Recipe, backend: Backend, journal: Journal) -> "Loop":
        """Build everything from the recipe, then take up the checkpoint if there is one."""
        spec = datasets.find_dataset(recipe.dataset)
        data = load_training_data(recipe, backend.device)
        torch.manual_seed(recipe.seed)
        model = build(recipe.model, spec.num_classes).to(backend.device).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.peak_lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        state = load_last(run, model, optimizer) if run.last_path.exists() else LoopState()
        journal.continue_from(state.step, state.elapsed_s)
        journal.watch_device(backend.device.type, backend.device.index or 0, backend.name)
        schedule = make_schedule(recipe, math.ceil(len(data.train) / recipe.batch_size))
        return cls(run, recipe, backend, journal, data, model, optimizer, schedule, state, spec.classes, spec.hflip_ok)

    def run_epoch(self, stop: StopFlag) -> None:
        """Train one epoch from the batch it stands at, validate, and keep the weights."""
        state, recipe, data = self.state, self.recipe, self.data
        plan = draw_plan(
            len(data.train),
            recipe.seed,
            state.epoch,
            self.backend.device,
            augment=recipe.augment == "seed",
            hflip=self.hflip,
        )
        self.model.train()
        tally = Tally(self.backend, state)
        begun, before_s = time.monotonic(), state.epoch_s
        for start in self._starts():
            images, labels = data.train.batch(plan, start, start + recipe.batch_size)
            loss, hits = self._step(images, labels)
            state.batch += 1
            state.step += 1
            tally.add(loss, hits, len(labels), state.step)
            if self.journal.sample_due():
                window = tally.window()
                self.journal.sample(
                    epochs_done=self._epochs_done(),
                    step=state.step,
                    loss=window.loss,
                    acc=window.acc,
                    images=window.images,
                    lr=self._lr,
                )
            if stop():
                state.epoch_s = before_s + time.monotonic() - begun
                tally.close()
                self._save_last()
                raise Stopped(f"by {stop.reason} at step {state.step}, checkpoint saved")
        state.epoch_s = before_s + time.monotonic() - begun
        tally.close()
        self._end_epoch()

    def _starts(self) -> Iterator[int]:
        return iter(range(self.state.batch * self.recipe.batch_size, len(self.data.train), self.recipe.batch_size))

    def _epochs_done(self) -> float:
        images = min(self.state.batch * self.recipe.batch_size, len(self.data.train))
        return self.state.epoch + images / len(self.data.train)

    @property
    def _lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one optimizer step; return the batch's mean loss and its right guesses, both still on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.lr(self.state.step)
        with self.backend.autocast():
            logits = self.model(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach(), (logits.detach().argmax(1) == labels).sum()

    def _end_epoch(self) -> None:
        state, num_images = self.state, len(self.data.train)
        scores = evaluate(self.model, self.data.val, self.backend)
        train_loss, train_acc, epoch_s = state.epoch_loss / num_images, state.epoch_hits / num_images, state.epoch_s
        state.epoch += 1
        state.batch, state.epoch_loss, state.epoch_hits, state.epoch_s = 0, 0.0, 0.0, 0.0
        if state.best_val_acc is None or scores.top1 > state.best_val_acc:
            state.best_val_acc, state.best_epoch = scores.top1, state.epoch
            save_best(self.run, state, self.model, self.data.normalization, self.classes)
        self.journal.write(
            records.Epoch(
                time=time.time(),
                epoch=state.epoch,
                step=state.step,
                train_loss=train_loss,
                train_acc=train_acc,
                val_loss=scores.loss,
                val_acc=scores.top1,
                lr=self._lr,
                epoch_s=epoch_s,
                img_per_s=num_images / epoch_s,
                elapsed_s=self.journal.elapsed_s(),
                best_val_acc=state.best_val_acc,
                best_epoch=state.best_epoch,
            ),
            durable=True,
        )
        self._save_last()

    def _save_last(self) -> None:
        self.state.elapsed_s = self.journal.elapsed_s()
        self.journal.step = self.state.step
        save_last(self.run, self.state, self.model, self.optimizer)
