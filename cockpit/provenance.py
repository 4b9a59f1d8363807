"""Where, how fast and by what a run was trained, from the end of its records and its launches."""

import re

import msgspec

from cockpit import files, records
from cockpit.device_names import count
from cockpit.errors import CockpitError
from cockpit.store import Run

_END_BYTES = 1 << 16
"""Looked through for what the hardware is called: it stands beside the live samples, minutes of which this holds."""
_ONE_OF = re.compile(r" \(1 of (\d{1,6})\)$")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure of a run needs beside it; what is not known is empty."""

    device: str = ""
    """For example "NVIDIA H200", "2 × NVIDIA H200" or "cpu"."""
    host: str = ""
    """The machine's name; tells one "cpu" from another."""
    img_per_s: float | None = None
    """Training images a second in the newest epoch."""
    commit: str = ""
    """Of the cockpit's checkout; "+" behind it when the tree was changed."""
    versions: dict[str, str] = {}
    """Of cockpit, python, torch and the like."""
    launches: int = 0
    """How often its trainer was started."""

    @property
    def key(self) -> tuple[str, str]:
        """What two runs have in common that were trained on hardware of one kind."""
        return device_key(self.device, self.host)


def device_key(title: str, host: str) -> tuple[str, str]:
    """Return what tells hardware apart: a card by its name, what has none by its machine too."""
    return (title, "") if title not in ("cpu", "mps") else (title, host)


def title_of(name: str, asked: str = "") -> str:
    """Return hardware as people know it.

    Args:
        name: What the records call it, such as "cuda:0 NVIDIA H200" or "cpu (1 of 2)".
        asked: What was asked for; several have commas between.
    """
    shared = _ONE_OF.search(name)  # as the first of several calls its own
    ordinal, _, product = (name[: shared.start()] if shared else name).partition(" ")
    title = product or ordinal
    number = int(shared[1]) if shared else count(asked)
    return f"{number} × {title}" if title and number > 1 else title


def trace(run: Run) -> Provenance:
    """Return where and by what a run was trained last; what cannot be read is unknown."""
    try:
        launches = run.launches()
        epoch = run.tail().epoch
    except CockpitError:
        return Provenance()
    if not launches:
        return Provenance()
    last = launches[-1]
    name = _device_name(run) or ("" if last.device == "auto" else last.device.partition(",")[0])
    return Provenance(
        device=title_of(name, last.device),
        host=last.host,
        img_per_s=epoch.img_per_s if epoch else None,
        commit=last.git_commit,
        versions=last.versions,
        launches=len(launches),
    )


def _device_name(run: Run) -> str:
    try:
        lines = files.read_end(run.metrics_path, _END_BYTES).splitlines()
    except OSError:
        return ""
    found = [one.name if isinstance(one, records.Device) else one.device for one in _devices(lines)]
    return found[-1] if found else ""


def _devices(lines: list[bytes]) -> list[records.Device | records.Choice]:
    wanted = (line for line in lines if b'"device"' in line)
    return [one for one in records.decode_lines(wanted) if isinstance(one, records.Device | records.Choice)]
