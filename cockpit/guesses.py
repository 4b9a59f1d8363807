"""A run's guesses folded into what the network made of each image, epoch by epoch; resumes go back as in the series.

Pure: it reads no file.
"""

from collections.abc import Iterable, Sequence

from cockpit.records import Guess, Guesses, Phase, Record

_LEVELS = "▁▂▃▄▅▆▇█"
MAX_EPOCHS = 20_000
"""The newest so many are kept; a damaged file may hold millions."""


class GuessHistory:
    """All that a run has recorded of its guesses.

    Attributes:
        epochs: One an epoch that was recorded, in their order; a tuple that was handed out never changes.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Begin with these records."""
        self.epochs: tuple[Guesses, ...] = ()
        self.extend(records)

    def extend(self, records: Iterable[Record]) -> None:
        """Fold further records, in the order of the file; one that does not go forward is left out."""
        epochs = list(self.epochs)
        for record in records:
            if isinstance(record, Phase):
                if record.state == "running":
                    while epochs and epochs[-1].step > record.step:
                        epochs.pop()
            elif (
                isinstance(record, Guesses)
                and record.guesses
                and (not epochs or (record.epoch > epochs[-1].epoch and record.step >= epochs[-1].step))
            ):
                epochs.append(record)
                if len(epochs) > 2 * MAX_EPOCHS:
                    del epochs[:-MAX_EPOCHS]
        self.epochs = tuple(epochs[-MAX_EPOCHS:])


def is_right(guess: Guess) -> bool:
    """Tell whether the network takes an image for what it is; it does not where it has no number."""
    return guess.best == guess.label and guess.best_share is not None


def num_right(guesses: Guesses) -> int:
    """Return how many images are taken for what they are."""
    return sum(map(is_right, guesses.guesses))


def told_of(epochs: Sequence[Guesses], image: int) -> list[Guess | None]:
    """Return what the network took an image for at each of these epochs, None where that was not recorded."""
    return [next((guess for guess in one.guesses if guess.image == image), None) for one in epochs]


def right_since(epochs: Sequence[Guesses], image: int) -> int | None:
    """Return the epoch from which on an image is taken for what it is; None when at the last of these it is not."""
    since = None
    for one, guess in zip(reversed(epochs), reversed(told_of(epochs, image)), strict=True):
        if guess is None or not is_right(guess):
            break
        since = one.epoch
    return since


def levels(shares: Sequence[float | None], width: int) -> str:
    """Return shares as columns of so many levels, the newest at the right; a gap where there is none."""
    if len(shares) > width:
        shares = [shares[(column + 1) * len(shares) // width - 1] for column in range(width)]
    return "".join(" " if share is None else level(share) for share in shares)


def level(share: float) -> str:
    """Return a share as one column."""
    return _LEVELS[min(int(share * len(_LEVELS)), len(_LEVELS) - 1)]
