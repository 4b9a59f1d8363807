"""Whether all ranks begin at the same step with the same weights: each has read the run folder for itself."""

import zlib

import torch
from torch import Tensor, nn

from cockpit.engine.checkpoint import LoopState
from cockpit.engine.ranks import Ranks
from cockpit.errors import CockpitError


def begin_alike(ranks: Ranks, state: LoopState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """See that all ranks stand at the same checkpoint; before the first step all take the first rank's weights.

    The same seed does not draw the same weights on processors of different kinds, so those are not compared.

    Raises:
        CockpitError: On all ranks, when one stands elsewhere or has read other weights; it is named.
    """
    steps = ranks.gather(torch.tensor([state.step, state.epoch, state.batch]))
    for rank in range(1, ranks.size):
        if not torch.equal(steps[rank], steps[0]):
            raise CockpitError(
                f"{ranks.name(rank)} stands at {_place(steps[rank], steps[0])} and {ranks.name(0)} at "
                f"{_place(steps[0], steps[rank])}: they do not see the same run folder; see that all nodes have the "
                "same one, then resume the run"
            )
    if not state.step:
        ranks.take_from_first(list(model.state_dict().values()))
    digests = ranks.gather(torch.tensor([_digest(model, optimizer)]))
    for rank in range(1, ranks.size):
        if not torch.equal(digests[rank], digests[0]):
            raise CockpitError(
                f"{ranks.name(rank)} has other weights than {ranks.name(0)} at step {state.step}: they do not see the "
                "same run folder; see that all nodes have the same one, then resume the run"
            )


def _place(own: Tensor, other: Tensor) -> str:
    if own[0] != other[0]:
        return f"step {int(own[0])}"
    return f"batch {int(own[2])} of epoch {int(own[1]) + 1}"


def _digest(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Return a number for all that the steps change, which tells other bytes from these."""
    held = optimizer.state_dict()["state"]
    values = [*model.state_dict().values(), *(value for index in sorted(held) for value in held[index].values())]
    digest = 0
    for value in values:
        if isinstance(value, Tensor):
            digest = zlib.crc32(
                value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes(), digest
            )
    return digest
