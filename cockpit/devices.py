"""What hardware there is and what it does: GPUs through NVML, the CPU through psutil. An absent value is None."""

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import psutil

from cockpit.device_names import CARD, count, is_open, may_be_card, names_of, normal, visible
from cockpit.errors import CockpitError
from cockpit.records import Device

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_MOST_OWNERS = 3
"""Processes on a card that are named."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One NVIDIA card."""

    index: int
    """Ordinal among those that CUDA_VISIBLE_DEVICES leaves; a run asks for it as `cuda:<index>`."""
    name: str
    """Product name."""
    memory_bytes: int | None
    """Memory in use, by anybody."""
    memory_total_bytes: int | None
    """Memory there is."""
    busy: float | None
    """Share of the last sampling interval in which a kernel ran, 0-1."""
    power_w: float | None
    """Watts drawn."""
    temperature_c: float | None
    """Degrees Celsius."""
    pids: tuple[int, ...] | None = None
    """The processes that compute on it, by anybody; none may be seen from within a container."""


class DriverError(CockpitError):
    """There is an NVIDIA driver, and it does not tell what cards there are."""

    def __init__(self, why: object) -> None:
        """Carry what the driver said."""
        super().__init__(
            f"the NVIDIA driver fails ({why}), so what cards there are is not known; see what nvidia-smi says, or ask "
            f"for the CPU: --device cpu"
        )


def list_gpus() -> list[Gpu]:
    """Return the NVIDIA cards that answer, of those that CUDA_VISIBLE_DEVICES leaves; none where there is no driver.

    So they are what a trainer sees that is started from here, in its order.

    Raises:
        DriverError: When there is one and it fails, or all its cards are lost: nobody is to take the CPU unasked then.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if (
            getattr(error, "value", None) == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
        ):  # the driver was updated, and not loaded again
            raise DriverError(error) from error
        return []
    gpus, lost = [], None
    try:
        for index, card in enumerate(_visible_cards(pynvml.nvmlDeviceGetCount())):
            ask = pynvml.nvmlDeviceGetHandleByUUID if isinstance(card, str) else pynvml.nvmlDeviceGetHandleByIndex
            try:
                gpus.append(_read_gpu(index, ask(card)))
            except pynvml.NVMLError as error:  # "GPU is lost": the others are none the worse
                lost = error
    except pynvml.NVMLError as error:
        raise DriverError(error) from error
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    if lost is not None and not gpus:
        raise DriverError(lost)
    return gpus


def _visible_cards(num_cards: int) -> Sequence[int | str]:
    import pynvml

    def uuid_of(index: int) -> str:
        with contextlib.suppress(pynvml.NVMLError):
            uuid = pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index))
            return uuid.decode() if isinstance(uuid, bytes) else uuid
        return ""

    said = os.environ.get(_VISIBLE)
    return range(num_cards) if said is None else visible(said, num_cards, uuid_of)


def _read_gpu(index: int, handle: object) -> Gpu:
    import pynvml

    def ask(query: Callable[..., Any], *args: object) -> Any:
        try:
            return query(handle, *args)
        except pynvml.NVMLError:
            return None

    memory = ask(pynvml.nvmlDeviceGetMemoryInfo)
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates)
    milliwatts = ask(pynvml.nvmlDeviceGetPowerUsage)
    name = ask(pynvml.nvmlDeviceGetName)
    processes = ask(pynvml.nvmlDeviceGetComputeRunningProcesses)
    return Gpu(
        index=index,
        name=name.decode() if isinstance(name, bytes) else name or "GPU",
        memory_bytes=None if memory is None else int(memory.used),
        memory_total_bytes=None if memory is None else int(memory.total),
        busy=None if rates is None else rates.gpu / 100,
        power_w=None if milliwatts is None else milliwatts / 1000,
        temperature_c=ask(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU),
        pids=None if processes is None else tuple(process.pid for process in processes),
    )


def try_gpus() -> tuple[list[Gpu], str]:
    """Return `list_gpus`, or no cards and why they are not known."""
    try:
        return list_gpus(), ""
    except DriverError as error:
        return [], str(error)


def box_devices(gpus: Sequence[Gpu]) -> list[tuple[str, str]]:
    """Return (value, what it is) of this host's devices, the best first and the CPU last."""
    cores = os.cpu_count() or 1
    choices = [(f"cuda:{gpu.index}", _describe(gpu)) for gpu in gpus]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        choices.append(("mps", "Apple GPU"))
    choices.append(("cpu", f"CPU, {cores} core{'s' if cores != 1 else ''}"))
    return choices


def survey() -> list[tuple[str, str]]:
    """Return (value, what it is) of every device that a run may ask for, the default first, and what it does now.

    That is the free memory, who computes there, the load. When the driver fails, `auto` says so: it is refused then.
    """
    gpus, trouble = try_gpus()
    titles = dict(box_devices(gpus))
    for gpu in gpus:
        if gpu.pids:
            titles[f"cuda:{gpu.index}"] += f"; used by {', '.join(_owner(pid) for pid in gpu.pids[:_MOST_OWNERS])}"
        if len(gpu.pids or ()) > _MOST_OWNERS:
            titles[f"cuda:{gpu.index}"] += f" and {len(gpu.pids or ()) - _MOST_OWNERS} more"
    free, total = memory_of("cpu")
    titles["cpu"] += f", {_gib(free, total)} free, load {os.getloadavg()[0]:.1f}"
    best, title = next(iter(titles.items()))
    if trouble:
        return [("auto", trouble), *titles.items()]
    return [("auto", f"the best there is: {best}" + (f", {title}" if best != "cpu" else "")), *titles.items()]


