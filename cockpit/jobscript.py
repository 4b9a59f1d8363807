"""The script that Slurm runs for a run, and what the user asks of Slurm by flags and by a file."""

import difflib
import os
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from cockpit.errors import CockpitError

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
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


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
    """Number of nodes."""
    warn_s: str = "120"
    """Seconds before the time limit at which the trainer is told to save a checkpoint and end."""
    extra: tuple[str, ...] = ()
    """Any other options of sbatch, each as --name=value."""

    def options(self) -> list[str]:
        """Return them as options of sbatch."""
        chosen = [f"{option}={value}" for name, option in _OPTIONS.items() if (value := getattr(self, name))]
        return [f"--signal=B:USR1@{self.warn_s}", *chosen, *self.extra]


def config_path() -> Path:
    """Return the file of the user's defaults: COCKPIT_CONFIG, else config.toml in the user's config folder."""
    named = os.environ.get("COCKPIT_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("cockpit") / "config.toml"


def read_settings(flags: Sequence[str] = (), before: Mapping[str, Any] | None = None) -> Settings:
    """Return what to ask of Slurm.

    Args:
        flags: Settings as KEY=VALUE, which win; an empty value unsets, `extra` adds a line.
        before: What an earlier submission of the same run asked for. None: the user's file.

    Raises:
        CockpitError: For a setting that there is not, or a value that no script can hold.
    """
    path = config_path()
    values = dict(before) if before is not None else _read_file(path)
    where = f"in {path}"
    for name, value in values.items():
        _check(name, value, where)
    values["extra"] = list(values.get("extra", ()))
    for flag in flags:
        name, separator, value = flag.partition("=")
        if not separator:
            raise CockpitError(f"--slurm {flag!r} is no setting; write KEY=VALUE, for example --slurm time=4:00:00")
        _check(name, [value] if name == "extra" else value, "after --slurm")
        values[name] = [*values["extra"], value] if name == "extra" else value
    words = {name: str(value) for name, value in values.items() if name != "extra" and value != ""}
    return Settings(**words, extra=tuple(values["extra"]))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("slurm", {})
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CockpitError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CockpitError(f"{path} is no TOML: {error}") from error
    if not isinstance(table, dict):
        raise CockpitError(f"slurm in {path} is no table; head it with [slurm]")
    return table


def _check(name: str, value: object, where: str) -> None:
    known = Settings.__struct_fields__
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        raise CockpitError(f"unknown Slurm setting {name!r} {where}{guess}; there are {', '.join(known)}")
    if name == "extra":
        if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
            raise CockpitError(f'extra {where} is no list of texts; write ["--constraint=a100"], for example')
        wrong = [line for line in value if not (line.startswith("-") and line.isprintable())]
        if wrong:
            raise CockpitError(f"extra {where} has {wrong[0]!r}, which is no option of sbatch; write --name=value")
    elif isinstance(value, bool) or not isinstance(value, str | int) or not str(value).isprintable():
        raise CockpitError(f"{name} {where} is {value!r}; write a text or a whole number")
    elif name == "warn_s" and not re.fullmatch(r"\d{1,5}", str(value)):
        raise CockpitError(f"warn_s {where} is {value!r}; write whole seconds, for example 120")


_BODY = """\
# Trains the run in this folder, or takes it up from its last checkpoint. Written by cockpit, which knows the job by
# its name. Before the time limit Slurm sends USR1: the trainer saves a checkpoint and ends, and the job queues again.

name={name}
run={run}
export COCKPIT_SUBMISSION="$name"
{exports}
# Only one job has the run's turn: none after a stop, another after a new submission.
has_turn() {{ [ "$(cat "$run/.turn" 2>/dev/null)" = "$name" ]; }}
was_stopped() {{ tail -n 1 "$run/metrics.jsonl" | grep -q '"state":"stopped"'; }}
if ! has_turn; then
    echo "job $SLURM_JOB_ID has no turn any more: nothing to do"
    exit 0
fi
touch "$run/.turn"

warned= told= trainer=
pass_on() {{ told=$1; [ -z "$trainer" ] || kill -s "$told" "$trainer"; }}
trap 'warned=yes; pass_on USR1' USR1
trap 'pass_on TERM' TERM INT
{trainer} &
trainer=$!
[ -z "$told" ] || pass_on "$told"
while true; do
    wait "$trainer"
    code=$?
    kill -0 "$trainer" 2>/dev/null || break
done

# Without a checkpoint of this time round it would only queue for ever.
if [ -n "$warned" ] && has_turn && was_stopped && [ "$run/last.pt" -nt "$run/.turn" ]; then
    scontrol requeue "$SLURM_JOB_ID" || echo "Slurm does not queue job $SLURM_JOB_ID again; resume the run by hand"
fi
exit "$code"
"""


def write_script(
    name: str, run: Path, trainer: Sequence[str], environment: Mapping[str, str], options: Sequence[str]
) -> str:
    """Return the text of a job's script.

    Args:
        name: The job's name.
        run: The run folder, absolute.
        trainer: Command line of the trainer.
        environment: What to set for it where the job has it not.
        options: See `job_options`.
    """
    data, path = os.environ.get("COCKPIT_DATA"), os.environ.get("PYTHONPATH")
    kept = {"COCKPIT_DATA": data and os.path.abspath(data), "PYTHONPATH": path}
    exports = [f"export {key}={shlex.quote(value)}\n" for key, value in kept.items() if value]
    exports += [f'export {key}="${{{key}-{value}}}"\n' for key, value in environment.items()]
    body = _BODY.format(
        name=shlex.quote(name),
        run=shlex.quote(str(run)),
        exports="".join(exports),
        trainer=shlex.join(trainer),
    )
    return "#!/bin/bash\n" + "".join(f"#SBATCH {_quoted(option)}\n" for option in options) + "\n" + body


def job_options(name: str, log: Path, settings: Settings) -> list[str]:
    """Return all options of sbatch for a job; the script holds them, and the command line too, which outdoes SBATCH_*.

    Raises:
        CockpitError: When the log's path means something else to Slurm.
    """
    if not str(log).isprintable() or set('\\"') & set(str(log)):
        raise CockpitError(f"Slurm cannot write to {log}: its name has characters that Slurm reads otherwise")
    output = str(log).replace("%", "%%")
    return [f"--job-name={name}", f"--output={output}", "--open-mode=append", "--requeue", *settings.options()]


def _quoted(option: str) -> str:
    if _PLAIN_WORD.fullmatch(option):
        return option
    name, separator, value = option.partition("=")
    return f'{name}{separator}"{value}"'
