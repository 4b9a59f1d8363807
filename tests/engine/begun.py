"""Begins a run on two ranks that do not see the same folders, and notes what each has to say."""

import os
import sys
from pathlib import Path

from started import run_ranks

from cockpit.engine.journal import MuteJournal
from cockpit.engine.ranks import AgreedStop, PartedError, Ranks
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import begin
from cockpit.errors import CockpitError
from cockpit.store import Run


def begin_in(folder: Path, *names: str) -> list[list[str]]:
    """Begin `folder/<name>-<rank>` for every name; return what each rank said of them."""
    run_ranks(__file__, 2, str(folder), *names)
    return [(folder / f"said-{rank}").read_text().splitlines() for rank in range(2)]


def _main(folder: Path, names: list[str]) -> None:
    os.environ |= {"GROUP_WORLD_SIZE": "2", "GROUP_RANK": os.environ["RANK"]}
    ranks = Ranks("cpu,cpu", patience_s=20)
    said = []
    for name in names:
        if name == "no data" and ranks.rank == 1:
            os.environ["COCKPIT_DATA"] = str(folder / "nowhere")
        try:
            loop = begin(
                Run(folder / f"{name}-{ranks.rank}"), "cpu", MuteJournal(), AgreedStop(StopFlag(), ranks), ranks
            )
            said.append(f"begins at step {loop.state.step}")
        except CockpitError as error:
            said.append(str(error))
        except PartedError:
            said.append("parted")
    (folder / f"said-{ranks.rank}").write_text("\n".join(said))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
