"""The ways of taking a step give the same weights, and the probe that chooses one leaves no trace."""

import copy

import pytest
import torch
from torch import nn

from cockpit.engine import probe
from cockpit.engine.backend import choose_backend
from cockpit.engine.probe import Way
from cockpit.engine.step import make_optimizer, make_step
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from nets import build

BACKEND = choose_backend("cpu", "fp32")
RECIPE = Recipe(batch_size=8, label_smoothing=0.1, nesterov=True)


def batch(size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(size, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (size,))


def test_a_step_is_that_of_plain_torch():
    torch.manual_seed(0)
    ours = build("resnet20", 10).train()
    theirs = copy.deepcopy(ours)
    take = make_step("eager", ours, make_optimizer(ours, RECIPE), BACKEND, batch()[0], RECIPE)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for lr in (0.3, 0.1):
        images, labels = batch()
        loss, hits = take(images, labels, lr).tolist()
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        logits = theirs(images)
        expected = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
        expected.backward()
        optimizer.step()
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        assert hits == (logits.argmax(1) == labels).sum().item()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(("groups", "stride", "in_fp32"), [(8, 2, True), (8, 1, False), (1, 2, False)])
def test_bf16_on_a_cpu_leaves_strided_depthwise_convolutions_in_fp32(groups, stride, in_fp32):
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, 3, stride, 1, groups=groups)
    maps = torch.randn(2, 8, 8, 8).bfloat16()
    with BACKEND._replace(precision="bf16").autocast():
        found = conv(maps)
    with torch.autocast("cpu", torch.bfloat16, enabled=not in_fp32):
        expected = conv(maps.float() if in_fp32 else maps)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())
    found.float().sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.dtype == torch.float32


@pytest.mark.slow
def test_a_compiled_step_is_the_eager_one():
    torch.manual_seed(0)
    models = [build("resnet20", 10).train()]
    models.append(copy.deepcopy(models[0]))
    ways = ("eager", "compiled")
    steps = [
        make_step(way, model, make_optimizer(model, RECIPE), BACKEND, batch()[0], RECIPE)
        for way, model in zip(ways, models, strict=True)
    ]
    for size in (8, 8, 5):  # the last batch of an epoch is smaller
        images, labels = batch(size)
        outcomes = [step(images, labels, 0.001) for step in steps]  # at larger steps rounding errors grow
        torch.testing.assert_close(*outcomes, rtol=1e-3, atol=1e-3)
    for mine, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_probe_measures_each_way_and_leaves_the_random_state_alone(digits):
    recipe = Recipe(model="vit_xs", batch_size=8).complete()  # has dropout
    torch.manual_seed(3)
    before = torch.get_rng_state()
    choice = probe.measure(recipe, BACKEND, [Way("fp32", "eager"), Way("bf16", "eager")], num_steps=10_000)
    assert torch.equal(torch.get_rng_state(), before)
    assert [(trial.precision, trial.batch_size) for trial in choice.trials] == [("fp32", 8), ("bf16", 8)]
    assert all(trial.step_s for trial in choice.trials)
    fastest = min(choice.trials, key=lambda trial: trial.step_s or 0)
    assert choice.precision in (fastest.precision, "fp32")
    assert "ms a step of 8 images, against" in choice.reason


def test_a_way_that_loses_by_far_on_few_images_is_not_tried_on_many(digits, monkeypatch):
    monkeypatch.setattr(probe, "_FAR", 1.0)  # only the fastest is fast enough
    recipe = Recipe(batch_size=64).complete()
    choice = probe.measure(recipe, BACKEND, [Way("fp32", "eager"), Way("bf16", "eager")], num_steps=10_000)
    assert {trial.batch_size for trial in choice.trials} == {16}


@pytest.mark.parametrize(
    ("changes", "way", "reason"),
    [
        ({"epochs": 1}, Way("fp32", "eager"), "the run is too short to repay trying others"),
        ({"exact": True}, Way("fp32", "eager"), "exact reruns were asked for"),
        ({"precision": "fp32"}, Way("fp32", "eager"), "fp32 was asked for"),
        ({"epochs": 1, "way": "compiled"}, Way("fp32", "compiled"), "too short to repay trying others and compiled"),
    ],
)
def test_what_is_forced_or_not_worth_it_is_not_measured(digits, changes, way, reason):
    choice = probe.decide(Recipe(**changes).complete(), BACKEND, 1_294)
    assert (choice.precision, choice.way) == way
    assert reason in choice.reason
    assert not choice.trials


def test_a_graph_needs_a_card(digits):
    with pytest.raises(CockpitError, match="CUDA graphs need a CUDA card, not cpu"):
        probe.decide(Recipe(way="graph").complete(), BACKEND, 1_294)
