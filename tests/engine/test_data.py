"""The split, the normalisation and the scores."""

import numpy as np
import pytest
import torch
from torch import nn

from cockpit import records
from cockpit.datasets import load_packed
from cockpit.engine.augment import ImageBank, Normalization
from cockpit.engine.backend import choose_backend
from cockpit.engine.checkpoint import LoopState
from cockpit.engine.data import load_training_data, measure, split_indices
from cockpit.engine.evaluate import choose_test_backend, count_hits, evaluate
from cockpit.engine.journal import Journal
from cockpit.engine.tally import Tally
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import RunStore

CPU = torch.device("cpu")
BACKEND = choose_backend("cpu", "auto")


def test_the_split_is_nine_to_one_and_seeded():
    train, val = split_indices(50_000, 0.1, 0)
    assert (len(train), len(val)) == (45_000, 5_000)
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(50_000))
    again, other = split_indices(50_000, 0.1, 0), split_indices(50_000, 0.1, 1)
    assert np.array_equal(again[1], val)
    assert not np.array_equal(other[1], val)


def test_normalisation_is_measured_on_the_training_part_only(digits):
    recipe = Recipe().complete()
    images = load_packed("digits", "train").images
    train, _ = split_indices(len(images), recipe.val_fraction, recipe.seed)
    scaled = images[train].astype(np.float64) / 255
    data = load_training_data(recipe, CPU)
    np.testing.assert_allclose(data.normalization.mean.numpy(), scaled.mean(0), atol=1e-6)
    std = np.maximum(scaled.std(0), scaled.std((0, 1, 2)) / 2)
    np.testing.assert_allclose(data.normalization.std.numpy(), std, atol=1e-6)
    channel = measure(images[train], "channel")
    np.testing.assert_allclose(channel.mean.flatten().numpy(), scaled.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(channel.std.flatten().numpy(), scaled.std((0, 1, 2)), atol=1e-6)


def test_images_that_are_all_alike_do_not_divide_by_zero():
    for kind in ("pixel", "channel"):
        normalization = measure(np.full((10, 32, 32, 3), 7, np.uint8), kind)
        assert torch.isfinite(normalization.std).all()
        assert (normalization.std > 0).all()


def test_hits_are_those_of_a_plain_count():
    torch.manual_seed(0)
    logits, labels = torch.randn(500, 20), torch.randint(0, 20, (500,))
    ranks = [int((row > row[label]).sum()) for row, label in zip(logits, labels, strict=True)]
    assert count_hits(logits, labels).tolist() == [sum(r < 1 for r in ranks), sum(r < 5 for r in ranks)]
    assert count_hits(torch.randn(9, 3), torch.zeros(9, dtype=torch.long))[1] == 9


def test_evaluation_weighs_every_image_alike_and_leaves_the_model_as_it_was(digits):
    torch.manual_seed(0)
    images, labels = load_packed("digits", "train")  # 1,438 images: a whole batch of 1,000 and a part
    bank = ImageBank(images, labels, Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), CPU)
    norm = nn.BatchNorm1d(3072)
    model = nn.Sequential(nn.Flatten(), norm, nn.Dropout(0.5), nn.Linear(3072, 10)).train()
    assert norm.running_mean is not None
    statistics = norm.running_mean.clone()
    scores = evaluate(model, bank, BACKEND)
    assert model.training
    assert torch.equal(norm.running_mean, statistics)
    with torch.inference_mode():
        logits = model.eval()(bank.plain(0, len(bank))[0])
    expected = torch.nn.functional.cross_entropy(logits, bank.labels).item()
    assert scores.loss == pytest.approx(expected, rel=1e-6)
    assert scores.top1 == pytest.approx((logits.argmax(1) == bank.labels).double().mean().item())


def test_the_first_step_without_a_number_is_named():
    tally = Tally(BACKEND.device, LoopState())
    for step, loss in enumerate([1.0, float("inf"), float("nan"), 1.0], start=7):
        tally.add(torch.tensor([loss, 3.0]), 4, step)
    with pytest.raises(CockpitError, match="loss is NaN at step 8"):
        tally.window()


def test_sums_go_on_where_a_checkpoint_left_them():
    state = LoopState(epoch_loss=10.0, epoch_hits=5.0)
    tally = Tally(BACKEND.device, state)
    tally.add(torch.tensor([2.0, 3.0]), 4, 1)
    assert tally.window() == (2.0, 0.75, 4)
    tally.add(torch.tensor([1.0, 1.0]), 4, 2)
    tally.close()
    assert (state.epoch_loss, state.epoch_hits) == (22.0, 9.0)


def test_the_sums_do_not_depend_on_when_they_are_read():
    outcomes = torch.rand(10_000, 2)  # more than are kept on the device
    sums = []
    for every in (1, 7, 20_000):
        state = LoopState()
        tally = Tally(BACKEND.device, state)
        for step, outcome in enumerate(outcomes, start=1):
            tally.add(outcome, 128, step)
            if step % every == 0:
                tally.window()
        tally.close()
        sums.append((state.epoch_loss, state.epoch_hits))
    assert sums[0] == sums[1] == sums[2]


def test_a_run_is_tested_in_the_arithmetic_it_was_trained_in(tmp_path, digits):
    run = RunStore(tmp_path).create(Recipe().complete())
    assert choose_test_backend(run, "cpu").precision == "fp32"
    choice = records.Choice(time=0.0, device="cpu", precision="bf16", way="eager", reason="it was faster")
    Journal(run, attempt=1, aloud=False).write(choice)
    assert choose_test_backend(run, "cpu").precision == "bf16"


def test_a_device_that_torch_lacks_is_refused():
    with pytest.raises(CockpitError, match="CUDA devices here"):
        choose_backend("cuda:99", "auto")


def test_auto_precision_is_fp32_on_a_cpu():
    assert choose_backend("cpu", "auto").precision == "fp32"
    assert choose_backend("cpu", "bf16").precision == "bf16"
