"""Runs of the seed's recipe as a listing has them, and their table."""

import dataclasses

from cockpit import seed_tables
from cockpit.provenance import Provenance
from cockpit.recipe import changes
from cockpit.scoreboard import Board, make_board
from cockpit.status import RunInfo, TestScores

H200 = Provenance(
    devices=("NVIDIA H200",),
    hosts=("a",),
    img_per_s=40_000.0,
    commits=("0123456789ab+",),
    versions=("torch 2.9.0",),
    launches=1,
)


def scores(
    top1: float, *, epoch=180, run="", dataset="cifar10", loss: float | None = 0.3, images=10_000, of_weights=None
) -> TestScores:
    return TestScores(
        top1=top1,
        top5=0.99,
        loss=loss,
        epoch=epoch,
        run=run,
        dataset=dataset,
        images=images,
        of_weights=of_weights,
    )


def run(model="resnet18", dataset="cifar10", *, seed=0, top1=0.93, number=0, change=None, **more) -> RunInfo:
    recipe = dataclasses.replace(seed_tables.seeds_recipe(model, dataset, seed), **change or {})
    name = f"20261126-{120000 + number}-{model}-{dataset}-{seed:04x}"
    facts = {
        "id": name,
        "path": "",
        "status": "finished",
        "detail": "",
        "model": model,
        "dataset": dataset,
        "epoch": recipe.num_epochs,
        "epochs": recipe.num_epochs,
        "best_val_acc": 0.94,
        "best_epoch": 180,
        "test": scores(top1, run=more.get("id", name), dataset=dataset),
        "elapsed_s": 3600.0 + seed,
        "launched": 1.0,
        "begun": float(number),
        "changes": changes(dataclasses.replace(recipe, seed=0)),
        "recipe": recipe,
    }
    return RunInfo(**facts | more)


def board(*infos: RunInfo, whole: bool = False, made=H200) -> Board:
    """The table of runs, given the oldest first."""
    return make_board(infos[::-1], {info.id: made for info in infos}, whole=whole)
