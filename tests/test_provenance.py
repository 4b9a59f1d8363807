"""Where a run was trained: by every launch of which something is in the weights, not by the last one alone."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest
from generator import Trainer, make_folder, say, train
from safetensors.numpy import save

from cockpit import card, durable, provenance, records, scoreboard, status
from cockpit.recipe import Recipe, to_json
from cockpit.seed_tables import seeds_recipe
from cockpit.store import Run, RunStore


class Places(Trainer):
    """A trainer whose launches may be anywhere."""

    name = "cpu"

    def sample(self):
        """Yield a sample of hardware that is called so."""
        for record in super().sample():
            yield msgspec.structs.replace(record, name=self.name) if isinstance(record, records.Device) else record


def begin(run: Run, trainer: Places, name: str, host: str, commit: str, until: int) -> None:
    trainer.name = name
    launch = trainer.launch(host=host)
    train(run, trainer, msgspec.structs.replace(launch, device="auto", git_commit=commit), until)


@pytest.fixture
def resumed(tmp_path) -> Run:
    """A run of the seed's recipe begun on one card, gone on with on another, and twice resumed in vain."""
    recipe = seeds_recipe("resnet18", "cifar10")
    trainer = Places(recipe, samples_per_epoch=2)
    run = make_folder(RunStore(tmp_path), recipe, 1_763_900_000.0, 1)
    begin(run, trainer, "cuda:0 NVIDIA A100", "one", "a" * 40, 200)
    begin(run, trainer, "cuda:0 NVIDIA V100", "vain", "d" * 40, 300)
    trainer.num_samples = 200  # what came since the checkpoint is void
    begin(run, trainer, "cuda:1 NVIDIA H200", "two", "b" * 40, 400)
    begin(run, trainer, "cpu", "three", "c" * 40, 400)  # which has only tested it
    run.test_path.write_bytes(records.encode(trainer.test(run)))
    say(run, trainer.phase("finished", "test top-1 93.00%"))
    return run


def test_all_launches_are_told_of_whose_steps_are_in_the_weights(resumed):
    made = provenance.trace(resumed)
    assert made.devices == ("NVIDIA A100", "NVIDIA H200")
    assert made.hosts == ("one", "two")
    assert made.commits == ("a" * 40, "b" * 40)
    assert (made.launches, made.mixed, made.img_per_s) == (4, True, None)


def test_neither_time_nor_speed_stands_beside_several_kinds_of_hardware(resumed):
    info = status.describe(resumed)
    board = scoreboard.make_board([info], {info.id: provenance.trace(resumed)}, whole=False)
    assert board.results[0].elapsed_s is None
    (row,) = board.rows
    assert (row.elapsed_s, row.img_per_s) == (None, None)
    assert row.devices == ("NVIDIA A100", "NVIDIA H200")
    facts = {"recipe": to_json(resumed.recipe).decode(), "classes": json.dumps([*"0123456789"])}
    durable.write_checked(resumed.best_path, save({"w": np.zeros(1, np.float32)}, facts))
    told = card.make_card(resumed)
    assert "hardware of several kinds" in told
    assert "a" * 40 in told
    assert "b" * 40 in told


def test_resumes_on_hardware_of_one_kind_keep_time_and_speed(tmp_path):
    recipe = dataclasses.replace(Recipe(dataset="digits", epochs=4)).complete()
    trainer = Places(recipe, samples_per_epoch=2)
    run = make_folder(RunStore(tmp_path), recipe, 1_763_900_000.0, 1)
    begin(run, trainer, "cuda:0 NVIDIA H200", "one", "", 4)
    begin(run, trainer, "cuda:3 NVIDIA H200", "two", "", 8)
    made = provenance.trace(run)
    assert (made.devices, made.mixed) == (("NVIDIA H200",), False)
    assert made.img_per_s
