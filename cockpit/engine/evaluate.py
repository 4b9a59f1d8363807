"""Evaluation in eval mode, and the one reader of the test set."""

import contextlib
import math
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cockpit import datasets, results
from cockpit.durable import DamagedFileError
from cockpit.engine.augment import ImageBank
from cockpit.engine.backend import Backend, choose_backend
from cockpit.engine.checkpoint import Best, load_best
from cockpit.engine.memory import is_out_of_memory, let_go
from cockpit.errors import CockpitError
from cockpit.predictions import NUM_GUESSES, Predictions
from cockpit.recipe import Recipe
from cockpit.store import Run
from nets import build

BATCH = 1_000
"""Images an evaluation step."""


class Scores(NamedTuple):
    """How a network does on a set of images."""

    loss: float
    """Mean cross-entropy an image."""
    top1: float
    """0-1."""
    top5: float
    """0-1; among all classes if there are fewer than five."""
    logits: Tensor = torch.empty(0, 0)
    """(P, classes) float32 on the CPU: those of the images that they were asked of."""


class Answers(NamedTuple):
    """What a network says of B images, on their device."""

    guesses: Tensor
    """(B, K) int64: the five likeliest classes, the likeliest first; all where there are fewer."""
    probabilities: Tensor
    """(B, K) float32: their softmax probabilities, 0-1."""
    losses: Tensor
    """(B,) float32: cross-entropy."""


def evaluate(
    model: nn.Module,
    bank: ImageBank,
    backend: Backend,
    places: Sequence[int] = (),
    answers: list[Answers] | None = None,
) -> Scores:
    """Run every image of a bank once through the network in eval mode.

    Fewer at a time, where there is no memory for `BATCH`: that changes no image's logits, only the order of sums.

    Args:
        model: The network.
        bank: The images.
        backend: Device and precision.
        places: The images in the bank whose logits are wanted too.
        answers: Gains what the network says of each image, in their order; None where only the scores are wanted.
    """
    batch = BATCH
    while True:
        try:
            if answers is not None:
                answers.clear()  # of a batch that found no memory
            return _evaluate(model, bank, backend, batch, places, answers)
        except (RuntimeError, MemoryError) as error:
            if batch == 1 or not is_out_of_memory(error):
                raise
            let_go(error)
        batch //= 2
        print(f"no memory to evaluate {2 * batch} images at a time; trying {batch}", file=sys.stderr, flush=True)


@torch.inference_mode()
def _evaluate(
    model: nn.Module,
    bank: ImageBank,
    backend: Backend,
    batch: int,
    places: Sequence[int],
    answers: list[Answers] | None,
) -> Scores:
    """Evaluate so many images at a time; sums and answers stay on the device until the end."""
    was_training = model.training
    model.eval()
    loss = torch.zeros((), dtype=backend.sum_dtype, device=backend.device)
    hits = torch.zeros(2, dtype=torch.int64, device=backend.device)
    kept: dict[int, Tensor] = {}
    for start in range(0, len(bank), batch):
        images, labels = bank.plain(start, start + batch)
        with backend.autocast():
            logits = model(images)
        loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        hits += count_hits(logits, labels)
        kept |= {place: logits[place - start] for place in places if start <= place < start + len(labels)}
        if answers is not None:
            answers.append(answer(logits, labels))
    model.train(was_training)
    top1, top5 = (hits.cpu().double() / len(bank)).tolist()
    rows = torch.stack([kept[place] for place in places]).float().cpu() if places else torch.empty(0, 0)
    return Scores(loss.item() / len(bank), top1, top5, rows)


