"""What the trainer appends to a run: one JSON object a line of metrics.jsonl, tagged by `kind`.

Readers ignore unknown kinds and fields, so an old cockpit reads a new run. NaN is written as null. Fractions are 0-1,
times unix seconds, durations seconds of a monotonic clock, sizes bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec

State = Literal["preparing", "running", "testing", "stopped", "finished", "failed"]
"""What the trainer says of itself; `cockpit.status` derives from it what the run is."""

FINAL_STATES: frozenset[str] = frozenset({"stopped", "finished", "failed"})

# What no trainer can have measured is damage, refused where it is read, so that nobody behind has to reckon with it.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
Loss = Annotated[float, msgspec.Meta(ge=-1e39, le=1e39)]
Pid = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Phase(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="phase"):
    """The trainer passed from one state to another."""

    time: Moment
    """Wall clock, unix seconds."""
    state: str
    """One of `State`; a newer trainer may write others."""
    detail: str = ""
    """A sentence for the user: what is being prepared, why it stopped or failed."""
    attempt: Count = 1
    """Ordinal of the launch that wrote this, from 1; the lines of launches.jsonl."""
    step: Count = 0
    """Optimizer steps done. `running` at step s supersedes all earlier records of later steps."""
    elapsed_s: Amount = 0.0
    """Training seconds so far, over all attempts."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="step"):
    """A live sample of the training loop, every few seconds; means over the steps since the last sample."""

    time: Moment
    """Wall clock, unix seconds."""
    epoch: Amount
    """Epochs done, with the fraction of the present one."""
    step: Count
    """Optimizer steps done."""
    loss: Loss | None
    """Mean training loss a sample; None if it is NaN."""
    acc: Share | None
    """Training top-1, 0-1."""
    lr: Amount
    """Learning rate of the last step."""
    img_per_s: Amount
    """Training images a second."""
    elapsed_s: Amount
    """Training seconds so far, over all attempts."""


class Epoch(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="epoch"):
    """One epoch is done, its validation too."""

    time: Moment
    """Wall clock, unix seconds."""
    epoch: Count
    """Epochs done, from 1."""
    step: Count
    """Optimizer steps done."""
    train_loss: Loss | None
    """Mean training loss a sample over the epoch."""
    train_acc: Share | None
    """Training top-1 over the epoch (augmented images, weights in motion), 0-1."""
    val_loss: Loss | None
    """Mean validation loss a sample."""
    val_acc: Share | None
    """Validation top-1, 0-1."""
    lr: Amount
    """Learning rate of the epoch's last step."""
    epoch_s: Amount
    """Seconds of training in this epoch, without validation."""
    img_per_s: Amount
    """Training images a second over the epoch."""
    elapsed_s: Amount
    """Training seconds so far, over all attempts, with validation."""
    best_val_acc: Share | None
    """The highest validation top-1 so far, 0-1."""
    best_epoch: Count
    """The epoch of it; ties go to the earlier."""


class Device(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="device"):
    """What the hardware does, beside a live sample. A value that cannot be read is None."""

    time: Moment
    """Wall clock, unix seconds."""
    name: str
    """For example "cuda:0 NVIDIA H200" or "cpu"."""
    busy: Amount | None = None
    """Share of the device in use, 0-1 (of all cores for a CPU)."""
    memory_bytes: Count | None = None
    """Memory in use: of the card, or resident in the trainer on a CPU."""
    memory_total_bytes: Count | None = None
    """Memory there is."""
    power_w: Amount | None = None
    """Watts drawn."""
    temperature_c: float | None = None
    """Degrees Celsius."""


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way of taking a step, tried before the training."""

    precision: str
    """"fp32" or "bf16"."""
    way: str
    """"eager", "graph" (a CUDA graph, replayed) or "compiled" (by torch.compile)."""
    batch_size: Count
    """Images of the steps that were timed."""
    step_s: Amount | None = None
    """Median seconds of one step; None when it could not be taken."""
    setup_s: Amount | None = None
    """Seconds that capturing or compiling took; None where there is neither."""
    note: str = ""
    """Why it was not timed, or not to the end."""


class Choice(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="choice"):
    """How the steps of a run are computed on a device; a resume on the same device keeps to it."""

    time: Moment
    """Wall clock, unix seconds."""
    device: str
    """For example "cuda:0 NVIDIA H200", "cpu", or of several "cuda:0,cuda:1 NVIDIA H200", "cpu,cpu on 2 nodes"."""
    precision: str
    """"fp32" or "bf16"."""
    way: str
    """"eager", "graph" or "compiled"."""
    reason: str
    """Why, in a sentence."""
    batch_norm: str = ""
    """On several devices "synced" or "local", see the recipe; empty on one, and in runs of an older cockpit, where each
    device's was its own."""
    trials: list[Trial] = []
    """What was measured; empty when there was nothing to choose."""


