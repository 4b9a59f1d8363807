"""What a Slurm has to offer, by one sinfo: its partitions."""

import msgspec

from cockpit.slurm_call import call

_FORMAT = "%P|%a|%l|%D|%C|%m|%G"
_FIELDS = _FORMAT.count("|")


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of one kind in a partition, in Slurm's words."""

    name: str
    """As `partition` in the settings takes it."""
    default: bool
    """Whether a job that names none goes there."""
    available: str
    """up, down, drain or inact."""
    time_limit: str
    """The longest that a job may take; infinite where there is no limit."""
    nodes: str
    """Number of nodes."""
    cpus: str
    """Their cores: allocated, idle, other and all, with strokes between."""
    memory_mb: str
    """Memory of a node; a + behind it says that some have more."""
    gres: str
    """Generic resources of a node, for example gpu:a100:8; empty when there are none."""


def list_partitions() -> list[Partition]:
    """Return the partitions, those of different nodes once for each kind, in Slurm's order.

    Raises:
        SlurmError: When sinfo cannot be run, or Slurm does not answer.
    """
    lines = [line.split("|", _FIELDS) for line in call(["sinfo", "--noheader", f"--format={_FORMAT}"]).splitlines()]
    return [_read(*fields) for fields in lines if len(fields) == _FIELDS + 1]


def _read(name: str, available: str, time_limit: str, nodes: str, cpus: str, memory_mb: str, gres: str) -> Partition:
    return Partition(
        name=name.removesuffix("*"),
        default=name.endswith("*"),
        available=available,
        time_limit=time_limit,
        nodes=nodes,
        cpus=cpus,
        memory_mb=memory_mb,
        gres="" if gres == "(null)" else gres,
    )
