"""Several processes that train one run, a device each: what every one takes of a batch, and what they tell each other.

Whatever is exchanged is exchanged by all of them, in the same order; a rank that does not answer is given up.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from cockpit import records
from cockpit.engine.augment import CHUNK, ImageBank, Plan
from cockpit.engine.backend import Backend
from cockpit.engine.evaluate import Scores, evaluate
from cockpit.engine.guesses import Watched
from cockpit.engine.memory import is_out_of_memory
from cockpit.engine.norm import SyncedBatchNorm
from cockpit.engine.site import node_name
from cockpit.engine.step import set_lr
from cockpit.engine.stopping import StopFlag, Stopped

_START_S = 600
"""Seconds in which all ranks must have come together: each has loaded torch before, minutes from a slow disk."""

_NAME_BYTES = 64
"""The longest name of a node that is told."""
_RANK_STRIDE = 1_000_003  # a prime, which keeps (seed, rank, step) apart


class PartedError(Exception):
    """The ranks cannot go on together.

    Attributes:
        silent: Whether somebody did not answer in time, rather than being gone.
    """

    def __init__(self, reason: str, *, silent: bool) -> None:
        super().__init__(reason)
        self.silent = silent


def share(num_images: int, rank: int, size: int) -> tuple[int, int]:
    """Return where a rank's part of so many images begins and ends; parts differ by one image at most, or are empty."""
    return num_images * rank // size, num_images * (rank + 1) // size


def own_batches(
    bank: ImageBank, plan: Plan, batch_size: int, *, first: int, rank: int, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a rank's part of an epoch's batches from the one numbered `first`, as `augment.batches` yields them whole.

    A part of a last small batch may have no images.
    """
    num_images = len(plan.order)
    starts = range(first * batch_size, num_images, batch_size)
    chunk = CHUNK if bank.labels.device.type == "cuda" else 1
    for place in range(0, len(starts), chunk):
        some = starts[place : place + chunk]
        parts = [(start, *share(min(batch_size, num_images - start), rank, size)) for start in some]
        places = torch.cat([torch.arange(start + low, start + high) for start, low, high in parts])
        images, labels = bank.batch(plan.take(places.to(plan.order.device)), 0, len(places))
        sizes = [high - low for _, low, high in parts]
        yield from zip(images.split(sizes), labels.split(sizes), strict=True)


class Ranks:
    """The process group of this rank.

    Attributes:
        rank: This process's number, from 0; the first alone writes to the run folder.
        size: How many there are.
        devices: The devices of all, with commas between.
    """

    def __init__(self, devices: str, patience_s: float) -> None:
        """Come together, as torchrun's environment says where.

        Args:
            devices: The devices of all, with commas between, for example "cpu,cpu" or "cuda:0,cuda:1".
            patience_s: Seconds to wait for the others at any exchange.

        Raises:
            PartedError: When not all come.
        """
        self.devices = devices
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._patience_s = float(_START_S)
        backend = "cpu:gloo,cuda:nccl" if devices.startswith("cuda") else "gloo"
        with self._together():
            dist.init_process_group(backend, timeout=timedelta(seconds=_START_S))
            group = dist.new_group(backend=backend, timeout=timedelta(seconds=patience_s))
        assert isinstance(group, dist.ProcessGroup)
        self._group = group
        self._patience_s = patience_s
        self._nodes = self._gather_nodes()

    def _gather_nodes(self) -> list[str]:
        """Return what the node of every rank is called; nothing where there is only one."""
        own = b""
        if int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1:
            own = (node_name() or f"node {os.environ['GROUP_RANK']}").encode()[:_NAME_BYTES]
        everybody = self.gather(torch.tensor(list(own.ljust(_NAME_BYTES, b"\0")), dtype=torch.uint8))
        return [bytes(one.tolist()).rstrip(b"\0").decode(errors="replace") for one in everybody]

    def name(self, rank: int) -> str:
        """Return what to call a rank, with its node where there are several."""
        return f"rank {rank} on {self._nodes[rank]}" if self._nodes[rank] else f"rank {rank}"

    def share(self, num_images: int) -> tuple[int, int]:
        """See `share`."""
        return share(num_images, self.rank, self.size)

    def part_dropout(self, seed: int, step: int) -> None:
        """Give every rank but the first random numbers of its own, which a resume at the same step finds again."""
        if self.rank:
            torch.manual_seed(((seed * _RANK_STRIDE + self.rank) * _RANK_STRIDE + step) % 2**63)

    def add_up(self, values: Tensor) -> None:
        """Replace values by their sums over all ranks."""
        with self._together():
            dist.all_reduce(values, group=self._group)

    def gather(self, values: Tensor) -> Tensor:
        """Return everybody's (N,) values, (ranks, N)."""
        everybody = values.new_empty(self.size, len(values))
        with self._together():
            dist.all_gather(list(everybody), values, group=self._group)
        return everybody

    def largest(self, number: int) -> int:
        """Return the largest of everybody's numbers."""
        numbers = torch.tensor([number])
        with self._together():
            dist.all_reduce(numbers, dist.ReduceOp.MAX, group=self._group)
        return int(numbers)

    def take_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by the first rank's."""
        with self._together():
            for tensor in tensors:
                whole = tensor.contiguous()  # as not every backend sends what lies channels last
                dist.broadcast(whole, 0, group=self._group)
                tensor.copy_(whole)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            silent = time.monotonic() - began > 0.9 * self._patience_s
            raise PartedError(str(error).partition("\n")[0], silent=silent) from error


class AgreedStop(StopFlag):
    """A request to stop that all ranks heed at the same step: asking is an exchange, so all must ask."""

    def __init__(self, own: StopFlag, ranks: Ranks) -> None:
        """Agree about the requests that came to each process."""
        super().__init__()
        self._own, self._ranks = own, ranks

    def __call__(self) -> bool:
        """Tell whether any rank was asked to stop."""
        number = self._ranks.largest(signal.Signals[self._own.reason] if self._own.reason else 0)
        if number:
            self.reason = signal.Signals(number).name
        return bool(number)

    @contextlib.contextmanager
    def at_once(self, when: str) -> Iterator[None]:
        """Let a request end the run behind the work in here, which others may share: it is not cut short.

        Args:
            when: See `StopFlag.at_once`.

        Raises:
            Stopped: When there was a request.
        """
        yield
        if self():
            raise Stopped(f"{self.how} {when}")


class SharedStep:
    """Takes a step on this rank's part of a batch; gradients, loss and hits are those of the whole batch."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        backend: Backend,
        ranks: Ranks,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        """Train a model's weights, see `EagerStep`."""
        self._model, self._optimizer, self._backend, self._ranks = model, optimizer, backend, ranks
        self._label_smoothing = label_smoothing
        self._is_synced = any(isinstance(layer, SyncedBatchNorm) for layer in model.modules())
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._sizes = [parameter.numel() for parameter in self._parameters]

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """See `TakeStep`; there may be no images."""
        set_lr(self._optimizer, lr)
        self._optimizer.zero_grad(set_to_none=True)
        figures = torch.zeros(3, device=self._backend.device)  # summed loss, hits, images
        if len(labels) or self._is_synced:  # a layer that waits for all ranks must not wait in vain
            with self._backend.autocast():
                logits = self._model(images)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=self._label_smoothing, reduction="sum")
            loss.backward()
            figures[0], figures[1], figures[2] = loss.detach(), (logits.argmax(1) == labels).sum(), len(labels)
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), figures])
        self._ranks.add_up(flat)
        *sums, figures = flat.split([*self._sizes, 3])
        flat[:-2] /= figures[2]  # the sums of all images become their means, all but hits and images
        for gradient, mean in zip(gradients, sums, strict=True):
            gradient.copy_(mean.view_as(gradient))
        self._optimizer.step()
        return figures[:2]


