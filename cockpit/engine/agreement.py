"""Whether all ranks compute alike and begin alike: each has its own device, and reads the run folder for itself."""

import zlib

import torch
from torch import Tensor, nn

from cockpit.engine.checkpoint import LoopState
from cockpit.engine.ranks import Ranks
from cockpit.errors import CockpitError

_PRECISIONS = ("fp32", "bf16")


def compute_alike(ranks: Ranks, precision: str) -> None:
    """See that all ranks compute in the same precision: what the recipe leaves open depends on each one's device.

    Raises:
        CockpitError: On all ranks, when one would compute in another; it is named.
    """
    everybody = ranks.gather(torch.tensor([int(precision == "bf16")])).flatten().tolist()
    for rank in range(1, ranks.size):
        if everybody[rank] != everybody[0]:
            raise CockpitError(
                f"{ranks.name(rank)} would compute in {_PRECISIONS[everybody[rank]]} and {ranks.name(0)} in "
                f"{_PRECISIONS[everybody[0]]}: their devices are of different kinds; take devices of one kind, or a "
                "new run with --precision fp32"
            )


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
