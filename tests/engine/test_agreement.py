"""Ranks that do not see the same folders or compute otherwise do not train; they are real processes that gloo joins."""

import shutil

import begun
import pytest
import torch

from cockpit import records
from cockpit.engine.backend import Backend
from cockpit.engine.checkpoint import LoopState, save_last, take_snapshot
from cockpit.engine.journal import MuteJournal
from cockpit.engine.ranks import only_way
from cockpit.engine.step import make_optimizer
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from nets import build

FOLDER = "they do not see the same run folder; see that all nodes have the same one, then resume the run"


def save(run: Run, seed: int, **counters: int) -> None:
    """Leave a checkpoint of some weights."""
    torch.manual_seed(seed)
    network = build(run.recipe.model, 10)
    save_last(run, take_snapshot(LoopState(**counters), network, make_optimizer(network, run.recipe)))


def choose(run: Run, precision: str) -> None:
    """Leave a record of the precision."""
    with run.append_metrics() as lines:
        lines.append(records.encode(only_way("cpu,cpu", Backend(torch.device("cpu"), precision, "cpu"), "synced")))


@pytest.mark.slow
def test_ranks_that_do_not_see_the_same_folders_say_so_and_take_no_step(tmp_path, tiny):
    store, runs = RunStore(tmp_path / "runs"), {}
    made, drawn_otherwise = (
        store.create(Recipe(dataset="tiny", batch_size=16, seed=seed).complete()) for seed in (0, 1)
    )
    for name in ("fresh", "alike", "behind", "elsewhere", "others", "mixed", "no data"):
        sources = (made, drawn_otherwise if name == "fresh" else made)  # as processors of two kinds draw them
        runs[name] = [Run(shutil.copytree(one.path, tmp_path / f"{name}-{n}")) for n, one in enumerate(sources)]
    save(runs["behind"][0], 0, step=21, epoch=2, batch=3)
    for rank in range(2):
        save(runs["alike"][rank], 0, step=21, epoch=2, batch=3)
        save(runs["elsewhere"][rank], 0, step=21, epoch=2, batch=3 - rank)
        save(runs["others"][rank], rank, step=21, epoch=2, batch=3)
        choose(runs["mixed"][rank], ("bf16", "fp32")[rank])  # as cards of two kinds do
    first, second = begun.begin_in(tmp_path, *runs)
    assert first[:6] == second[:6]
    assert first[:6] == [
        "begins at step 0",
        "begins at step 21",
        f"rank 1 on node 1 stands at step 0 and rank 0 on node 0 at step 21: {FOLDER}",
        f"rank 1 on node 1 stands at batch 2 of epoch 3 and rank 0 on node 0 at batch 3 of epoch 3: {FOLDER}",
        f"rank 1 on node 1 has other weights than rank 0 on node 0 at step 21: {FOLDER}",
        "rank 1 on node 1 would compute in fp32 and rank 0 on node 0 in bf16: their devices are of different kinds; "
        "take devices of one kind, or a new run with --precision fp32",
    ]
    assert first[6] == "parted"
    assert second[6] == (
        f"tiny is not in {tmp_path / 'nowhere'} here, though it was prepared on the first node; set COCKPIT_DATA to a "
        "folder that all nodes see, then resume the run"
    )


def test_a_journal_that_is_mute_says_nothing_of_a_preparation():
    MuteJournal().progress(1, 2, "reading images")
