"""What to ask of Slurm: by flags, by the user's file, and as a run asked before, which anybody may have written."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cockpit.config import config_path, read_table, said
from cockpit.errors import CockpitError, unknown
from cockpit.numerals import whole

_OPTIONS = {
    "partition": "--partition",
    "account": "--account",
    "qos": "--qos",
    "time": "--time",
    "gres": "--gres",
    "cpus": "--cpus-per-task",
    "mem": "--mem",
    "nodes": "--nodes",
}
"""The option of sbatch for each setting."""
_FORBIDDEN = {
    "array": "a run is one job",
    "clusters": "name the cluster in SLURM_CLUSTERS, so that squeue and scancel look there too",
    "wait": "the cockpit does not wait for the job's end",
}
"""Options of sbatch that would have jobs lost sight of; Slurm takes them abbreviated, too."""
_SHORT = {"-a": "array", "-M": "clusters", "-W": "wait", "-N": "nodes", "-n": "ntasks"}
_TASKS = "a node runs one task, which has all its devices; for more cores write cpus=N, for more nodes nodes=N"
_COUNTED = {
    "nodes": "write nodes={value}, which is checked against the recipe",
    "ntasks": _TASKS,
    "ntasks-per-node": _TASKS,
    "ntasks-per-gpu": _TASKS,
}
"""Options that say how many nodes or tasks there are, which this module must know. One task is what there is."""
_FROM_FOLDER = re.compile(
    r"--(begin|comment|constraint|contiguous|cpus-per-gpu|deadline|dependency|exclude|exclusive|gpus|gpus-per-node"
    r"|gpus-per-task|hint|hold|licenses|mem-per-cpu|mem-per-gpu|nice|nodelist|ntasks|ntasks-per-node|oversubscribe"
    r"|priority|reservation|threads-per-core|tmp)(=.*)?"
)
"""What an earlier submission may ask for again. A run folder can come from anybody, and --export, say, runs code."""
_MISREAD = frozenset('\\"')


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job asks of Slurm. Nothing of it is in the recipe, because it must not change the result."""

    partition: str = ""
    """Partition, or several with commas."""
    account: str = ""
    """Account to charge."""
    qos: str = ""
    """Quality of service."""
    time: str = ""
    """Time limit, for example 4:00:00. A run that needs longer is queued again, as often as it takes."""
    gres: str = ""
    """Generic resources of a node, for example gpu:1."""
    cpus: str = ""
    """CPU cores."""
    mem: str = ""
    """Memory of a node, for example 16G."""
    nodes: str = ""
    """Number of nodes, each with all the devices that the run is started with."""
    warn_s: str = "120"
    """Seconds before the time limit at which the trainer is told to save a checkpoint and end."""
    extra: tuple[str, ...] = ()
    """Any other options of sbatch, each as --name=value."""

    def options(self) -> list[str]:
        """Return them as options of sbatch."""
        chosen = [f"{option}={value}" for name, option in _OPTIONS.items() if (value := getattr(self, name))]
        if self.nodes:
            chosen.append("--ntasks-per-node=1")  # a node's ranks are children of one task, which has all its cores
        return [f"--signal=B:USR1@{self.warn_s}", *chosen, *self.extra]

    def num_gpus(self) -> int | None:
        """Return how many GPUs of a node are asked for; None where that cannot be told."""
        if not self.gres or any(re.match(r"-G|--(gp|gr|exc)", line) for line in self.extra):
            return None
        found = [re.fullmatch(r"gpu(?::[^:]*[^\d:][^:]*)?(?::(\d+))?", word) for word in self.gres.split(",")]
        numbers = [whole(one[1] or "1") for one in found if one]
        known = [number for number in numbers if number is not None]
        return sum(known) if numbers and len(known) == len(numbers) else None

    def most_nodes(self) -> int:
        """Return how many nodes there may be at most."""
        numbers = re.findall(r"\d{1,5}", self.nodes)
        return max(1, int(numbers[-1])) if numbers else 1


