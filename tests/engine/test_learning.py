"""Every family learns: its smallest member, a few hundred steps of the seed's recipe on 2,500 real images."""

import math

import msgspec
import numpy as np
import pytest

from cockpit import datasets
from cockpit.engine.journal import Journal
from cockpit.engine.stopping import StopFlag
from cockpit.engine.train import train
from cockpit.recipe import Recipe
from cockpit.records import Step
from cockpit.store import RecordTail, RunStore
from nets import MODELS

NUM_TRAIN, NUM_TEST = 2_500, 500
SMALLEST = {
    family: min((spec for spec in MODELS.values() if spec.family == family), key=lambda spec: spec.flops).name
    for family in dict.fromkeys(spec.family for spec in MODELS.values())
}


@pytest.fixture(scope="module")
def sample(request, session_data_dir, digits) -> str:
    """A dataset of 2,500 real images: photographs of CIFAR-10 where they are, else digits, some of them twice."""
    try:
        images = request.getfixturevalue("cifar10_images")
        labels = np.repeat(np.arange(10), 250)
        source, mirror = datasets.DATASETS["cifar10"], True
    except pytest.skip.Exception:
        packed = datasets.load_packed("digits", "train")
        images, labels = (np.concatenate([part, part])[:NUM_TRAIN] for part in packed)
        source, mirror = datasets.DATASETS["digits"], False
    order = np.random.default_rng(0).permutation(len(images))
    spec = msgspec.structs.replace(
        source, name="sample", train_images=NUM_TRAIN, test_images=NUM_TEST, hflip_ok=mirror, digests={}
    )
    train_part = datasets.Packed(images[order], labels[order])
    test_part = datasets.Packed(images[order][:NUM_TEST], labels[order][:NUM_TEST])
    datasets.write_packed(spec, train_part, test_part)
    return spec.name


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", SMALLEST)
def test_a_family_learns(family, sample, tmp_path):
    recipe = Recipe(model=SMALLEST[family], dataset=sample, epochs=2, batch_size=16, augment="none").complete()
    run = RunStore(tmp_path).create(recipe)
    train(run, "cpu", Journal(run, attempt=1, sample_s=0), StopFlag())
    losses = np.array([record.loss for record in RecordTail(run).read() if isinstance(record, Step)], np.float64)
    last = run.tail().epoch
    assert last is not None
    assert np.isfinite(losses).all()
    assert losses[-40:].mean() < 0.92 * math.log(10)
    assert last.best_val_acc is not None
    assert last.best_val_acc > 0.2
