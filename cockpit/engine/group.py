"""A run on several devices: one process a device, of one node or of several.

This process is the run's: it has the writer lock, hands on requests to stop, has the ranks begin again from the last
checkpoint when one of them dies, as long as they got on since, and writes what became of the run when none is left.
"""

import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import torch

from cockpit import causes, durable, interpreter
from cockpit.device_names import count, names_of
from cockpit.engine.agent import Ends, set_environment, tend
from cockpit.engine.data import prepare
from cockpit.engine.journal import Journal
from cockpit.engine.member import LastWord, State
from cockpit.engine.nodes import OtherNodes, other_nodes
from cockpit.engine.site import Site
from cockpit.engine.stopping import StopFlag, Stopped
from cockpit.errors import CockpitError
from cockpit.launch import check_shared
from cockpit.store import Run


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
    site: Site | None = None,
) -> None:
    """Train a run to its end, from wherever it stands, and test its best weights.

    Args:
        run: The run.
        devices: A device for every rank of a node, with commas between.
        journal: Where the records go while there are no ranks.
        stop: Handed on to the ranks.
        begin_attempt: Records another launch, of this process too.
        lock: Descriptor of the writer lock; every rank of this node gets a copy, so that none is left when another
            trainer begins.
        sample_s: Seconds between live samples.
        patience_s: Seconds that a rank waits for the others.
        site: The nodes; None when there is only this one.

    Raises:
        Stopped: When `stop` said so; the checkpoint is saved.
        CockpitError: When the run cannot go on, in a sentence.
    """
    with stop.at_once(f"while {run.recipe.dataset} was prepared"):
        prepare(run.recipe.dataset, journal.progress, stop)
    durable.sweep(run.path)
    environment = dict(os.environ)
    devices = name_devices(devices)
    num_ranks, num_nodes = count(devices), len(site.names) if site else 1
    check_shared(run.recipe, ",".join([devices] * num_nodes))  # how many nodes a job gets is Slurm's
    set_environment(num_ranks, site.address if site else "")

    def go() -> tuple[LastWord, bool]:
        """Return how the ranks of all nodes ended, and whether the run ended with the death of one of this node."""
        where = f" on each of {', '.join(site.names)}" if site else ""
        each = "a process" if num_ranks == 1 else f"a process for each of {devices}"
        journal.phase("preparing", f"starting {each}{where}")
        words = ["--device", devices, "--nodes", str(num_nodes), "--attempt", str(journal.attempt)]
        words += ["--sample-s", str(sample_s), "--patience-s", str(patience_s)]
        command = [*interpreter.module("cockpit.engine"), str(run.path)]
        argv = [*command, "rank", *words, "--starter", str(os.getpid())]
        if site is None:
            ends = tend(argv, num_ranks, stop, run.path)
            word = judge(ends.words, ends.failures, num_ranks, patience_s)
        else:
            with other_nodes(site, [sys.executable, *command, "node", *words], environment) as others:
                others.wait(stop)
                ends, word = _tend_with(others, run, argv, num_ranks, stop, patience_s)
        journal.reopen()
        tail = run.tail()
        known = [record for record in (word, tail.epoch, tail.step) if record]
        journal.continue_from(max(one.step for one in known), max(one.elapsed_s for one in known))
        dead = find_dead(ends.words, ends.failures)
        return word, word.state == "parted" and dead is not None and dead < num_ranks

    with _lent(lock):
        word, died_here = go()
        began_from: object = ()
        while word.state == "parted" and not stop():
            if (checkpoint := _find_checkpoint(run)) == began_from:
                word = msgspec.structs.replace(word, detail=f"{word.detail}, again without a checkpoint in between")
                break
            began_from = checkpoint
            journal.phase("preparing", f"{word.detail}; it begins again from the last checkpoint")
            begin_attempt()
            word, died_here = go()
    if word.state == "stopped":
        raise Stopped(word.detail)
    if word.state == "parted":
        killer = causes.told_by_kernel(run.launches()[-1]) if died_here else ""  # the counters are this machine's
        raise CockpitError(f"{word.detail}{f'; {killer}' if killer else ''}")
    if word.state != "finished":
        raise CockpitError(word.detail)
    journal.phase("finished", word.detail)


