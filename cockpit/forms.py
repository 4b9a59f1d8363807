"""What a run can be exported as, and what that needs."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from cockpit.errors import CockpitError

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch": ".pt2", "csv": ".csv", "card": ".md"}
"""How the file of a format ends; that of tensorboard is a folder."""
FORMATS = (*SUFFIXES, "tensorboard")
"""All of them."""
NETWORKS = frozenset({"safetensors", "onnx", "torch"})
"""Those that hold the network, and are compared with it."""
LOGDIR = Path("tensorboard")
"""Where event files go when no folder is named; each run has one of its own in it."""
LOG_NAME = "export-log.txt"
"""What an export that nobody may see printed, beside what it made."""


_PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "tensorboard": ("tensorboard",)}


def require(form: str) -> None:
    """Raise CockpitError when a package that a format needs is not installed."""
    for package in _PACKAGES.get(form, ()):
        if importlib.util.find_spec(package) is None:
            raise CockpitError(f"{package} is not installed; `pip install 'cockpit[export]'` brings it")


def read_formats(words: Sequence[str]) -> list[str]:
    """Return the formats that were typed, each once; commas and spaces separate them.

    Raises:
        CockpitError: When there is none, or one that nobody knows.
    """
    names = [name for word in words for name in word.replace(",", " ").split()]
    strange = [name for name in names if name not in FORMATS]
    if strange:
        raise CockpitError(f"a run cannot be exported as {strange[0][:40]!r}; the formats are {', '.join(FORMATS)}")
    if not names:
        raise CockpitError(f"name a format: {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def place_in(folder: Path, run_id: str, form: str, formats: Sequence[str]) -> Path:
    """Return where in a folder a format of a run goes that is made with others: a file, or event files' folder."""
    if form == "tensorboard":
        return (folder / LOGDIR if len(formats) > 1 else folder) / run_id
    return folder / f"{run_id}{SUFFIXES[form]}"


def refuse_graph(path: Path) -> None:
    """Raise CockpitError for a file that by its name holds a whole network, of which no weights are taken."""
    kinds = {".onnx": "an ONNX graph", ".pt2": "a program of torch.export"}
    if kind := kinds.get(path.suffix.lower()):
        raise CockpitError(
            f"{path} is {kind} by its name, not weights alone; import the .safetensors, which "
            "`cockpit export RUN --to safetensors` makes"
        )
