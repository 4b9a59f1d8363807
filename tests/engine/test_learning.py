"""Families learn: the smallest member takes a few hundred steps by the seed's recipe on 2,500 real images."""

import math

import msgspec
import numpy as np
import pytest

from cockpit import datasets
from cockpit.engine.journal import Journal
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import train
from cockpit.recipe import SEED_BATCH_SIZE, Recipe
from cockpit.records import Step
from cockpit.store import RecordTail, RunStore
from nets import MODELS

NUM_TRAIN, NUM_TEST = 2_500, 500
BATCH_SIZE = 16
"""So small that 2,500 images make hundreds of steps; the learning rate is scaled with it (Goyal et al. 2017)."""
LONG_FLOPS, HEAVY_FLOPS = 0.9e9, 1.5e9
"""Networks beyond the first take five minutes or more on two cores; those beyond the second get fewer steps as well."""
SMALLEST = [
    min((spec for spec in MODELS.values() if spec.family == family), key=lambda spec: spec.flops)
    for family in dict.fromkeys(spec.family for spec in MODELS.values())
]


@pytest.fixture(scope="module")
def sample(request, digits) -> str:
    """A dataset of 2,500 real images: photographs of CIFAR-10 where they are, else digits, most of them twice."""
    try:
        source = datasets.DATASETS["cifar10"]
        images = request.getfixturevalue("cifar10_images")
        labels = np.repeat(np.arange(10), len(images) // 10)
    except pytest.skip.Exception:
        source = datasets.DATASETS["digits"]
        images, labels = (np.concatenate([part, part])[:NUM_TRAIN] for part in datasets.load_packed("digits", "train"))
    order = np.random.default_rng(0).permutation(NUM_TRAIN)
    spec = msgspec.structs.replace(source, name="sample", train_images=NUM_TRAIN, test_images=NUM_TEST, digests={})
    train_part = datasets.Packed(images[order], labels[order])
    test_part = datasets.Packed(images[order[:NUM_TEST]], labels[order[:NUM_TEST]])  # asked for, not looked at
    datasets.write_packed(spec, train_part, test_part)
    return spec.name


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, id=spec.name, marks=pytest.mark.long if spec.flops > LONG_FLOPS else pytest.mark.slow)
        for spec in SMALLEST
    ],
)
def test_a_family_learns(spec, sample, tmp_path):
    usual = Recipe(model=spec.name, dataset=sample)
    recipe = Recipe(
        model=spec.name,
        dataset=sample,
        epochs=2 if spec.flops > HEAVY_FLOPS else 4,
        batch_size=BATCH_SIZE,
        lr=usual.peak_lr * BATCH_SIZE / SEED_BATCH_SIZE,
    ).complete()
    run = RunStore(tmp_path).create(recipe)
    train(run, "cpu", Journal(run, attempt=1, sample_s=0), StopFlag())
    losses = np.array([record.loss for record in RecordTail(run).read() if isinstance(record, Step)], np.float64)
    last = run.tail().epoch
    assert last is not None
    assert last.best_val_acc is not None
    print(f"{spec.name}: last 40 losses {losses[-40:].mean():.3f}, best validation {last.best_val_acc:.1%}")
    assert np.isfinite(losses).all()
    assert losses[-40:].mean() < 0.93 * math.log(10)
    assert last.best_val_acc > 0.2  # 250 images: chance is 10 %, give or take 2