def count_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many of (B,) labels are the best and among the five best of (B, classes) logits: (2,) int64."""
    best = _best(logits)
    right = best == labels.unsqueeze(1)
    return torch.stack([right[:, 0].sum(), right.sum()])


def answer(logits: Tensor, labels: Tensor) -> Answers:
    """Return what (B, classes) logits say of images with (B,) labels, with the guesses that `count_hits` counts."""
    guesses = _best(logits)
    probabilities = logits.float().softmax(1).gather(1, guesses)
    return Answers(guesses, probabilities, F.cross_entropy(logits.float(), labels, reduction="none"))


def _best(logits: Tensor) -> Tensor:
    return logits.topk(min(NUM_GUESSES, logits.shape[1]), dim=1).indices


def choose_test_backend(run: Run, device: str) -> Backend:
    """Return where a run is tested: where the user says, in the arithmetic that it was trained in there.

    Raises:
        CockpitError: When torch has no such device.
    """
    imported = run.imported()
    return choose_backend_of(run, None if imported else run.recipe, device)


def choose_backend_of(run: Run, recipe: Recipe | None, device: str) -> Backend:
    """Return the same for a run whose recipe is known from elsewhere; without one, as of imported weights, in fp32.

    Raises:
        CockpitError: When torch has no such device.
    """
    backend = choose_backend(device, recipe.precision if recipe else "fp32")
    choice = run.choice(backend.name)
    if choice is not None:
        backend = backend._replace(precision=choice.precision)
    return backend


def rebuild(best: Best) -> nn.Module:
    """Return a run's best network, on the CPU.

    Raises:
        DamagedFileError: When the weights are not those of the network that the file names.
    """
    model = build(best.model, len(best.classes))
    try:
        model.load_state_dict(best.weights)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise DamagedFileError(f"the best checkpoint is not of {best.model}: {reason}") from error
    return model


def load_network(best: Best, backend: Backend) -> nn.Module:
    """Return a run's best network on its device, see `rebuild`."""
    return rebuild(best).to(backend.device).to(memory_format=torch.channels_last)


def run_test(run: Run, backend: Backend) -> results.TestReport:
    """Test a run's best weights on the test set, write predictions.safetensors and test.json and return the latter.

    Raises:
        CockpitError: When there is no undamaged checkpoint, the dataset's test images are not here, or the result
            cannot be kept.
    """
    best = load_best(run)
    dataset = best.dataset
    spec = datasets.find_dataset(dataset)
    if spec.classes != best.classes:
        raise CockpitError(f"{run.best_path} was trained on other classes than the dataset {dataset} has now")
    images, labels = datasets.load_packed(dataset, "test")
    model = load_network(best, backend)
    answers: list[Answers] = []
    scores = evaluate(model, ImageBank(images, labels, best.normalization, backend.device), backend, answers=answers)
    predictions = _keep_predictions(run, labels, answers, best.classes)
    report = results.TestReport(
        run=run.id,
        checkpoint=run.best_path.name,
        sha256=best.sha256,
        epoch=best.epoch,
        dataset=dataset,
        images=len(labels),
        top1=scores.top1,
        top5=scores.top5,
        loss=scores.loss if math.isfinite(scores.loss) else None,
        time=time.time(),
        device=backend.name,
        precision=backend.precision,
        predictions=predictions,
    )
    try:
        run.write_test_report(report)
    except OSError as error:
        raise CockpitError(
            f"top-1 is {report.top1:.2%}, but {run.test_path} cannot be written: {error.strerror}; make room, then "
            f"test it again"
        ) from error
    return report


def _keep_predictions(run: Run, labels: np.ndarray, answers: list[Answers], classes: tuple[str, ...]) -> str:
    """Write what the network says of each image and return the file's digest; empty, and said, where that fails.

    A network that says of nothing how likely it is has diverged; it is tested all the same.
    """
    parts = [torch.cat(part).cpu().numpy() for part in zip(*answers, strict=True)]
    if not np.isfinite(parts[1]).all():
        print("the network's outputs are not finite, so there is no report on each image", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            run.predictions_path.unlink(missing_ok=True)  # those of an earlier test say nothing of these weights
        return ""
    try:
        return run.write_predictions(Predictions(labels, *parts, classes=classes))
    except OSError as error:
        print(
            f"{run.predictions_path} cannot be written ({error.strerror}): no report on each image",
            file=sys.stderr,
            flush=True,
        )
        return ""