def name_devices(devices: str) -> str:
    """Return a node's devices, each by its own name: `cuda` is the next card that is not named, auto what there is."""
    names = names_of(devices)
    if names == ["auto"]:
        names = ["cuda" if torch.cuda.is_available() else "cpu"]
    free = (card for number in itertools.count() if (card := f"cuda:{number}") not in names)
    return ",".join(next(free) if name == "cuda" else name for name in names)


def _find_checkpoint(run: Run) -> tuple[int, int] | None:
    """Return what tells the checkpoint that there is from any other; each is of a later step than the one before."""
    try:
        state = run.last_path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def _tend_with(
    others: OtherNodes, run: Run, argv: Sequence[str], num_ranks: int, stop: StopFlag, patience_s: float
) -> tuple[Ends, LastWord]:
    """Have the ranks of all nodes train until none is left; return how they ended, and what it means for the run."""
    since: float | None = None

    def is_over() -> bool:
        """Tell whether another node is gone and our ranks do not notice; the test is the first one's alone."""
        nonlocal since
        if since is None and others.lost():
            since = time.monotonic()
        if since is None or time.monotonic() - since < patience_s:
            return False
        phase = run.tail().phase
        return phase is None or phase.state != "testing"

    ends = [tend(argv, num_ranks, stop, run.path, others.meeting, is_over), *others.reports()]
    words = {rank: word for one in ends for rank, word in one.words.items()}
    failures = {rank: code for one in ends for rank, code in one.failures.items()}
    size = num_ranks * others.meeting.num_nodes
    names = {rank: f"rank {rank} on {others.name(rank // num_ranks)}" for rank in range(size)}
    return Ends(words=words, failures=failures), judge(words, failures, size, patience_s, names, others.lost())


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


def judge(
    words: Mapping[int, LastWord],
    failures: Mapping[int, int],
    size: int,
    patience_s: float,
    names: Mapping[int, str] | None = None,
    lost: str = "",
) -> LastWord:
    """Return how the run ended, from how its ranks did.

    Args:
        words: The last words of those that had one.
        failures: Exit codes of those that failed, minus the signal where one ended them, in the order of their ends.
        size: How many ranks there were.
        patience_s: Seconds that one waits for the others.
        names: What to call them; None: by their numbers.
        lost: Which nodes' processes were gone, in a sentence.
    """
    names = names or {rank: f"rank {rank}" for rank in range(size)}
    for rank, word in sorted(words.items()):
        if word.state == "failed":
            return word if rank == 0 else msgspec.structs.replace(word, detail=f"{names[rank]}: {word.detail}")
    first = words.get(0)
    if first is not None and first.state in ("finished", "stopped"):
        return first
    if any(word.state == "unanswered" for word in words.values()):
        silent = [names[rank] for rank in range(size) if rank not in words]
        return _ending("failed", f"{' and '.join(silent) or 'some rank'} did not answer for {patience_s:.0f} s")
    if (dead := find_dead(words, failures)) is not None:
        return _ending("parted", f"{names[dead]} {_describe(failures[dead])}")
    if lost:
        return _ending("parted", lost)
    told = next((word.detail for word in words.values()), "they ended without a word")
    return _ending("parted", f"the ranks lost each other: {told}")


def find_dead(words: Mapping[int, LastWord], failures: Mapping[int, int]) -> int | None:
    """Return the first rank to end without a word, see `judge`; None when there was none."""
    return next((rank for rank in failures if rank not in words), None)


def _ending(state: State, detail: str) -> LastWord:
    return LastWord(state=state, detail=detail, step=0, elapsed_s=0.0)


def _describe(code: int) -> str:
    if code >= 0:
        return f"ended without a word (exit code {code}; log.txt may tell more)"
    with contextlib.suppress(ValueError):
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"was ended by signal {-code}"
