"""The script that Slurm runs for a run."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.settings import Settings, is_plain

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")

_BODY = """\
# Trains the run in this folder, or takes it up from its last checkpoint. Written by cockpit, which knows the job by
# its name. Before the time limit Slurm sends USR1: the trainer saves a checkpoint and ends, and the job queues again.

name={name}
run={run}
export COCKPIT_SUBMISSION="$name"
{exports}
# Only one job has the run's turn: none after a stop, another after a new submission.
has_turn() {{ [ -f "$run/.turn" ] && [ "$(head -c 999 "$run/.turn" 2>/dev/null)" = "$name" ]; }}
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

    Raises:
        CockpitError: When one of the environment's folders has a name that is not printable.
    """
    kept = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
    for key in ("COCKPIT_DATA", "COCKPIT_CONFIG"):
        named = os.environ.get(key)
        kept[key] = named and os.path.abspath(named)
    for key, value in kept.items():
        if value and not value.isprintable():
            raise CockpitError(f"{key} is {value!r}, and no script can hold that; name the folders otherwise")
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
    if not is_plain(str(log)):
        raise CockpitError(f"Slurm cannot write to {log}: its name has characters that Slurm reads otherwise")
    output = str(log).replace("%", "%%")
    own = [f"--job-name={name}", f"--output={output}", f"--error={output}", "--open-mode=append", "--requeue"]
    return [*settings.options(), *own]  # the last of two counts


def _quoted(option: str) -> str:
    if _PLAIN_WORD.fullmatch(option):
        return option
    name, separator, value = option.partition("=")
    return f'{name}{separator}"{value}"'