def memory_of(name: str) -> tuple[int | None, int | None]:
    """Return free and all memory, in bytes, of a device by its name or by what a backend calls it; None if unknown."""
    device = name.partition(" ")[0]
    if not device.startswith("cuda"):
        memory = psutil.virtual_memory()
        return memory.available, memory.total
    index = device.partition(":")[2]
    gpu = next((gpu for gpu in try_gpus()[0] if str(gpu.index) == (index or "0")), None)
    if gpu is None or gpu.memory_bytes is None or gpu.memory_total_bytes is None:
        return None, None
    return gpu.memory_total_bytes - gpu.memory_bytes, gpu.memory_total_bytes


def _owner(pid: int) -> str:
    """Return whose process it is: a run of cockpit's, else program and user."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        if "cockpit.engine" in words[:-1]:
            return os.path.basename(words[words.index("cockpit.engine") + 1])
        return f"{process.name()} of {process.username()}"
    except psutil.Error:
        return f"process {pid}"


def _gib(free: int | None, total: int | None) -> str:
    return f"{(free or 0) / 2**30:.0f} of {(total or 0) / 2**30:.0f} GiB"


def _describe(gpu: Gpu) -> str:
    if gpu.memory_bytes is None or gpu.memory_total_bytes is None:
        return gpu.name
    return f"{gpu.name}, {_gib(gpu.memory_total_bytes - gpu.memory_bytes, gpu.memory_total_bytes)} free"


def check_device(name: str) -> str:
    """Return the normal form of a device, or of several, if a run may ask for it.

    Raises:
        CockpitError: When that is none, not on this machine, or several that cannot share a run.
        DriverError: When it may be a card, and which there are is not known.
    """
    wanted = normal(name)
    gpus = list_gpus() if may_be_card(wanted) else []
    known = ["auto", *(value for value, _ in box_devices(gpus))]
    num_cards = sum(value.startswith("cuda:") for value in known)
    for one in names_of(wanted):
        if one not in known and not (one == CARD and num_cards):
            raise not_here(one, known)
    if is_open(wanted) and count(wanted) > num_cards:
        cards = f"{num_cards} card{'s' if num_cards != 1 else ''}"
        raise CockpitError(f"device {wanted!r} is {count(wanted)} cards and this machine has {cards}; ask for fewer")
    return wanted


def not_here(device: str, known: Sequence[str]) -> CockpitError:
    """Return the error of a device that is none of those that there are."""
    said = os.environ.get(_VISIBLE)
    hidden = f" (CUDA_VISIBLE_DEVICES is {said[:40]!r})" if said is not None and may_be_card(device) else ""
    return CockpitError(f"device {device!r} is not on this machine{hidden}; choose one of {', '.join(known)}")


def is_here(name: str) -> bool:
    """Tell whether a run may ask for a device."""
    with contextlib.suppress(CockpitError):
        check_device(name)
        return True
    return False


def settled(device: str) -> str:
    """Return `settle` with the cards of this machine.

    Raises:
        DriverError: When cards are asked for, and which there are is not known.
    """
    return settle(device, list_gpus()) if _is_any(device) else device


def settle(device: str, gpus: Sequence[Gpu]) -> str:
    """Return a device with names in the place of any so many cards: of those that fewest compute on, the emptiest.

    Args:
        device: A normal form; what is not such cards stays as it is.
        gpus: The cards of this machine, at least so many.
    """
    if not _is_any(device):
        return device
    freest = sorted(gpus, key=lambda gpu: (len(gpu.pids or ()), gpu.memory_bytes or 0, gpu.index))
    return ",".join(f"cuda:{index}" for index in sorted(gpu.index for gpu in freest[: count(device)]))


def _is_any(device: str) -> bool:
    """Tell whether any card will do."""
    return is_open(device) or device == CARD


def samples(device_type: str, index: int, name: str) -> Iterator[Device]:
    """Yield, at each `next`, what the device of a training does now.

    Args:
        device_type: "cuda", "mps" or "cpu".
        index: Ordinal of a CUDA device, see `Gpu`.
        name: What the records call it.
    """
    process = psutil.Process()
    psutil.cpu_percent()  # the first reading has no interval to speak of
    while True:
        if device_type == "cuda":
            gpu = next((gpu for gpu in try_gpus()[0] if gpu.index == index), None)
            yield Device(
                time=time.time(),
                name=name,
                busy=gpu.busy if gpu else None,
                memory_bytes=gpu.memory_bytes if gpu else None,
                memory_total_bytes=gpu.memory_total_bytes if gpu else None,
                power_w=gpu.power_w if gpu else None,
                temperature_c=gpu.temperature_c if gpu else None,
            )
        else:
            yield Device(
                time=time.time(),
                name=name,
                busy=psutil.cpu_percent() / 100,
                memory_bytes=process.memory_info().rss,
                memory_total_bytes=psutil.virtual_memory().total,
            )
