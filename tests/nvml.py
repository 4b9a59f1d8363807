"""An NVML that is made up, in the place of pynvml: what it says of cards that this machine does not have."""

from collections.abc import Collection
from types import SimpleNamespace

MISMATCH = 18
"""NVML_ERROR_LIB_RM_VERSION_MISMATCH: the driver was updated, and the old one is still loaded."""


class NVMLError(Exception):
    """What NVML answers with when it has no answer."""

    def __init__(self, value: int, text: str) -> None:
        """Carry NVML's number of it."""
        super().__init__(text)
        self.value = value


def made_up(
    *,
    number: int = 0,
    lost: Collection[int] = (),
    busy: Collection[int] = (),
    parts: Collection[str] = (),
    init: NVMLError | None = None,
    count: NVMLError | None = None,
) -> SimpleNamespace:
    """Return a module.

    Args:
        number: How many cards there are.
        lost: Those that have fallen off the bus.
        busy: Those on which process 1 computes.
        parts: The UUIDs of parts of cards (MIG).
        init: How NVML fails to begin.
        count: How it fails to count the cards.
    """

    def answer(error: NVMLError | None, value: object = None) -> object:
        if error is not None:
            raise error
        return value

    def unsupported(*_: object) -> None:
        raise NVMLError(3, "Not Supported")

    return SimpleNamespace(
        NVMLError=NVMLError,
        NVML_ERROR_LIB_RM_VERSION_MISMATCH=MISMATCH,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: answer(init),
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: answer(count, number),
        nvmlDeviceGetHandleByIndex=lambda index: answer(NVMLError(15, "GPU is lost") if index in lost else None, index),
        nvmlDeviceGetHandleByUUID=lambda uuid: answer(None if uuid in parts else NVMLError(6, "Not Found"), uuid),
        nvmlDeviceGetUUID=lambda index: f"GPU-{index}{index}-{index}",
        nvmlDeviceGetName=lambda card: f"NVIDIA A100 {card}",
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=1 << 29, total=80 << 30),
        nvmlDeviceGetUtilizationRates=unsupported,
        nvmlDeviceGetPowerUsage=unsupported,
        nvmlDeviceGetTemperature=unsupported,
        nvmlDeviceGetComputeRunningProcesses=lambda index: [SimpleNamespace(pid=1)] if index in busy else [],
    )
