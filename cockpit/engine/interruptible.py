"""Steps that can be given up in the middle: on a CPU one may take minutes, and a request to stop must not wait so long.

A step that is given up has never been: weights, statistics, momentum and random state are put back.
"""

import contextlib
import time
from collections.abc import Iterator

from torch import Tensor, nn
from torch.optim import Optimizer

from cockpit.engine.step import Spare, TakeStep
from cockpit.engine.stopping import StopFlag, Stopped

_SLOW_S = 3.0
"""A step of so many seconds is slow: copying the weights before the next one costs next to nothing beside it."""


class InterruptibleStep:
    """Takes steps, those after a slow one so that a request ends them. The first may be slow: it may compile."""

    def __init__(
        self,
        take: TakeStep,
        model: nn.Module,
        optimizer: Optimizer,
        stop: StopFlag,
        *,
        layer_by_layer: bool,
    ) -> None:
        """Take the steps of a network's training; on a card they are only queued, so that all but the first are fast.

        Args:
            take: Takes one step.
            model: The network that it trains.
            optimizer: Of its parameters.
            stop: Told of requests.
            layer_by_layer: Whether the step runs one layer after another in this thread, as an eager one on a CPU does.
        """
        self._take, self._model, self._optimizer, self._stop = take, model, optimizer, stop
        self._layers = [layer for layer in model.modules() if not any(layer.children())] if layer_by_layer else []
        self._slow = True

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """See `TakeStep`.

        Raises:
            Stopped: When a request came; nothing of the step is left.
        """
        began = time.monotonic()
        outcome = self._guarded(images, labels, lr) if self._slow else self._take(images, labels, lr)
        self._slow = time.monotonic() - began >= _SLOW_S
        return outcome

    def _guarded(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        spare = Spare(self._model, self._optimizer)
        try:
            with self._stop.at_once("in the middle of a step, which was given up"), self._open_to_signals():
                return self._take(images, labels, lr)
        except Stopped:
            spare.restore()
            raise

    @contextlib.contextmanager
    def _open_to_signals(self) -> Iterator[None]:
        """Have the backward pass, one long call on a CPU, go through a line of Python between layers."""
        hooks = [layer.register_forward_hook(_hook_gradient) for layer in self._layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _hook_gradient(_layer: nn.Module, _inputs: object, output: object) -> None:
    if isinstance(output, Tensor) and output.requires_grad:
        output.register_hook(_do_nothing)


def _do_nothing(_gradient: Tensor) -> None:
    """Be Python: the interpreter heeds signals when it runs a function."""
