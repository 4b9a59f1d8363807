"""A run on several devices: one process a device, started and watched over by torchrun's agent, which lives in here.

This process is the run's: it has the writer lock, hands on requests to stop, has the ranks begin again from the last
checkpoint once when one of them dies, and writes what became of the run when none of them is left.
"""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path

import msgspec
import psutil
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from cockpit import causes, durable
from cockpit.engine.data import prepare
from cockpit.engine.journal import Journal
from cockpit.engine.member import LastWord, State, make_room, read_last_words
from cockpit.engine.stopping import REQUESTS, StopFlag, Stopped
from cockpit.errors import CockpitError
from cockpit.store import Run

_LOOK_S = 0.1


def train_together(
    run: Run,
    devices: str,
    journal: Journal,
    stop: StopFlag,
    *,
    begin_attempt: Callable[[], None],
    lock: int,
    sample_s: float,
    patience_s: float,
) -> None:
    """Train a run to its end, from wherever it stands, and test its best weights.

    Args:
        run: The run.
        devices: A device for every rank, with commas between.
        journal: Where the records go while there are no ranks.
        stop: Handed on to the ranks.
        begin_attempt: Records another launch, of this process too.
        lock: Descriptor of the writer lock; every rank gets a copy, so that none is left when another trainer begins.
        sample_s: Seconds between live samples.
        patience_s: Seconds that a rank waits for the others.

    Raises:
        Stopped: When `stop` said so; the checkpoint is saved.
        CockpitError: When the run cannot go on, in a sentence.
    """
    with stop.at_once(f"while {run.recipe.dataset} was prepared"):
        prepare(run.recipe.dataset, journal.progress, stop)
    durable.sweep(run.path)
    _set_environment(devices)

    def go() -> LastWord:
        journal.phase("preparing", f"starting a process for each of {devices}")
        argv = ["-m", "cockpit.engine", str(run.path), "rank", "--device", devices, "--attempt", str(journal.attempt)]
        argv += ["--starter", str(os.getpid()), "--sample-s", str(sample_s), "--patience-s", str(patience_s)]
        word = _launch(argv, devices.count(",") + 1, stop, patience_s)
        journal.reopen()
        tail = run.tail()
        known = [record for record in (word, tail.epoch, tail.step) if record]
        journal.continue_from(max(one.step for one in known), max(one.elapsed_s for one in known))
        return word

    with _lent(lock):
        word = go()
        if word.state == "parted" and not stop():
            journal.phase("preparing", f"{word.detail}; it begins again from the last checkpoint")
            begin_attempt()
            word = go()
    if word.state == "stopped":
        raise Stopped(word.detail)
    if word.state == "parted":
        killer = causes.told_by_kernel(run.launches()[-1])
        raise CockpitError(f"{word.detail}{f'; {killer}' if killer else ''}")
    if word.state != "finished":
        raise CockpitError(word.detail)
    journal.phase("finished", word.detail)


def _set_environment(devices: str) -> None:
    """Say what the ranks find in their environment; the user's own settings stand."""
    threads = max(1, (os.cpu_count() or 1) // (devices.count(",") + 1))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    # What the agent has to tell is told here, in the run's own words.
    logger = logging.getLogger("torch.distributed.elastic")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


@contextlib.contextmanager
def _lent(lock: int) -> Iterator[None]:
    """Have every process that is started here hold the lock, as its standard input: the agent hands on nothing else."""
    os.dup2(lock, 0)
    try:
        yield
    finally:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)


def _launch(argv: Sequence[str], size: int, stop: StopFlag, patience_s: float) -> LastWord:
    """Have so many ranks train until none is left, and return what their end means for the run."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=size,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # a port that is free, as torchrun's --standalone does
        local_addr="127.0.0.1",
        max_restarts=0,  # not every failure deserves a second attempt, which only we can tell
    )
    with tempfile.TemporaryDirectory(prefix="cockpit-ranks-") as home:
        outbox = Path(home)
        make_room(outbox, size)

        def work() -> dict[int, int]:
            signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)  # ranks inherit it, until they know what to do with them
            try:
                elastic_launch(config, sys.executable)(*argv, "--outbox", home)
            except ChildFailedError as error:
                return {rank: failure.exitcode for rank, failure in error.failures.items()}
            return {}

        # The agent's own handlers would end the ranks: it sets them in a main thread only.
        with futures.ThreadPoolExecutor(1) as pool:
            ended = pool.submit(work)
            told: set[int] = set()
            while not futures.wait([ended], _LOOK_S).done:
                if stop():
                    _hand_on(stop, told)
        return judge(read_last_words(outbox, size), ended.result(), size, patience_s)


def _hand_on(stop: StopFlag, told: set[int]) -> None:
    for child in psutil.Process().children():
        if child.pid not in told:
            told.add(child.pid)
            with contextlib.suppress(psutil.Error):
                child.send_signal(signal.Signals[stop.reason])


def judge(words: dict[int, LastWord], failures: dict[int, int], size: int, patience_s: float) -> LastWord:
    """Return how the run ended, from how its ranks did.

    Args:
        words: The last words of those that had one.
        failures: Exit codes of those that failed, minus the signal where one ended them, in the order of their ends.
        size: How many ranks there were.
        patience_s: Seconds that one waits for the others.
    """
    for rank, word in sorted(words.items()):
        if word.state == "failed":
            return word if rank == 0 else msgspec.structs.replace(word, detail=f"rank {rank}: {word.detail}")
    first = words.get(0)
    if first is not None and first.state in ("finished", "stopped"):
        return first
    if any(word.state == "unanswered" for word in words.values()):
        silent = [str(rank) for rank in range(size) if rank not in words]
        who = f"rank {' and rank '.join(silent)}" if silent else "some rank"
        return _ending("failed", f"{who} did not answer for {patience_s:.0f} s")
    for rank, code in failures.items():
        if rank not in words:
            return _ending("parted", f"rank {rank} {_describe(code)}")
    lost = next((word.detail for word in words.values()), "they ended without a word")
    return _ending("parted", f"the ranks lost each other: {lost}")


def _ending(state: State, detail: str) -> LastWord:
    return LastWord(state=state, detail=detail, step=0, elapsed_s=0.0)


def _describe(code: int) -> str:
    if code >= 0:
        return f"ended without a word (exit code {code}; log.txt may tell more)"
    with contextlib.suppress(ValueError):
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"was ended by signal {-code}"
