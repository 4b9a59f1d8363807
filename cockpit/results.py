"""What tests, classifications and preflights leave: documents of one JSON object, replaced whole."""

import msgspec

from cockpit.records import Amount, Count, Loss, Moment, Share


class TestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What test.json holds: the best checkpoint on the test set."""

    __test__ = False  # pytest would take it for a test class

    run: str
    """The run's id."""
    checkpoint: str
    """File name of the weights."""
    sha256: str
    """Digest of that file."""
    epoch: Count
    """The epoch that the weights come from."""
    dataset: str
    """The dataset whose test part was used."""
    images: Count
    """Number of test images."""
    top1: Share
    """Share of images whose best guess is right, 0-1."""
    top5: Share
    """Share of images whose label is among the five best guesses, 0-1 (all classes if fewer than five)."""
    loss: Loss | None
    """Mean cross-entropy an image; None where the network's outputs are not finite, because it has diverged."""
    time: Moment
    """Wall clock, unix seconds."""
    device: str = ""
    """Where it was computed."""
    precision: str = ""
    """"fp32" or "bf16"."""
    predictions: str = ""
    """SHA-256 of the file with what the network said of each image; empty where there is none, as in older runs."""


NOT_FINITE = "outputs not finite"
"""In place of the loss of a test: the network has diverged, and its accuracy is by chance."""


def told_loss(loss: float | None, decimals: int) -> str:
    """Return the loss of a test for people."""
    return NOT_FINITE if loss is None else f"loss {loss:.{decimals}f}"


def weights_of(epoch: int) -> str:
    """Return what the tested weights are of, for people."""
    return f"epoch {epoch}" if epoch else "imported weights"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What imported.json holds, in place of a recipe: where foreign weights came from, and what they are said to be."""

    model: str
    """Architecture."""
    dataset: str
    """The dataset whose classes they tell apart."""
    source: str
    """Name of the file that they came from."""
    sha256: str
    """Digest of that file."""
    normalization: str
    """Where mean and deviation of the pixels come from, in a sentence."""
    time: Moment
    """Wall clock of the import, unix seconds."""
    notes: list[str] = []
    """What was changed on the way in: prefixes taken away, for example."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How what a file says of real images was compared with what the network says."""

    images: Count
    """Test images that were compared."""
    classes: Count
    """How many classes they are of."""
    largest_difference: Amount
    """The largest difference of two logits."""
    tolerance: Amount
    """What it had to stay within."""
    ties: Count
    """Images whose two best classes are nearer to each other than that, so that the best may be either."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a folder of event files, that was made of a run."""

    run: str
    """The run's id."""
    format: str
    """What was asked for."""
    path: str
    """Where it is."""
    size_bytes: Count
    """How large it is, all its parts together."""
    verified: Verification | None = None
    """How it was compared with the network; None where there is nothing to compare, or nobody wanted it."""


class NotExported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was asked for, and why there is none."""

    run: str
    """The run's id."""
    format: str
    """What was asked for."""
    path: str
    """Where it was to be."""
    error: str
    """Why it is not there."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A class that a network takes an image for."""

    name: str
    """The class."""
    probability: Share
    """The network's confidence, 0-1."""


class Classified(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a network takes an image file for."""

    file: str
    """Its path, as it was given."""
    guesses: list[Answer] = []
    """The five likeliest classes, the likeliest first; empty when the file gives no image."""
    error: str = ""
    """Why it gives none."""


PREFLIGHT_STAGES = (
    "loading torch",
    "reading the images",
    "measuring how to take a step",
    "taking steps",
    "validating",
    "saving",
)
"""What a preflight does, one after another; its phases say these."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would need on a device, from a few of its steps; what a preflight leaves."""

    device: str
    """For example "cuda:0 NVIDIA H200" or "cpu"."""
    precision: str
    """"fp32" or "bf16"."""
    way: str
    """"eager", "graph" or "compiled"."""
    reason: str
    """Why that precision and way."""
    img_per_s: Amount
    """Training images a second."""
    epoch_s: Amount
    """Seconds of an epoch, with validation and saving."""
    total_s: Amount
    """Seconds from launch to the end of the test."""
    peak_bytes: Count
    """Peak memory: reserved on the card, or resident in the process on a CPU."""
    disk_bytes: Count
    """Size of the run folder without its records."""
