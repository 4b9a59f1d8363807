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
    loss: Loss
    """Mean cross-entropy an image."""
    time: Moment
    """Wall clock, unix seconds."""
    device: str = ""
    """Where it was computed."""
    precision: str = ""
    """"fp32" or "bf16"."""
    predictions: str = ""
    """SHA-256 of the file with what the network said of each image; empty where there is none, as in older runs."""


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
