"""What a report of a mistake needs to name, and whether the installation works: versions, devices, terminal, folders.

Each finding is looked up anew and nothing is sent anywhere. Only the steps leave something: the digits, packed.
"""

import contextlib
import fcntl
import importlib.metadata
import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from cockpit import __version__, datasets, devices, slurm
from cockpit.config import config_path
from cockpit.errors import CockpitError
from cockpit.notify import read_notify
from cockpit.recipe import Recipe
from cockpit.rehearsal import rehearse
from cockpit.remembered import remembered_path
from cockpit.settings import read_settings
from cockpit.squeue import QUEUE

_TORCH_S = 300.0
"""How long torch may take to load: minutes, from a slow disk."""
_LOAD_TORCH = """
import json, torch, torchvision
found = {"cuda": torch.version.cuda or "", "threads": torch.get_num_threads(), "cards": [], "works": False, "why": ""}
try:
    found["cards"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found["works"] = bool(torch.cuda.is_available() and torch.ones(2, device="cuda").sum().item() == 2)
except Exception as error:
    found["why"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""
_RAISED = re.compile(r"[\w.]+(Error|Exception): ")
"""How the line of a traceback begins that tells what is wrong; more may follow it."""
_STEPS_S = 0.5
_EXTRAS = ("export", "report")
"""What `cockpit export` and `cockpit report --curves` need more."""
State = Literal["ok", "note", "bad"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    area: str
    """What it belongs to: install, machine, terminal, folders, slurm, data or training."""
    what: str
    """Its name."""
    found: str
    """What it is."""
    state: State = "ok"
    """bad: the cockpit does not work like this; note: something works less well than it could."""
    remedy: str = ""
    """What helps."""


def examine(runs: Path, environment: Mapping[str, str], *, steps: bool = True) -> Iterator[Finding]:
    """Yield what is found, one after another.

    Args:
        runs: The folder of the runs.
        environment: What the terminal says of itself.
        steps: Whether to take a few training steps too, which takes some ten seconds.
    """
    yield from _install()
    yield from _machine()
    yield from _terminal(environment)
    yield from _folders(runs)
    yield from _slurm()
    yield from _data()
    if steps:
        yield from _training(runs)


def _install() -> Iterator[Finding]:
    home = Path(__file__).resolve().parents[1]
    kind = "checkout" if (home / "pyproject.toml").is_file() else "installed"
    yield Finding(area="install", what="cockpit", found=f"{__version__}, {kind} in {short(home)}")
    python = f"{platform.python_version()}, {short(Path(sys.executable))}"
    yield Finding(area="install", what="python", found=python)
    missing = []
    for name in _required():
        try:
            yield Finding(area="install", what=name, found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    for name in missing:
        yield Finding(
            area="install", what=name, found="not installed", state="bad", remedy="install the cockpit again with pip"
        )
    for extra in _EXTRAS:
        for name in _required(extra):
            try:
                yield Finding(area="install", what=name, found=importlib.metadata.version(name))
            except importlib.metadata.PackageNotFoundError:
                remedy = f"`pip install 'cockpit[{extra}]'` brings it"
                yield Finding(area="install", what=name, found="not installed", state="note", remedy=remedy)


def _required(extra: str = "") -> list[str]:
    """Return the packages that the cockpit needs, or those of an extra."""
    found = []
    for line in importlib.metadata.requires("cockpit") or ():
        requirement, _, marker = line.partition(";")
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        of = re.search(r"extra == ['\"](\w+)['\"]", marker)
        if name and (of[1] if of else "") == extra:
            found.append(name[0])
    return sorted(found)


def _machine() -> Iterator[Finding]:
    yield Finding(
        area="machine", what="system", found=f"{platform.system()} {platform.release()}, {platform.machine()}"
    )
    titles = dict(devices.survey())
    titles.pop("auto")
    for device, title in titles.items():
        yield Finding(area="machine", what=device, found=title)
    cards = [device for device in titles if device.startswith("cuda:")]
    try:
        torch = _load_torch()
    except CockpitError as error:
        yield Finding(
            area="machine", what="torch loads", found=str(error), state="bad", remedy="install torch again with pip"
        )
        return
    built = f"built for CUDA {torch['cuda']}" if torch["cuda"] else "built without CUDA"
    yield Finding(area="machine", what="torch loads", found=f"yes, {built}, {torch['threads']} threads")
    if cards and not torch["works"]:
        seen = ", ".join(torch["cards"]) or "no card"
        why = next((f": {line.strip()}" for line in torch["why"].splitlines() if line.strip()), "")
        yield Finding(
            area="machine",
            what="torch and the card",
            found=f"the driver has {len(cards)}, torch computes on none (it sees {seen}){why}",
            state="bad",
            remedy="install a torch that is built for the driver's CUDA, unless nvidia-smi finds the card full or lost",
        )
    elif cards:
        yield Finding(area="machine", what="torch and the card", found=f"torch computes on {torch['cards'][0]}")
    elif trouble := devices.try_gpus()[1]:
        yield Finding(
            area="machine",
            what="NVIDIA driver",
            found=trouble,
            state="bad",
            remedy="when nvidia-smi fails too, load the driver again or restart the machine",
        )
    elif "mps" not in titles:
        found = "no card that CUDA_VISIBLE_DEVICES leaves" if "CUDA_VISIBLE_DEVICES" in os.environ else "none (NVML)"
        yield Finding(area="machine", what="NVIDIA driver", found=found, state="note", remedy="it trains on the CPU")


def _load_torch() -> dict:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _LOAD_TORCH], capture_output=True, text=True, timeout=_TORCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CockpitError(f"it did not in {_TORCH_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CockpitError(next((line for line in reversed(lines) if _RAISED.match(line)), lines[-1]))
    return json.loads(done.stdout.splitlines()[-1])


def _terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    names = {name: environment.get(name, "") for name in ("TERM", "COLORTERM", "TERM_PROGRAM", "SSH_TTY", "NO_COLOR")}
    said = ", ".join(f"{name}={value}" for name, value in names.items() if value) or "nothing"
    if not sys.stdout.isatty():
        yield Finding(area="terminal", what="says of itself", found=said, state="note", remedy="stdout is no terminal")
    elif names["TERM"] in ("", "dumb"):
        remedy = "the cockpit needs a terminal that moves its cursor: set TERM, for example xterm-256color"
        yield Finding(area="terminal", what="says of itself", found=said, state="bad", remedy=remedy)
    else:
        yield Finding(area="terminal", what="says of itself", found=said)
        columns, rows = shutil.get_terminal_size()
        small = columns < 80 or rows < 24
        remedy = "80x24 and more shows everything" if small else ""
        size = f"{columns}x{rows}"
        yield Finding(area="terminal", what="size", found=size, state="note" if small else "ok", remedy=remedy)
    encoding = locale.getencoding()
    good = encoding.lower().replace("-", "") == "utf8"
    remedy = "" if good else "charts and frames need UTF-8: export LANG=C.UTF-8"
    yield Finding(area="terminal", what="encoding", found=encoding, state="ok" if good else "bad", remedy=remedy)
    within = next((name for variable, name in (("TMUX", "tmux"), ("STY", "screen")) if environment.get(variable)), "")
    if within:
        yield Finding(area="terminal", what="within", found=within)


def _folders(runs: Path) -> Iterator[Finding]:
    for what, path in (("runs", runs), ("data", datasets.cache_dir())):
        yield _writable(what, path)
    for what, path, read in (
        ("config", config_path(), lambda: (read_settings(), read_notify())),
        ("screens", remembered_path(), lambda: None),
    ):
        yield _readable(what, path, read)


def _writable(what: str, path: Path) -> Finding:
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    there = "" if path.exists() else ", not made yet"
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = shutil.disk_usage(place).free / 1e9
    except OSError as error:
        remedy = "make it writable, with locks (flock), or choose another"
        return Finding(area="folders", what=what, found=f"{short(path)}: {error.strerror}", state="bad", remedy=remedy)
    return Finding(area="folders", what=what, found=f"{short(path)}{there}, {free:,.1f} GB free")


def _readable(what: str, path: Path, read: Callable[[], object]) -> Finding:
    there = short(path) if path.exists() else f"{short(path)}, not made yet"
    try:
        read()
    except CockpitError as error:
        return Finding(area="folders", what=what, found=there, state="bad", remedy=str(error))
    return Finding(area="folders", what=what, found=there)


def _slurm() -> Iterator[Finding]:
    if not slurm.is_here():
        yield Finding(area="slurm", what="sbatch", found="not here; runs train on this machine")
        return
    yield Finding(area="slurm", what="sbatch", found=short(Path(shutil.which("sbatch") or "sbatch")))
    answer = QUEUE.ask()
    if answer.trouble:
        remedy = "the cluster's administrators know; runs on this machine are not touched by it"
        yield Finding(area="slurm", what="squeue", found=answer.trouble, state="note", remedy=remedy)
    else:
        yield Finding(area="slurm", what="squeue", found=f"answers; {len(answer.jobs)} jobs of yours")


def _data() -> Iterator[Finding]:
    for spec in datasets.list_datasets():
        ready = datasets.is_ready(spec.name)
        found = f"{spec.train_images:,} + {spec.test_images:,} images" if ready else "not here yet"
        remedy = "" if ready else f"`cockpit data get {spec.name}`, or at the first run"
        yield Finding(area="data", what=spec.name, found=found, state="ok" if ready else "note", remedy=remedy)


def _training(runs: Path) -> Iterator[Finding]:
    try:
        outlook = rehearse(Recipe(dataset=datasets.EMBEDDED), "auto", runs, seconds=_STEPS_S)
    except CockpitError as error:
        yield Finding(area="training", what="a few steps", found=str(error), state="bad")
        return
    found = f"{outlook.device}, {outlook.precision}, {outlook.way}: {outlook.img_per_s:,.0f} img/s of {Recipe().model}"
    yield Finding(area="training", what="a few steps", found=found)


def short(path: Path) -> str:
    """Return a path with ~ for the home folder: a report is read by others."""
    with contextlib.suppress(ValueError, RuntimeError):
        return str(Path("~") / path.absolute().relative_to(Path.home()))
    return str(path.absolute())
