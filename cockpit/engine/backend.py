"""Where and in which arithmetic a training computes."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cockpit.errors import CockpitError


class Backend(NamedTuple):
    """A device and how to compute on it."""

    device: torch.device
    """The torch device."""
    precision: str
    """"fp32" or "bf16"; weights are fp32 in both."""
    name: str
    """For people: "cuda:0 NVIDIA H200", "cpu"."""
    cached_casts: bool = True
    """Whether autocast keeps a weight's bf16 copy for the length of a forward pass; a capture must not."""

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.precision != "bf16":
            return contextlib.nullcontext()
        if self.device.type == "cpu":
            return _cpu_bf16()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=self.cached_casts)

    @property
    def sum_dtype(self) -> torch.dtype:
        """The widest float that the device adds in: Apple's GPUs have no float64."""
        return torch.float32 if self.device.type == "mps" else torch.float64


@contextlib.contextmanager
def _cpu_bf16() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16), _StridedDepthwiseInFp32():
        yield


class _StridedDepthwiseInFp32(TorchFunctionMode):
    """Computes depthwise convolutions with a stride in fp32, and gives their output back in bf16.

    oneDNN has no fast bf16 kernel for their backward pass. Measured on 2 cores with bf16 instructions, ms a step: of
    mobilenetv1 at batch 128 fp32 405, bf16 464, this 251; of mobilenetv2 at 64 603, 453, 334.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pass every other function on as it is."""
        if func is torch.conv2d and len(args) == 7 and _is_strided_depthwise(*args):
            with torch.autocast("cpu", enabled=False):
                return func(args[0].float(), *args[1:], **(kwargs or {})).bfloat16()
        return func(*args, **(kwargs or {}))


def _is_strided_depthwise(
    _images: Tensor,
    weight: Tensor,
    _bias: object,
    stride: Sequence[int],
    _padding: object,
    _dilation: object,
    groups: int,
) -> bool:
    """Tell from the arguments of `torch.conv2d`, as nn.Conv2d gives them."""
    return weight.shape[1] == 1 and groups > 1 and max(stride) > 1


def has_bf16(device: torch.device) -> bool:
    """Tell whether a device multiplies bf16 in hardware; emulated it is many times slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def wait_for(device: torch.device) -> None:
    """Return when the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def make_exact() -> None:
    """Have torch use only algorithms that give the same bits every time; call it before a CUDA card is touched."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for to be deterministic
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def choose_backend(device: str, precision: str) -> Backend:
    """Turn what was asked for into what there is.

    Args:
        device: "auto" (CUDA, else Apple's GPU, else the CPU), "cpu", "mps", "cuda" or "cuda:<n>".
        precision: The recipe's; "auto" is bf16 on a card that has it and fp32 elsewhere.

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
        precision = "bf16" if chosen.type == "cuda" and has_bf16(chosen) else "fp32"
    if chosen.type == "cuda":
        torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
    return Backend(chosen, precision, name)
