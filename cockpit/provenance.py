"""Where, how fast and by what a run was trained, from the end of its records and its launches."""

import re
from collections.abc import Iterable

import msgspec

from cockpit import files, records
from cockpit.device_names import count
from cockpit.errors import CockpitError
from cockpit.lines import whole_lines
from cockpit.store import Run

_END_BYTES = 1 << 16
"""Looked through for what the hardware is called: it stands beside the live samples, minutes of which this holds."""
_ONE_OF = re.compile(r" \(1 of (\d{1,6})\)$")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure of a run needs beside it, of every launch that trained; what is not known is empty."""

    devices: tuple[str, ...] = ()
    """For example "NVIDIA H200", "2 × NVIDIA H200" or "cpu"."""
    hosts: tuple[str, ...] = ()
    """The machines' names; they tell one "cpu" from another."""
    img_per_s: float | None = None
    """Training images a second in the newest epoch; None where it was trained on hardware of several kinds."""
    commits: tuple[str, ...] = ()
    """Of the cockpit's checkout; "+" behind one when the tree was changed."""
    versions: tuple[str, ...] = ()
    """Of cockpit, python, torch and the like: "torch 2.9.0"."""
    launches: int = 0
    """How often its trainer was started."""
    mixed: bool = False
    """Whether it was trained on hardware of several kinds, of none of which time and speed tell."""

    @property
    def key(self) -> tuple[str, str]:
        """What two runs have in common that were trained on hardware of one kind."""
        return device_key(", ".join(self.devices), ", ".join(self.hosts))


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
    """Return where and by what a run was trained; what cannot be read is unknown."""
    try:
        launches = run.launches()
        tail = run.tail()
    except CockpitError:
        return Provenance()
    if not launches:
        return Provenance()
    if len(launches) == 1:
        names, trained = {launches[0].attempt: _newest_name(run)}, set[int]()
    else:
        names, trained = _look_through(
            run, max((one.step for one in (tail.phase, tail.epoch, tail.step) if one), default=0)
        )
    told = [launch for launch in launches if launch.attempt in trained] or launches[-1:]
    titles = [_title(launch, names.get(launch.attempt, "")) for launch in told]
    mixed = len({device_key(title, launch.host) for title, launch in zip(titles, told, strict=True)}) > 1
    return Provenance(
        devices=distinct(titles),
        hosts=distinct(launch.host for launch in told),
        img_per_s=tail.epoch.img_per_s if tail.epoch and not mixed else None,
        commits=distinct(launch.git_commit for launch in told),
        versions=distinct(f"{name} {version}" for launch in told for name, version in launch.versions.items()),
        launches=len(launches),
        mixed=mixed,
    )


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return each text once, in the order in which they came; none is empty."""
    return tuple(text for text in dict.fromkeys(texts) if text)


def _title(launch: records.Launch, name: str) -> str:
    return title_of(name or ("" if launch.device == "auto" else launch.device.partition(",")[0]), launch.device)


def _newest_name(run: Run) -> str:
    """Return what the hardware is called at the end of the records, which is all that need be read of one launch."""
    try:
        lines = files.read_end(run.metrics_path, _END_BYTES).splitlines()
    except OSError:
        return ""
    found = [_name(one) for one in records.decode_lines(line for line in lines if b'"device"' in line)]
    return next((name for name in reversed(found) if name), "")


def _name(record: records.Record) -> str:
    match record:
        case records.Device():
            return record.name
        case records.Choice():
            return record.device
    return ""


def _look_through(run: Run, last_step: int) -> tuple[dict[int, str], set[int]]:
    """Return what the hardware of each launch is called, and the launches of whose steps some are in the weights.

    A resume at step s makes void what was done after s; who did nothing else has trained nothing of the run.

    Args:
        run: The run.
        last_step: The newest step that counts.
    """
    names: dict[int, str] = {}
    begun: list[tuple[int, int]] = []
    attempt, named = 0, False
    for line in whole_lines(run.metrics_path):
        if not (b'"phase"' in line or (not named and b'"device"' in line)):
            continue
        for record in records.decode_lines([line]):
            if isinstance(record, records.Phase):
                named = named and record.attempt == attempt
                attempt = record.attempt
                if record.state == "running":
                    begun.append((attempt, record.step))
            elif name := _name(record):
                names[attempt] = name
                named = isinstance(record, records.Device)
    trained, until = set[int](), last_step
    for attempt, step in reversed(begun):
        if step < until:
            trained.add(attempt)
        until = min(until, step)
    return names, trained
