"""One training step, taken in one of three ways: eager, as a replayed CUDA graph, or compiled.

All three do the same mathematics: forward in the backend's precision, cross-entropy, backward, SGD.
"""

from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cockpit.engine.backend import Backend
from cockpit.recipe import Recipe

_WARM_UP = 3
"""Steps taken before a capture, so that every library has chosen its kernels and allocated its workspaces."""


class TakeStep(Protocol):
    """Take one optimizer step on a batch."""

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """Learn from (B, 3, H, W) images and (B,) labels at a learning rate.

        Returns:
            (2,) on the device: the batch's mean loss and its right guesses. The next call may overwrite it.
        """
        ...


class EagerStep:
    """Runs operation after operation. Takes batches of any size."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        backend: Backend,
        *,
        label_smoothing: float = 0.0,
        forward: nn.Module | None = None,
    ) -> None:
        """Train a model's weights.

        Args:
            model: The network, in train mode when a step is taken.
            optimizer: Of its parameters.
            backend: Device and precision.
            label_smoothing: Share of the target spread over all classes.
            forward: What computes the model's outputs, when not the model itself.
        """
        self._forward = model if forward is None else forward
        self._optimizer = optimizer
        self._backend = backend
        self._label_smoothing = label_smoothing

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """See `TakeStep`."""
        set_lr(self._optimizer, lr)
        self._optimizer.zero_grad(set_to_none=True)
        return self.learn(images, labels)

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """Do all of a step that runs on the device."""
        with self._backend.autocast():
            logits = self._forward(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self._label_smoothing)
        loss.backward()
        self._optimizer.step()
        hits = (logits.detach().argmax(1) == labels).sum()
        return torch.stack([loss.detach(), hits.to(loss.dtype)])


class GraphStep:
    """Replays one captured step on fixed buffers: a single launch in place of thousands. CUDA only.

    Batches of another size, the last of an epoch, are taken eagerly.
    """

    def __init__(
        self,
        eager: EagerStep,
        captured: EagerStep,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        batch: Tensor,
    ) -> None:
        """Capture a step for batches like this one; weights, buffers and momentum are afterwards what they were.

        Args:
            eager: The step of other batches.
            captured: The step to capture, whose backend keeps no casts.
            model: The network, in train mode.
            optimizer: Of its parameters.
            batch: (B, 3, H, W) images on the device, whose shape and layout are those of the batches to come.
        """
        self._eager = eager
        self._optimizer = optimizer
        self._lr = torch.zeros((), device=batch.device)
        self._images = batch.clone(memory_format=torch.preserve_format)
        self._labels = torch.zeros(len(batch), dtype=torch.int64, device=batch.device)
        self._graph = torch.cuda.CUDAGraph()
        before = Spare(model, optimizer)
        self._use_lr_of_graph()
        stream = torch.cuda.Stream(batch.device)
        stream.wait_stream(torch.cuda.current_stream(batch.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                optimizer.zero_grad(set_to_none=True)
                captured.learn(self._images, self._labels)
        torch.cuda.current_stream(batch.device).wait_stream(stream)
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self._outcome = captured.learn(self._images, self._labels)
        before.restore()

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """See `TakeStep`."""
        if images.shape != self._images.shape:
            return self._eager(images, labels, lr)
        self._use_lr_of_graph()
        self._lr.fill_(lr)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._outcome

    def _use_lr_of_graph(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._lr


class CompiledStep:
    """Runs what torch.compile made of the network. Batches of another size, the last of an epoch, are taken eagerly."""

    def __init__(self, eager: EagerStep, compiled: EagerStep, batch_size: int) -> None:
        """Use one step for full batches and the other for the rest."""
        self._eager = eager
        self._compiled = compiled
        self._batch_size = batch_size

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """See `TakeStep`."""
        take = self._compiled if len(images) == self._batch_size else self._eager
        return take(images, labels, lr)


def make_step(
    way: str, model: nn.Module, optimizer: torch.optim.Optimizer, backend: Backend, batch: Tensor, recipe: Recipe
) -> TakeStep:
    """Make a step of the way that was chosen.

    Args:
        way: "eager", "graph" or "compiled".
        model: The network, in train mode.
        optimizer: Of its parameters.
        backend: Device and precision.
        batch: A full batch of images on the device, for its shape and layout.
        recipe: Its label smoothing is the loss's.
    """
    eager = EagerStep(model, optimizer, backend, label_smoothing=recipe.label_smoothing)
    if way == "graph":
        captured = EagerStep(
            model, optimizer, backend._replace(cached_casts=False), label_smoothing=recipe.label_smoothing
        )
        return GraphStep(eager, captured, model, optimizer, batch)
    if way == "compiled":
        forward = cast(nn.Module, torch.compile(model, dynamic=False))
        compiled = EagerStep(model, optimizer, backend, label_smoothing=recipe.label_smoothing, forward=forward)
        return CompiledStep(eager, compiled, len(batch))
    return eager


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Return the recipe's SGD, one fused kernel for all parameters; a learning rate is given with every step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=0.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the steps to come."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


class Spare:
    """Copies of weights, buffers, momentum and random state, to be put back in place."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Copy all that a step changes."""
        self._model, self._optimizer = model, optimizer
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in model.state_dict(keep_vars=True).values()]
        self._momenta = {
            parameter: state["momentum_buffer"].clone()
            for parameter, state in optimizer.state.items()
            if state.get("momentum_buffer") is not None
        }
        self._rng = torch.get_rng_state()
        self._device_rng = torch.cuda.get_rng_state() if next(model.parameters()).is_cuda else None

    def restore(self) -> None:
        """Put everything back; momentum that did not exist becomes zero, which gives the first step its meaning."""
        with torch.no_grad():
            for tensor, value in self._tensors:
                tensor.copy_(value)
            for parameter, state in self._optimizer.state.items():
                buffer = state.get("momentum_buffer")
                if buffer is not None:
                    buffer.copy_(self._momenta[parameter]) if parameter in self._momenta else buffer.zero_()
        torch.set_rng_state(self._rng)
        if self._device_rng is not None:
            torch.cuda.set_rng_state(self._device_rng)
