"""The trainer's voice: records appended to metrics.jsonl, and the monotonic clock behind them."""

import contextlib
import time
from collections.abc import Iterator

import msgspec

from cockpit import records
from cockpit.devices import samples
from cockpit.store import Run

SAMPLE_S = 2.0
"""Seconds between live samples."""
_DEVICE_S = 2.0
"""Least seconds between readings of the hardware, which cost a millisecond or so."""
_PROGRESS_S = 1.0
_RESERVE_BYTES = 16_384


def say(state: str, detail: str) -> None:
    """Print a line of the log, in the form that `cockpit.causes` knows for the trainer's own."""
    with contextlib.suppress(OSError):  # the log may lie on a full disk
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {state}: {detail}", flush=True)


class Journal:
    """Writes a run's records; one to a run, held by the process that has its writer lock.

    Attributes:
        step: Optimizer steps done, as the next phase will say.
        attempt: Ordinal of the launch, as the next phase will say.
    """

    def __init__(
        self, run: Run, attempt: int, sample_s: float = SAMPLE_S, *, aloud: bool = True, last: bool = True
    ) -> None:
        """Append to a run's records.

        Args:
            run: The run.
            attempt: Ordinal of the launch.
            sample_s: Seconds between live samples, 0 for every step.
            aloud: Whether phases are printed too.
            last: Whether the last words will be written here, for which room is reserved.

        Raises:
            CockpitError: When the records cannot be written.
        """
        self._aloud = aloud
        self._run = run
        self._lines = run.append_metrics()
        self._reserve = run.reserve_path if last else None
        self._give_up_reserve()
        if self._reserve is not None:
            # x: not through a link, nor into a pipe
            with contextlib.suppress(OSError), open(self._reserve, "xb") as file:
                file.write(bytes(_RESERVE_BYTES))
        self.attempt = attempt
        self._sample_s = sample_s
        self._begun = time.monotonic()
        self._before_s = 0.0
        self.step = 0
        self._last_sample = self._begun
        self._last_device = self._last_progress = -float("inf")
        self._hardware: Iterator[records.Device] | None = None

    def close(self) -> None:
        """Give up what was reserved; nothing is written any more."""
        self._give_up_reserve()

    def _give_up_reserve(self) -> None:
        with contextlib.suppress(OSError):
            if self._reserve is not None:
                self._reserve.unlink()

    def reopen(self) -> None:
        """Go on behind what another process has appended meanwhile, whose last line may be torn."""
        with self._lines:
            self._lines = self._run.append_metrics()

    def write(self, record: msgspec.Struct, *, durable: bool = False) -> None:
        """Append one record; a durable one is on the disk when this returns."""
        self._lines.append(records.encode(record))
        if durable:
            self._lines.sync()

    def phase(self, state: records.State, detail: str = "") -> None:
        """Say that the run passed into another state."""
        phase = records.Phase(
            time=time.time(),
            state=state,
            detail=detail,
            attempt=self.attempt,
            step=self.step,
            elapsed_s=self.elapsed_s(),
        )
        try:
            self.write(phase, durable=True)
        except OSError:  # a full disk must not keep a run from saying so
            self._give_up_reserve()
            self.write(phase, durable=True)
        if self._aloud:
            say(state, detail)

    def progress(self, done: int, total: int, what: str) -> None:
        """Say how far a preparation has come, once a second."""
        if time.monotonic() - self._last_progress > _PROGRESS_S:
            self._last_progress = time.monotonic()
            self.phase("preparing", f"{what} {done / total:.0%}" if total else what)

    def continue_from(self, step: int, elapsed_s: float) -> None:
        """Take up the step and the clock of a checkpoint."""
        self.step, self._before_s = step, elapsed_s
        self._begun = self._last_sample = time.monotonic()

    def watch_device(self, kind: str, index: int, name: str) -> None:
        """Put beside the live samples what the device does that trains, see `devices.samples`."""
        self._hardware = samples(kind, index, name)

    def elapsed_s(self) -> float:
        """Return the seconds of training so far, over all attempts, by a clock that nobody can set."""
        return self._before_s + time.monotonic() - self._begun

    def sample_due(self) -> bool:
        """Tell whether it is time for a live sample."""
        return time.monotonic() - self._last_sample >= self._sample_s

    def sample(self, *, epochs_done: float, step: int, loss: float, acc: float, images: int, lr: float) -> None:
        """Append a live sample of the steps since the last one, and now and then what the hardware does."""
        now = time.monotonic()
        since_s, self._last_sample, self.step = now - self._last_sample, now, step
        self.write(
            records.Step(
                time=time.time(),
                epoch=epochs_done,
                step=step,
                loss=loss,
                acc=acc,
                lr=lr,
                img_per_s=images / since_s,
                elapsed_s=self.elapsed_s(),
            )
        )
        if self._hardware is not None and now - self._last_device >= _DEVICE_S:
            self._last_device = now
            self.write(next(self._hardware))


class MuteJournal(Journal):
    """The journal of a rank that is not the first: it keeps the clock and writes nothing."""

    def __init__(self) -> None:
        """Begin the clock."""
        self._begun = time.monotonic()
        self._before_s = 0.0
        self.step = 0

    def close(self) -> None:
        """Leave nothing to give up."""

    def write(self, record: msgspec.Struct, *, durable: bool = False) -> None:
        """Leave it to the first rank, as all that follows."""

    def phase(self, state: records.State, detail: str = "") -> None:
        """See `write`."""

    def progress(self, done: int, total: int, what: str) -> None:
        """See `write`."""

    def watch_device(self, kind: str, index: int, name: str) -> None:
        """See `write`."""

    def sample_due(self) -> bool:
        """Say no: it is the first rank that samples."""
        return False
