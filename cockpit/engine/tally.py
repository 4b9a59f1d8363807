"""Training loss and hits of every step, kept on the device: reading them makes the CPU wait, so it is done seldom."""

from typing import NamedTuple

import torch
from torch import Tensor

from cockpit.engine.checkpoint import LoopState
from cockpit.errors import CockpitError

_STEPS = 4_096
"""Steps kept on the device before they are read at the latest."""


class Window(NamedTuple):
    """Means over the steps since the last live sample."""

    loss: float
    """Mean training loss an image."""
    acc: float
    """Training top-1, 0-1."""
    images: int
    """Images that passed."""


class Tally:
    """The sums of the present epoch, in the loop's state, and of the steps since the last live sample.

    The sums are taken in float64 and in the order of the steps, so they do not depend on when they are read.
    """

    def __init__(self, device: torch.device, state: LoopState) -> None:
        self._state = state
        self._outcomes = torch.zeros(_STEPS, 2, device=device)
        self._images: list[int] = []
        self._last_step = 0
        self._loss, self._hits, self._window_images = 0.0, 0.0, 0

    def add(self, outcome: Tensor, num_images: int, step: int) -> None:
        """Add a step's (2,) mean loss and right guesses.

        Raises:
            CockpitError: When a loss was NaN or infinite, as late as the sums are read.
        """
        self._outcomes[len(self._images)].copy_(outcome)
        self._images.append(num_images)
        self._last_step = step
        if len(self._images) == _STEPS:
            self.close()

    def window(self) -> Window:
        """Read the means since the last call, and begin anew.

        Raises:
            CockpitError: When a loss was NaN or infinite.
        """
        self.close()
        window = Window(self._loss / self._window_images, self._hits / self._window_images, self._window_images)
        self._loss, self._hits, self._window_images = 0.0, 0.0, 0
        return window

    def close(self) -> None:
        """Put the epoch's sums into the state.

        Raises:
            CockpitError: When a loss was NaN or infinite.
        """
        steps = len(self._images)
        for place, (loss, hits) in enumerate(self._outcomes[:steps].tolist()):
            if not abs(loss) < float("inf"):
                step = self._last_step - steps + place + 1
                raise CockpitError(f"loss is NaN at step {step}; try a lower learning rate (--lr) or a longer warm-up")
            images = self._images[place]
            self._loss += loss * images
            self._hits += hits
            self._window_images += images
            self._state.epoch_loss += loss * images
            self._state.epoch_hits += hits
        self._images.clear()
