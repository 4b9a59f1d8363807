"""Want of memory, of a card or of this machine: how it shows, and how to let go of what a failed attempt holds."""

import errno
import gc
import traceback

import torch

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "could not create a primitive")
"""What torch's allocators, CUDA's libraries, Apple's backend and oneDNN say where they raise a bare RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is want of memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):  # torch's own class is one, and says it too
        return any(sign in str(error) for sign in _SIGNS)
    return isinstance(error, MemoryError)


def let_go(error: BaseException) -> None:
    """Free what the frames hold that an error has passed through, on the card too."""
    passed: BaseException | None = error
    while passed is not None:
        traceback.clear_frames(passed.__traceback__)
        passed.__traceback__ = None  # a cleared frame still holds what its function has enclosed
        passed = passed.__context__
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