def read_settings(flags: Sequence[str] = (), before: Mapping[str, Any] | None = None) -> Settings:
    """Return what to ask of Slurm.

    Args:
        flags: Settings as KEY=VALUE, which win; `extra` adds a line, and an empty value unsets.
        before: What an earlier submission of the same run asked for. None: the user's file.

    Raises:
        CockpitError: For a setting that there is not, a value that no script can hold, or an option that is not taken
            from a run folder.
    """
    path = config_path()
    values = dict(before) if before is not None else read_table("slurm")
    where = f"in {path}" if before is None else "in the run's submissions.jsonl"
    if "extra=" in flags:  # what is unset need not be right
        values.pop("extra", None)
    for name, value in values.items():
        _check(name, value, where, said if before is None else repr)
    values["extra"] = list(values.get("extra", ()))
    for flag in flags:
        name, separator, value = flag.partition("=")
        if not separator:
            raise CockpitError(f"--slurm {flag!r} is no setting; write KEY=VALUE, for example --slurm time=4:00:00")
        if name == "extra":
            _check(name, [value] if value else [], "after --slurm")
            values[name] = list(dict.fromkeys([*values[name], value])) if value else []
        else:
            _check(name, value, "after --slurm")
            values[name] = value
    if before is not None:
        _refuse_foreign([line for line in values["extra"] if f"extra={line}" not in flags])
    words = {name: str(value) for name, value in values.items() if name != "extra" and value != ""}
    return Settings(**words, extra=tuple(values["extra"]))


def _check(name: str, value: object, where: str, show: Callable[[object], str] = repr) -> None:
    """Raise CockpitError for a setting that there is not, or a value that no script can hold, which `show` tells."""
    known = Settings.__struct_fields__
    if name not in known:
        raise CockpitError(f"{where}: {unknown('Slurm setting', name, known, 'cockpit train --help')}")
    if name == "extra":
        if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
            raise CockpitError(f'extra {where} is no list of texts; write ["--constraint=a100"], for example')
        wrong = [line for line in value if not (line.startswith("-") and is_plain(line))]
        if wrong:
            raise CockpitError(f"extra {where} has {show(wrong[0])}, which is no option of sbatch; write --name=value")
        for line in value:
            _refuse_forbidden(line, where)
    elif isinstance(value, bool) or not isinstance(value, str | int) or not is_plain(str(value)):
        strange = " with quotes, backslashes or control characters" if show is said and isinstance(value, str) else ""
        raise CockpitError(f"{name} {where} is {show(value)}{strange}; write a text without quotes, or a whole number")
    elif name == "warn_s" and not re.fullmatch(r"\d{1,5}", str(value)):
        raise CockpitError(f"warn_s {where} is {show(value)}; write whole seconds, for example 120")


def is_plain(text: str) -> bool:
    """Tell whether Slurm reads a text as it stands, on the command line and in quotes in a script."""
    return text.isprintable() and not _MISREAD & set(text)


def _refuse_forbidden(line: str, where: str) -> None:
    word, *rest = re.split(r"[=\s]+", line, maxsplit=1)
    full = _SHORT.get(line[:2]) or next(
        (name for name in (*_FORBIDDEN, *_COUNTED) if len(word) > 3 and f"--{name}".startswith(word)), ""
    )
    if full in _FORBIDDEN:
        raise CockpitError(f"extra {where} has {line!r}: {_FORBIDDEN[full]}; leave it out")
    value = (rest[0] if rest and word.startswith("--") else line[2:]).strip(" =")
    if full in _COUNTED and (full == "nodes" or value != "1"):
        raise CockpitError(f"extra {where} has {line!r}: {_COUNTED[full].format(value=value or 'N')}")


def _refuse_foreign(lines: Sequence[str]) -> None:
    """Raise CockpitError for what a run folder asks of sbatch and neither the user now nor the user's file does."""
    foreign = [line for line in lines if not _FROM_FOLDER.fullmatch(line)]
    unasked = [line for line in foreign if line not in read_table("slurm").get("extra", ())]
    if unasked:
        raise CockpitError(
            f"the run's earlier job had {unasked[0]!r}, which is not taken from a run folder unasked; say so again "
            f"with --slurm 'extra={unasked[0]}', or leave all such options out with --slurm extra="
        )
