"""Trains a part of an epoch on several ranks with the trainer's own loop, and notes which images each has seen."""

import hashlib
import os
import sys
from collections import Counter
from pathlib import Path

from started import run_ranks

from cockpit.engine.checkpoint import save_last, take_snapshot
from cockpit.engine.journal import MuteJournal
from cockpit.engine.ranks import Ranks
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import begin
from cockpit.store import Run


def train_on(run: Run, size: int, num_steps: int) -> Counter[str]:
    """Take so many steps, from where the run stands, on so many ranks; return how often each image was seen."""
    run_ranks(__file__, size, str(run.path), str(num_steps))
    return Counter(line for rank in range(size) for line in (run.path / f"seen-{rank}").read_text().split())


def _main(run: Run, num_steps: int) -> None:
    ranks = Ranks(",".join(["cpu"] * int(os.environ["WORLD_SIZE"])), patience_s=20)
    loop = begin(run, "cpu", MuteJournal(), StopFlag(), ranks)
    seen: list[str] = []

    def take_step(images, labels, lr):
        seen.extend(hashlib.sha256(image.contiguous().numpy().tobytes()).hexdigest() for image in images)
        return loop.take_step(images, labels, lr)

    steps = loop._replace(take_step=take_step).steps()
    for _ in range(num_steps):
        next(steps)
    steps.close()
    if ranks.rank == 0:
        save_last(run, take_snapshot(loop.state, loop.model, loop.optimizer))
    (run.path / f"seen-{ranks.rank}").write_text("\n".join(seen))
    ranks.largest(0)
    os._exit(0)


if __name__ == "__main__":
    _main(Run(Path(sys.argv[1])), int(sys.argv[2]))
