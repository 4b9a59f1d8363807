"""One of the processes that share a run: its entry, and its last word to the process that started them all.

The first of them writes the run's records while it trains; how the run ended is left to the starter to write.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import msgspec

from cockpit.device_names import count, names_of
from cockpit.engine.journal import Journal, MuteJournal
from cockpit.engine.stopping import REQUESTS, StopFlag, Stopped
from cockpit.errors import CockpitError
from cockpit.store import Run

if TYPE_CHECKING:
    from cockpit.engine.ranks import Ranks

PATIENCE_S = 60.0
"""Seconds a rank waits for the others: for a copy of the weights that is to be saved, or for a slower neighbour."""
_ROOM_BYTES = 8_192
"""Room for a last word, taken on the disk before there is one: the disk may be full when there is."""
_PDEATHSIG = 1
"""Linux's PR_SET_PDEATHSIG."""
_LOOK_S = 0.5
State = Literal["finished", "stopped", "failed", "parted", "unanswered"]


class LastWord(msgspec.Struct, frozen=True, kw_only=True):
    """How a rank ended, by its own account."""

    state: State
    """The first three are the run's too; the last two say that others were gone, or did not answer in time."""
    detail: str
    """A sentence."""
    step: int
    """Optimizer steps done."""
    elapsed_s: float
    """Seconds of training over all attempts."""


def make_room(outbox: Path, size: int) -> None:
    """Prepare a folder for the last words of so many ranks."""
    for rank in range(size):
        (outbox / str(rank)).write_bytes(bytes(_ROOM_BYTES))


def read_last_words(outbox: Path, ranks: Iterable[int]) -> dict[int, LastWord]:
    """Return the last words of those of some ranks that had one."""
    words: dict[int, LastWord] = {}
    for rank in ranks:
        with contextlib.suppress(msgspec.DecodeError, OSError):  # another trainer may have swept them away
            words[rank] = msgspec.json.decode((outbox / str(rank)).read_bytes().rstrip(b"\0"), type=LastWord)
    return words


def take_part(
    run: Run,
    devices: str,
    explain: Callable[[Exception, Run, str], str],
    *,
    attempt: int,
    sample_s: float,
    patience_s: float,
    outbox: Path,
    starter: int,
    num_nodes: int = 1,
) -> NoReturn:
    """Be the rank that torchrun's environment says, and exit.

    Args:
        run: The run, whose writer lock every rank holds as its standard input.
        devices: The devices of a node's ranks, with commas between.
        explain: Returns the sentence for an error that is none of the user's.
        attempt: Ordinal of the launch.
        sample_s: Seconds between live samples.
        patience_s: Seconds to wait for the others at any exchange.
        outbox: Where the last words go.
        starter: The process that this one must not outlive.
        num_nodes: How many nodes have such devices.
    """
    stop = StopFlag()
    stop.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)  # the starter has them wait until there is who heeds them
    die_with(starter)
    rank = int(os.environ["RANK"])
    journal = MuteJournal() if rank else Journal(run, attempt, sample_s, last=False)
    own = names_of(devices)[rank % count(devices)]
    everywhere = devices if num_nodes == 1 else f"{devices} on {num_nodes} nodes"
    try:
        state, detail = _train(run, own, everywhere, journal, stop, patience_s)
    except Exception as error:  # the engine's edge in this process
        with contextlib.suppress(OSError):  # the log may lie on a full disk
            traceback.print_exc()
        state, detail = "failed", explain(error, run, everywhere)
    word = LastWord(state=state, detail=detail, step=journal.step, elapsed_s=journal.elapsed_s())
    journal.close()
    leave(word, outbox)


def leave(word: LastWord, outbox: Path) -> NoReturn:
    """Say a rank's last word, cut to its room, and end this process."""
    word = msgspec.structs.replace(word, detail=word.detail[: _ROOM_BYTES // 8])
    with contextlib.suppress(OSError), open(outbox / os.environ["RANK"], "r+b") as file:
        file.write(msgspec.json.encode(word))
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: torn down in the usual way, gloo's threads abort the process now and then, and a rank would be mourned.
    os._exit(0 if word.state in ("finished", "stopped") else 1)


def _train(
    run: Run, own: str, everywhere: str, journal: Journal, stop: StopFlag, patience_s: float
) -> tuple[State, str]:
    from cockpit.engine.ranks import AgreedStop, PartedError, Ranks

    try:
        ranks = Ranks(everywhere, patience_s)
        return "finished", _share_training(run, own, journal, stop, AgreedStop(stop, ranks), ranks)
    except Stopped as stopped:
        return "stopped", str(stopped)
    except PartedError as error:
        return "unanswered" if error.silent else "parted", str(error)
    except CockpitError as error:
        return "failed", str(error)


def _share_training(run: Run, device: str, journal: Journal, own_stop: StopFlag, stop: StopFlag, ranks: "Ranks") -> str:
    from cockpit.engine.keeper import Keeper
    from cockpit.engine.train import begin, run_epoch, test_best

    loop = begin(run, device, journal, stop, ranks)
    with contextlib.ExitStack() as stack:
        keeper = None
        if ranks.rank == 0:
            keeper = stack.enter_context(Keeper(run, journal, loop.data.normalization, loop.classes))
        while loop.state.epoch < loop.recipe.num_epochs:
            run_epoch(loop, keeper, stop)
    return test_best(run, loop, journal, own_stop) if ranks.rank == 0 else ""


def die_with(starter: int) -> None:
    """See that this process does not outlive the one that started it, however that one ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(starter,), name="watch", daemon=True).start()


def _watch(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)
