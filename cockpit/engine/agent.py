"""The ranks of one node: started and watched over by torchrun's agent, which lives in here, until none is left."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from cockpit import durable
from cockpit.engine import site
from cockpit.engine.journal import say
from cockpit.engine.member import LastWord, make_room, read_last_words
from cockpit.engine.stopping import REQUESTS, StopFlag

START_S = 600
"""Seconds in which all nodes must have come together: each loads torch before, which takes minutes from a slow disk."""
_LOOK_S = 0.1
_GLOO_CHOOSES = "gloo chooses one, and if the ranks do not meet, set GLOO_SOCKET_IFNAME to the right one"
_LET_GO_S = 3.0
"""How long the agent may take to notice that its ranks are gone, or that other nodes' are."""


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """How the ranks of a node ended."""

    words: dict[int, LastWord] = {}
    """The last words of those that had one."""
    failures: dict[int, int] = {}
    """Exit codes of those that failed, minus the signal where one ended them, in the order of their ends."""


class Meeting(NamedTuple):
    """Where the agents of a run's nodes meet; the usual is one that is alone."""

    endpoint: str = ""
    """Address and port of the first node's store."""
    id: str = ""
    """Tells it from every other."""
    node: int = 0
    """Ordinal of this node: the first has the first ranks."""
    num_nodes: int = 1
    """How many there are."""

    def config(self, num_ranks: int, home: str) -> LaunchConfig:
        """Return what torchrun is to do for so many ranks of this node, its logs in a folder."""
        together = LaunchConfig(
            min_nodes=self.num_nodes,
            max_nodes=self.num_nodes,
            nproc_per_node=num_ranks,
            logs_specs=DefaultLogsSpecs(log_dir=home),
            run_id=self.id or uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",  # a port that is free, as torchrun's --standalone does
            local_addr="127.0.0.1",
            max_restarts=0,  # not every failure deserves a second attempt, which only we can tell
        )
        if self.endpoint:
            together.rdzv_backend, together.rdzv_endpoint = "static", self.endpoint  # ranks in the order of the nodes
            together.rdzv_configs = {"rank": self.node, "timeout": START_S}
            together.local_addr = None
        return together


def set_environment(num_ranks: int, first_node: str = "") -> None:
    """Say what the ranks of this node find in their environment; the user's own settings stand.

    Args:
        num_ranks: How many ranks the node has.
        first_node: Address of the first of several nodes.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, site.num_cores() // num_ranks)))
    if "GLOO_SOCKET_IFNAME" not in os.environ:
        interface = site.interface_towards(first_node) if first_node else site.loopback()
        if interface:
            os.environ["GLOO_SOCKET_IFNAME"] = interface
        else:
            say("preparing", f"no network interface is known to be on the way to {first_node}; {_GLOO_CHOOSES}")
    # What the agent has to tell is told here, in the run's own words.
    logger = logging.getLogger("torch.distributed.elastic")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def tend(
    argv: Sequence[str],
    num_ranks: int,
    stop: StopFlag,
    folder: Path,
    meeting: Meeting | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Ends:
    """Have this node's ranks train until none is left, and return how they ended.

    Args:
        argv: Command line of a rank, behind Python's.
        num_ranks: How many ranks the node has.
        stop: Handed on to them.
        folder: The run's, where their last words go; `durable.sweep` takes away what a kill leaves of them.
        meeting: Where the other nodes are met; None when there are none.
        is_over: Asked all the time: whether the ranks that are left are to be killed.
    """
    meeting = meeting or Meeting()
    first = meeting.node * num_ranks
    own, size = range(first, first + num_ranks), meeting.num_nodes * num_ranks
    with durable.scratch(folder) as outbox:
        home = str(outbox)
        make_room(outbox, size)
        ended: futures.Future[dict[int, int]] = futures.Future()

        def work() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)  # ranks inherit it, until they know what to do with them
            try:
                elastic_launch(meeting.config(num_ranks, home), sys.executable)(*argv, "--outbox", home)
                ended.set_result({})
            except ChildFailedError as error:
                ended.set_result({rank: failure.exitcode for rank, failure in error.failures.items()})
            except BaseException as error:  # is raised where it is waited for
                ended.set_exception(error)

        # The agent's own handlers would end the ranks: it sets them in a main thread only. Nor is it joined: when the
        # first node's ranks have ended well it waits minutes for the agents of other nodes, which may be gone.
        threading.Thread(target=work, name="agent", daemon=True).start()
        told: set[int] = set()
        while not futures.wait([ended], _LOOK_S).done:
            if stop():
                _hand_on(signal.Signals[stop.reason], told)
            if is_over():
                return _put_an_end(ended, outbox, size)
            # Last words first: to list processes takes milliseconds, all the time that the ranks train.
            if meeting.num_nodes > 1 and meeting.node == 0 and _ended_well(outbox, own) and not _ranks():
                futures.wait([ended], _LET_GO_S)
                return Ends(words=read_last_words(outbox, range(size)))
        return Ends(words=read_last_words(outbox, range(size)), failures=ended.result())


def _ended_well(outbox: Path, ranks: range) -> bool:
    for rank in ranks:
        words = read_last_words(outbox, [rank])
        if rank not in words or words[rank].state not in ("finished", "stopped"):
            return False
    return True


def _put_an_end(ended: futures.Future[dict[int, int]], outbox: Path, size: int) -> Ends:
    """Kill the ranks that are left, and leave the agent behind when it does not notice."""
    deadline = time.monotonic() + _LET_GO_S
    while time.monotonic() < deadline and not futures.wait([ended], _LOOK_S).done:
        _hand_on(signal.SIGKILL, set())
    return Ends(words=read_last_words(outbox, range(size)))


def _ranks() -> list[psutil.Process]:
    ranks = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "rank" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                ranks.append(child)
    return ranks


def _hand_on(number: signal.Signals, told: set[int]) -> None:
    for rank in _ranks():
        if rank.pid not in told:
            told.add(rank.pid)
            with contextlib.suppress(psutil.Error):
                rank.send_signal(number)
