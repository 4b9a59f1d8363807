"""Where and in which arithmetic a training computes."""

import contextlib
from typing import NamedTuple

import torch

from cockpit.errors import CockpitError


class Backend(NamedTuple):
    """A device and how to compute on it."""

    device: torch.device
    """The torch device."""
    precision: str
    """"fp32" or "bf16"; weights are fp32 in both."""
    name: str
    """For people: "cuda:0 NVIDIA H200", "cpu"."""

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    @property
    def sum_dtype(self) -> torch.dtype:
        """The widest float that the device adds in: Apple's GPUs have no float64."""
        return torch.float32 if self.device.type == "mps" else torch.float64


def choose_backend(device: str, precision: str) -> Backend:
    """Turn what was asked for into what there is.

    Args:
        device: "auto" (CUDA, else Apple's GPU, else the CPU), "cpu", "mps", "cuda" or "cuda:<n>".
        precision: The recipe's; "auto" is bf16 on CUDA and fp32 elsewhere.

    Raises:
        CockpitError: When torch has no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda":
        index = chosen.index or 0
        if index >= torch.cuda.device_count():
            raise CockpitError(f"torch sees {torch.cuda.device_count()} CUDA devices here, so there is no {device}")
        chosen = torch.device("cuda", index)
        torch.cuda.set_device(chosen)
        name = f"cuda:{index} {torch.cuda.get_device_name(chosen)}"
    elif chosen.type == "mps" and not torch.backends.mps.is_available():
        raise CockpitError("torch has no Apple GPU here; choose --device cpu")
    else:
        name = device
    if precision == "auto":
        precision = "bf16" if chosen.type == "cuda" else "fp32"
    return Backend(chosen, precision, name)
