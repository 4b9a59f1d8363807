"""The learning rate of every step, as a pure function of the step."""

import math
from typing import NamedTuple

from cockpit.recipe import Recipe

_DROPS = (35, 65, 95)
"""Per cent of all steps at which `step` divides by 10: epochs 70, 130 and 190 of the seed's 200."""


class Schedule(NamedTuple):
    """The shape of a run's learning rate."""

    kind: str
    """"step", "cosine", "linear" or "constant"."""
    peak: float
    """The learning rate at the end of the warm-up."""
    warmup_steps: int
    """Steps over which it rises linearly; the last of them has the peak."""
    total_steps: int
    """Steps of the whole run."""

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0; beyond the run it is that of the last step."""
        step = min(step, self.total_steps - 1)
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.kind == "cosine":
            left = self.total_steps - self.warmup_steps
            return self.peak * 0.5 * (1 + math.cos(math.pi * (step - self.warmup_steps) / left))
        if self.kind == "linear":
            return self.peak * (self.total_steps - step) / (self.total_steps - self.warmup_steps)
        if self.kind == "step":
            return self.peak / 10 ** sum(step >= round(self.total_steps * drop / 100) for drop in _DROPS)
        return self.peak


def make_schedule(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """Return the schedule of a recipe."""
    return Schedule(
        kind=recipe.schedule,
        peak=recipe.peak_lr,
        warmup_steps=round(recipe.num_warmup_epochs * steps_per_epoch),
        total_steps=recipe.num_epochs * steps_per_epoch,
    )
