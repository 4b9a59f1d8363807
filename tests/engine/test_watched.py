"""The images that a run is watched by, and what is recorded of them by real trainers."""

import numpy as np
import pytest
import torch
from test_life import recipe, uninterrupted, wait_for_end, wait_for_step  # noqa: F401  a fixture among them

from cockpit import datasets, launch, records
from cockpit.engine.augment import ImageBank
from cockpit.engine.backend import choose_backend
from cockpit.engine.checkpoint import load_best
from cockpit.engine.data import load_training_data, split_indices
from cockpit.engine.evaluate import evaluate
from cockpit.engine.guesses import NUM_IMAGES, choose_watched, make_record
from cockpit.guesses import GuessHistory
from cockpit.store import RecordTail, Run, RunStore
from nets import build


def guesses_of(run: Run) -> list[records.Guesses]:
    return [record for record in RecordTail(run).read() if isinstance(record, records.Guesses)]


def test_the_images_are_spread_over_the_classes_and_fixed_by_the_seed():
    labels = np.random.default_rng(0).integers(0, 5, 400)
    val = np.sort(np.random.default_rng(1).permutation(400)[:60])
    chosen = choose_watched(val, labels, seed=3)
    assert chosen == choose_watched(val, labels, seed=3)
    assert chosen.images != choose_watched(val, labels, seed=4).images
    assert len(set(chosen.images)) == NUM_IMAGES
    assert set(chosen.images) <= set(val.tolist())
    assert chosen.labels == sorted(labels[chosen.images])
    assert sorted(np.bincount(chosen.labels)) == [2, 2, 2, 3, 3]


def test_of_a_hundred_classes_twelve_are_shown():
    labels = np.arange(1000) % 100
    assert len(set(choose_watched(np.arange(500), labels, seed=0).labels)) == NUM_IMAGES


@pytest.mark.parametrize("num_val", [1, 5])
def test_fewer_validation_images_are_all_shown(num_val):
    chosen = choose_watched(np.arange(num_val), np.zeros(9, np.int64), seed=0)
    assert chosen.images == list(range(num_val))


def test_ranks_choose_the_same_and_each_has_its_part():
    labels, val = np.arange(100) % 10, np.arange(0, 100, 2)
    whole = choose_watched(val, labels, seed=0)
    parts = [choose_watched(val, labels, seed=0, own=own) for own in (slice(0, 20), slice(20, 50))]
    assert all(part.images == whole.images for part in parts)
    assert sorted(parts[0].here + parts[1].here) == whole.here == list(range(NUM_IMAGES))
    for part, own in zip(parts, (slice(0, 20), slice(20, 50)), strict=True):
        assert [int(val[own][place]) for place in part.places] == [whole.images[number] for number in part.here]


def test_logits_that_are_no_numbers_are_no_probabilities():
    watched = choose_watched(np.arange(2), np.array([0, 1]), seed=0)
    logits = torch.tensor([[float("nan"), 0.0], [0.0, 99.0]])
    record = make_record(watched, logits, epoch=1, step=2)
    first, second = record.guesses
    assert (first.best_share, first.label_share) == (None, None)
    assert (second.best, second.best_share, second.label_share) == (1, 1.0, 1.0)
    assert records.encode(record).endswith(b'"guesses":[[0,0,0,null,null],[1,1,1,1.0,1.0]]}\n')
    assert list(records.decode_lines([records.encode(record)])) == [record]


def test_every_epoch_tells_what_the_network_says_of_twelve_validation_images(uninterrupted):  # noqa: F811
    told = guesses_of(uninterrupted)
    assert [one.epoch for one in told] == [1, 2, 3, 4]
    images, labels = datasets.load_packed("tiny", "train")
    _, val = split_indices(len(images), uninterrupted.recipe.val_fraction, uninterrupted.recipe.seed)
    shown = [guess.image for guess in told[0].guesses]
    assert len(shown) == NUM_IMAGES
    assert set(shown) <= set(val.tolist())
    assert all([guess.image for guess in one.guesses] == shown for one in told)
    assert [guess.label for guess in told[0].guesses] == labels[shown].tolist()
    assert len(set(labels[shown].tolist())) == len(set(labels[val].tolist()))

    best = uninterrupted.tail().epoch.best_epoch
    backend = choose_backend("cpu", "fp32")
    network = build("resnet20", 10)
    kept = load_best(uninterrupted)
    network.load_state_dict(kept.weights)
    bank = ImageBank(images[shown], labels[shown], kept.normalization, backend.device)
    shares = evaluate(network, bank, backend, range(NUM_IMAGES)).logits.double().softmax(1)
    for guess, row in zip(told[best - 1].guesses, shares, strict=True):
        assert guess.best == int(row.argmax())
        assert guess.best_share == pytest.approx(float(row.max()), abs=2e-4)
        assert guess.label_share == pytest.approx(float(row[guess.label]), abs=2e-4)


def test_a_record_of_an_epoch_takes_a_few_hundred_bytes(uninterrupted):  # noqa: F811
    lines = [line for line in uninterrupted.metrics_path.read_bytes().splitlines() if b'"guesses"' in line]
    assert len(lines) == 4
    assert max(map(len, lines)) < 450


def test_logits_that_are_asked_for_change_no_score(tiny):
    data = load_training_data(recipe(), torch.device("cpu"))
    torch.manual_seed(0)
    network, backend = build("resnet20", 10), choose_backend("cpu", "fp32")
    before = torch.get_rng_state()
    alone = evaluate(network, data.val, backend)
    watched = evaluate(network, data.val, backend, data.watched.places)
    assert alone[:3] == watched[:3]
    assert torch.equal(before, torch.get_rng_state())
    assert watched.logits.shape == (NUM_IMAGES, 10)
    images, _ = data.val.plain(0, len(data.val))
    with torch.inference_mode():
        assert torch.equal(watched.logits, network.eval()(images)[data.watched.places])


@pytest.mark.slow
def test_a_resume_goes_on_with_the_same_images_and_leaves_nothing_twice(tmp_path, uninterrupted):  # noqa: F811
    run = RunStore(tmp_path / "runs").create(recipe())
    launch.start(run, device="cpu", sample_s=0)
    wait_for_step(run, 13)
    launch.send(run, "kill")
    wait_for_end(run)
    launch.start(run, device="cpu", sample_s=0)
    assert wait_for_end(run).status == "finished"
    once, resumed = (GuessHistory(RecordTail(one).read()).epochs for one in (uninterrupted, run))
    assert resumed == once