class Guess(msgspec.Struct, frozen=True, array_like=True):
    """What a network takes one validation image for; an array in the file, which is short."""

    image: Count
    """Its place among the dataset's training images."""
    label: Count
    """The class that it is of."""
    best: Count
    """The class that the network takes it for."""
    best_share: Share | None
    """The probability that the network gives `best`, 0-1, four decimals; None if it is NaN."""
    label_share: Share | None
    """The probability that the network gives `label`."""


MAX_GUESSES = 64
"""More are no record."""


class Guesses(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="guesses"):
    """What the network took a few validation images for when an epoch was done, the same images at every epoch."""

    epoch: Count
    """Epochs done, from 1."""
    step: Count
    """Optimizer steps done."""
    guesses: Annotated[list[Guess], msgspec.Meta(max_length=MAX_GUESSES)]
    """One for each image, in the order of their classes."""


Record = Phase | Step | Epoch | Device | Choice | Guesses
Kind = Literal["phase", "step", "epoch", "device", "choice", "guesses"]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no record; the last for lists in lists by the thousand."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Phase | Step | Epoch | Device | Choice | Guesses)


def encode(record: msgspec.Struct) -> bytes:
    """Return the record as one line, newline included."""
    return _encoder.encode(record) + b"\n"


def decode_lines(lines: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of whole lines; a damaged or unknown line is passed over."""
    for line in lines:
        try:
            yield _decoder.decode(line)
        except UNREADABLE:
            continue


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One line of launches.jsonl: which process trained, where and with what."""

    attempt: Count
    """1 for the first launch; each resume adds one."""
    time: Moment
    """Wall clock, unix seconds."""
    argv: list[str]
    """The trainer's command line."""
    host: str
    """Host name."""
    boot_id: str
    """Identity of the host's boot: a pid means nothing after a reboot."""
    pid: Pid
    """The trainer's process."""
    process_start_s: float
    """The process's start in seconds since boot, which no clock change moves: tells a reused pid."""
    device: str = ""
    """What was asked for, of each node if there are several: "auto", "cpu", "cuda:0", "mps", "cpu,cpu"."""
    versions: dict[str, str] = {}
    """Versions of cockpit, python, torch and the like."""
    oom_kills: dict[str, int] = {}
    """Processes that the kernel had killed for lack of memory before this one began, by counter (`cockpit.causes`)."""
    git_commit: str = ""
    """Commit of the cockpit checkout, empty outside one; "+" behind it when the tree was changed."""
    submission: str = ""
    """Name of the Slurm job that it runs in, of submissions.jsonl; empty where there is none."""


class Submission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of submissions.jsonl: written before Slurm is asked, and again, under the same name, with its answer."""

    name: str
    """The job's name in Slurm, which no other job has."""
    time: float
    """Wall clock, unix seconds."""
    host: str
    """Where sbatch was called."""
    uid: int
    """Whose job it is."""
    launches: int
    """How many launches the run had had before."""
    device: str
    """What was asked of each node: "auto", "cpu", "cuda", or several with commas between: "cuda,cuda"."""
    settings: dict[str, Any] = {}
    """What was asked of Slurm, see `cockpit.settings.Settings`."""
    job: str = ""
    """The job's number; empty while it is not known."""
    refused: str = ""
    """Why Slurm did not take it; empty if it did, or while that is not known."""
