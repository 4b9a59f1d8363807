"""Training loss and hits, summed on the device: reading them there makes the CPU wait, so it is done seldom."""

from typing import NamedTuple

import torch
from torch import Tensor

from cockpit.engine.backend import Backend
from cockpit.engine.checkpoint import LoopState
from cockpit.errors import CockpitError


class Window(NamedTuple):
    """Means over the steps since the last live sample."""

    loss: float
    """Mean training loss an image."""
    acc: float
    """Training top-1, 0-1."""
    images: int
    """Images that passed."""


class Tally:
    """The sums of the present epoch and of the steps since the last live sample."""

    def __init__(self, backend: Backend, state: LoopState) -> None:
        self._state = state
        self._sums = torch.zeros(2, 2, dtype=backend.sum_dtype, device=backend.device)  # epoch, window x loss, hits
        self._sums[0] = torch.tensor([state.epoch_loss, state.epoch_hits], dtype=backend.sum_dtype)
        self._bad_step = torch.zeros((), dtype=torch.int64, device=backend.device)
        self._window_images = 0

    def add(self, loss: Tensor, hits: Tensor, num_images: int, step: int) -> None:
        """Add a batch's mean loss and right guesses, and note the first step whose loss is no number."""
        self._sums += torch.stack([loss * num_images, hits.to(loss.dtype)])
        self._window_images += num_images
        bad = ~torch.isfinite(loss) & (self._bad_step == 0)
        self._bad_step = torch.where(bad, step, self._bad_step)

    def window(self) -> Window:
        """Read the means since the last call, and begin anew.

        Raises:
            CockpitError: When a loss was NaN or infinite.
        """
        self._check()
        loss, hits = self._sums[1].tolist()
        images, self._window_images = self._window_images, 0
        self._sums[1] = 0
        return Window(loss / images, hits / images, images)

    def close(self) -> None:
        """Put the epoch's sums into the state.

        Raises:
            CockpitError: When a loss was NaN or infinite.
        """
        self._check()
        self._state.epoch_loss, self._state.epoch_hits = self._sums[0].tolist()

    def _check(self) -> None:
        if step := int(self._bad_step.item()):
            raise CockpitError(f"loss is NaN at step {step}; try a lower learning rate (--lr) or a longer warm-up")
