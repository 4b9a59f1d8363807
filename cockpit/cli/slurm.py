"""Show what Slurm is asked for and what it has."""

import dataclasses
import shutil
from collections import Counter

from cockpit.cli.common import print_facts, print_json, print_table
from cockpit.config import config_path
from cockpit.errors import CockpitError
from cockpit.settings import read_settings
from cockpit.sinfo import list_partitions
from cockpit.squeue import QUEUE


@dataclasses.dataclass(frozen=True)
class ShowSlurm:
    """Show whether Slurm is here and answers, your jobs, what new ones ask for, and the partitions.

    What they ask for stands in config.toml below [slurm]: partition, account, qos, time, gres, cpus, mem, nodes,
    warn_s, extra. Exit code 1 says that Slurm is not here or does not answer.
    """

    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Print it, by one squeue and one sinfo."""
        settings, path = read_settings(), config_path()
        sbatch = shutil.which("sbatch")
        answer, partitions = QUEUE.ask(), []
        trouble = answer.trouble if sbatch else "this machine has no sbatch to submit to Slurm with"
        if not trouble:
            try:
                partitions = list_partitions()
            except CockpitError as error:
                trouble = f"its partitions are not known: {error}"
        states = dict(sorted(Counter(job.state for job in answer.jobs.values()).items()))
        if self.json:
            print_json(
                {
                    "sbatch": sbatch,
                    "trouble": trouble,
                    "jobs": states,
                    "asks": settings.options(),
                    "file": str(path),
                    "partitions": partitions,
                }
            )
            return 1 if trouble else 0
        jobs = ", ".join(f"{count:,} {state.lower()}" for state, count in states.items())
        print_facts(
            [
                ("Slurm", trouble or f"answers, {sbatch}"),
                ("your jobs", "not known" if answer.trouble else jobs or "none"),
                ("a new one", f"sbatch {' '.join(settings.options())}"),
                ("file", f"{path}{'' if path.exists() else ' (not there; `[slurm]` in it changes what is asked for)'}"),
            ]
        )
        if partitions:
            print_table(
                ["partition", "is", "time limit", "nodes", "cores a/i/o/all", "MB a node", "gres"],
                [
                    [
                        f"{one.name}{' (default)' if one.default else ''}",
                        one.available,
                        one.time_limit,
                        one.nodes,
                        one.cpus,
                        one.memory_mb,
                        one.gres,
                    ]
                    for one in partitions
                ],
                right=(2, 3, 4, 5),
                order=("partition", "time limit", "gres", "nodes", "is"),
                cut=("gres",),
            )
        return 1 if trouble else 0
