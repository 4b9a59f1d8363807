"""Evaluation in eval mode, and the one reader of the test set."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cockpit import datasets, records
from cockpit.engine.augment import ImageBank
from cockpit.engine.backend import Backend, choose_backend
from cockpit.engine.checkpoint import load_best
from cockpit.engine.memory import is_out_of_memory, let_go
from cockpit.errors import CockpitError
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


def evaluate(model: nn.Module, bank: ImageBank, backend: Backend, places: Sequence[int] = ()) -> Scores:
    """Run every image of a bank once through the network in eval mode.

    Fewer at a time, where there is no memory for `BATCH`: that changes no image's logits, only the order of sums.

    Args:
        model: The network.
        bank: The images.
        backend: Device and precision.
        places: The images in the bank whose logits are wanted too.
    """
    batch = BATCH
    while True:
        try:
            return _evaluate(model, bank, backend, batch, places)
        except (RuntimeError, MemoryError) as error:
            if batch == 1 or not is_out_of_memory(error):
                raise
            let_go(error)
        batch //= 2
        print(f"no memory to evaluate {2 * batch} images at a time; trying {batch}", flush=True)


@torch.inference_mode()
def _evaluate(model: nn.Module, bank: ImageBank, backend: Backend, batch: int, places: Sequence[int]) -> Scores:
    """Evaluate so many images at a time; sums are read from the device once."""
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
    model.train(was_training)
    top1, top5 = (hits.cpu().double() / len(bank)).tolist()
    rows = torch.stack([kept[place] for place in places]).float().cpu() if places else torch.empty(0, 0)
    return Scores(loss.item() / len(bank), top1, top5, rows)


def count_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many of (B,) labels are the best and among the five best of (B, classes) logits: (2,) int64."""
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices
    right = best == labels.unsqueeze(1)
    return torch.stack([right[:, 0].sum(), right.sum()])


def choose_test_backend(run: Run, device: str) -> Backend:
    """Return where a run is tested: where the user says, in the arithmetic that it was trained in there.

    Raises:
        CockpitError: When torch has no such device.
    """
    backend = choose_backend(device, run.recipe.precision)
    choice = run.choice(backend.name)
    if choice is not None:
        backend = backend._replace(precision=choice.precision)
    return backend


def run_test(run: Run, backend: Backend) -> records.TestReport:
    """Test a run's best weights on the test set, write test.json and return it.

    Raises:
        CockpitError: When there is no undamaged checkpoint, the dataset's test images are not here, or the result
            cannot be kept.
    """
    best = load_best(run)
    dataset = best.recipe.dataset
    spec = datasets.find_dataset(dataset)
    if spec.classes != best.classes:
        raise CockpitError(f"{run.best_path} was trained on other classes than the dataset {dataset} has now")
    images, labels = datasets.load_packed(dataset, "test")
    model = build(best.recipe.model, spec.num_classes)
    model.load_state_dict(best.weights)
    model = model.to(backend.device).to(memory_format=torch.channels_last)
    scores = evaluate(model, ImageBank(images, labels, best.normalization, backend.device), backend)
    report = records.TestReport(
        run=run.id,
        checkpoint=run.best_path.name,
        sha256=best.sha256,
        epoch=best.epoch,
        dataset=dataset,
        images=len(labels),
        top1=scores.top1,
        top5=scores.top5,
        loss=scores.loss,
        time=time.time(),
        device=backend.name,
        precision=backend.precision,
    )
    try:
        run.write_test_report(report)
    except OSError as error:
        raise CockpitError(
            f"top-1 is {report.top1:.2%}, but {run.test_path} cannot be written: {error.strerror}; make room, then "
            f"test it again"
        ) from error
    return report