def evaluate_together(
    model: nn.Module, own: ImageBank, backend: Backend, ranks: Ranks, watched: Watched, num_classes: int
) -> Scores:
    """Evaluate the first rank's network, statistics and all, on the images of all ranks.

    Args:
        model: The network, whose statistics become the first rank's.
        own: This rank's part of the images.
        backend: Device and precision.
        ranks: The others.
        watched: The images whose logits are wanted too.
        num_classes: How many logits an image has.
    """
    ranks.take_from_first(list(model.buffers()))
    sums = torch.zeros(4, dtype=torch.float64)
    logits = torch.zeros(len(watched.images), num_classes)
    if len(own):
        scores = evaluate(model, own, backend, watched.places)
        if watched.here:
            logits[watched.here] = scores.logits
        hits = (round(part * len(own)) for part in (scores.top1, scores.top5))
        sums = torch.tensor([scores.loss * len(own), *hits, len(own)], dtype=torch.float64)
    ranks.add_up(sums)
    ranks.add_up(logits)
    loss, top1, top5 = (sums[:3] / sums[3]).tolist()
    return Scores(loss, top1, top5, logits)


def only_way(devices: str, backend: Backend, batch_norm: str) -> records.Choice:
    """Return how steps are computed on several devices: there is nothing to choose.

    Args:
        devices: Those of all ranks, with commas between.
        backend: This rank's.
        batch_norm: "synced" or "local", as the recipe has it.
    """
    whose = "the whole batch" if batch_norm == "synced" else "each device's own images, as was asked for"
    return records.Choice(
        time=time.time(),
        device=devices,
        precision=backend.precision,
        way="eager",
        batch_norm=batch_norm,
        reason=f"the way on several devices; any batch norm takes its statistics of {whose}",
    )
