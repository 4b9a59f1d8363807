"""The command that makes a run of foreign weights, to test, show and export them."""

import dataclasses
import math
import os
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import status
from cockpit.cli.common import open_store, print_json, say, show
from cockpit.cli.reading import one_of
from cockpit.errors import CockpitError
from cockpit.forms import refuse_graph


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportWeights:
    """Make a run of a plain state dict for a network of the catalogue, to test foreign weights; nothing is executed.

    Pixels are scaled to 0-1, then normalised as the weights need it: by --mean and --std, else as the file says if
    cockpit wrote it, else by the mean and deviation of the training images, as a run of cockpit is.
    """

    weights: Annotated[Positional[str], arg(metavar="WEIGHTS")]
    """A state dict: .safetensors, or .pt or .pth as torch.save leaves it."""
    model: str
    """The network, a name of `cockpit models`."""
    dataset: str
    """Whose classes it tells apart, in their order; a name of `cockpit data`."""
    mean: Annotated[str, arg(metavar="R,G,B")] = ""
    """Mean of the pixels by channel, 0-1."""
    std: Annotated[str, arg(metavar="R,G,B")] = ""
    """Deviation of the pixels by channel, 0-1."""
    normalize: Annotated[str, arg(metavar="{pixel,channel}")] = "pixel"
    """Where the training images are measured: an image of each, or a number a channel."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the run as JSON."""

    def execute(self) -> int:
        """Check the weights and make the run."""
        normalize = one_of("--normalize", self.normalize, ("pixel", "channel"))
        mean, std = _numbers("--mean", self.mean), _numbers("--std", self.std)
        path = Path(os.path.expanduser(self.weights))
        refuse_graph(path)
        store = open_store(self.runs)
        from cockpit.engine.importing import import_weights

        run = import_weights(store, path, self.model, self.dataset, mean=mean, std=std, normalize=normalize)
        imported = run.imported()
        assert imported is not None
        for note in (*imported.notes, f"mean and deviation: {imported.normalization}"):
            say(note)
        if self.json:
            print_json(status.describe(run))
        else:
            show(run.id)
            say(f"`cockpit test {run.id}` tests it")
        return 0


def _numbers(flag: str, text: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",")] if text else []
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise CockpitError(f"{flag} is {text[:40]!r}; it must be numbers with commas between, like 0.49,0.48,0.45")
    return numbers
