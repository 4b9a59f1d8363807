"""Whether tensors from outside can be a network's weights, or what its inputs are normalised by."""

import torch
from torch import Tensor

from cockpit.datasets import SIZE
from cockpit.engine.augment import Normalization

COUNTER = "num_batches_tracked"
"""How a name ends whose tensor counts, and is the only one of whole numbers."""
CHANNELS = 3
_VARIANCE = "running_var"
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_SHAPES = ((SIZE, SIZE, CHANNELS), (1, 1, CHANNELS))


def find_fault(name: str, tensor: Tensor) -> str:
    """Return why a tensor cannot be a network's, "it is sparse" for example, or nothing.

    Args:
        name: What it is called in the state dict.
        tensor: It; a network takes it up as float32.
    """
    if kind := find_strange_kind(name, tensor):
        return kind
    if name.endswith(COUNTER):
        return ""
    numbers = tensor.float()
    if not numbers.isfinite().all():
        return "some of them are not finite in 32 bits"
    if name.endswith(_VARIANCE) and (numbers < 0).any():
        return "a variance is negative"
    return ""


def find_strange_kind(name: str, tensor: Tensor) -> str:
    """Return why a tensor is of a kind that no network of ours has, or nothing; its values are not looked at."""
    if tensor.layout != torch.strided:
        return "it is sparse"
    if tensor.device.type != "cpu":
        return f"it lies on the device {tensor.device.type}, without values"
    allowed = _INTEGERS if name.endswith(COUNTER) else _FLOATS
    if tensor.is_quantized or tensor.dtype not in allowed:
        return f"it is of {str(tensor.dtype).removeprefix('torch.')}"
    return ""


def find_bad_normalization(normalization: Normalization) -> str:
    """Return why nothing can be normalised by mean and deviation, or nothing."""
    for name, part in zip(("mean", "deviation"), normalization, strict=True):
        if fault := find_fault(name, part):
            return f"its {name}: {fault}"
        if part.shape not in _SHAPES:
            return f"its {name} has the shape {tuple(part.shape)}"
    if normalization.mean.shape != normalization.std.shape:
        return "its mean and its deviation are of different shapes"
    if not (normalization.std.float() > 0).all():
        return "a deviation is not above 0 in 32 bits"
    return ""
