"""Which nodes share a run, and how a process gets to the others: asked of Slurm in a job of several nodes.

Never imports torch: the trainer asks before it knows whether it needs it.
"""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psutil

from cockpit import slurm_call
from cockpit.errors import CockpitError

_SRUN = ("srun", "--overlap", "--ntasks-per-node=1", "--kill-on-bad-exit=1", "--export=ALL", "--input=none")
"""How to start a process on each of the other nodes, beside the job's own script and with all that the job has there.
--export=ALL is said because a job that was submitted with less would hand on less."""


class Site(NamedTuple):
    """The nodes of a run; this process is on the first of them."""

    names: tuple[str, ...]
    """What Slurm calls them."""
    address: str
    """Of this node, as the others reach it."""
    starter: tuple[str, ...] = ()
    """What starts a command on all others, each of which numbers itself. None: they are processes of this machine."""

    def commands(self, words: Sequence[str]) -> list[list[str]]:
        """Return the command lines that start one on every other node."""
        if self.starter:
            return [[*self.starter, *words]]
        return [[*words, "--node", str(node)] for node in range(1, len(self.names))]


def find_site(num_nodes: int = 1, environment: Mapping[str, str] = os.environ) -> Site | None:
    """Return the nodes of the job that this process trains in; None when there is only this one.

    Args:
        num_nodes: For trying it out: so many process trees of this machine stand for nodes. 1: what the job has.
        environment: Where Slurm says what the job is.

    Raises:
        CockpitError: When Slurm does not say who the others are.
    """
    if num_nodes > 1:
        return Site(tuple(f"node {node}" for node in range(num_nodes)), "127.0.0.1")
    own_job = "COCKPIT_SUBMISSION" in environment  # else somebody is within a job of their own, and runs just this
    if not own_job or int(environment.get("SLURM_JOB_NUM_NODES", "1")) == 1:
        return None
    here = environment["SLURMD_NODENAME"]
    try:
        names = slurm_call.call(["scontrol", "show", "hostnames", environment["SLURM_JOB_NODELIST"]]).split()
        others = [name for name in names if name != here]
        shown = slurm_call.call(["scontrol", "--oneliner", "show", "node", others[0]])
    except slurm_call.SlurmError as error:
        raise CockpitError(f"Slurm does not say which nodes the job has: {error}; resume the run") from error
    found = re.search(r"\bNodeAddr=(\S+)", shown)
    count = len(others)
    starter = (*_SRUN, f"--nodes={count}", f"--ntasks={count}", f"--nodelist={','.join(others)}")
    if cores := environment.get("SLURM_CPUS_PER_TASK"):
        starter = (*starter, f"--cpus-per-task={cores}")  # since 22.05 srun does not take it from the job
    return Site((here, *others), address_towards(found[1] if found else others[0]), starter)


def own_number(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of the node that srun started this process on, from 1."""
    return int(environment["SLURM_PROCID"]) + 1


def node_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return what Slurm calls this node; nothing outside Slurm."""
    return environment.get("SLURMD_NODENAME", "")


def address_towards(host: str) -> str:
    """Return the address that this machine has on the way to a host; nothing is sent there.

    Not what the own name resolves to, which many machines have resolved to loopback.

    Raises:
        CockpitError: When there is no way.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect(address)
            return one.getsockname()[0]
    except OSError as error:
        raise CockpitError(f"there is no way from this node to {host}: {error}; nodes must reach each other") from error


def interface_towards(host: str) -> str:
    """Return the network interface that is on the way to a host, or nothing when it cannot be told."""
    own = address_towards(host)
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] == own for one in addresses):
            return name
    return ""


def loopback() -> str:
    """Return the interface that reaches this machine alone."""
    return "lo" if sys.platform == "linux" else "lo0"


def num_cores(environment: Mapping[str, str] = os.environ) -> int:
    """Return the cores of this node that are ours: in a job, the job's."""
    with contextlib.suppress(KeyError, ValueError):
        return int(environment["SLURM_CPUS_ON_NODE"])
    return os.cpu_count() or 1
