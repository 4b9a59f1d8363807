"""Batch norm of several ranks is that of one process on the whole batch."""

import normed
import pytest
import torch
from marks import rest_slow
from normed import CASES
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from cockpit.engine.norm import SyncedBatchNorm, sync_batch_norm
from nets import MODELS, build


@pytest.fixture(scope="module", params=[pytest.param(2, marks=pytest.mark.slow), 3], ids="{} ranks".format)
def ranks(request, tmp_path_factory) -> dict[str, list[dict[str, Tensor]]]:
    """What came of every case in so many processes that gloo joins; two seconds each to load torch."""
    return normed.start(request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", CASES)
def test_outputs_gradients_and_running_statistics_are_those_of_the_whole_batch(ranks, name):
    case, parts = CASES[name], ranks[name]
    whole = normed.pass_through(case, None, 0, 1)
    rtol, atol = (0.02, 0.02) if case.bf16 else (1e-4, 3e-4)  # a channel's mean is 500 deviations

    def check(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)

    for key, expected in whole.items():
        found = [part[key] for part in parts]
        assert found[0].dtype == expected.dtype
        if key.startswith("gradient of"):  # a rank's are of its own images: the step adds them up with all others
            check(torch.stack(found).sum(0), expected)
        elif key.startswith(("output", "gradient")):
            check(torch.cat(found), expected)
        else:
            check(found[0], expected)
            assert all(torch.equal(found[0], other) for other in found[1:])
    assert whole.keys() == parts[0].keys()


def test_steps_of_a_network_are_those_of_one_process(ranks):
    whole, parts = normed.take_steps(None), ranks["steps"]
    for name, expected in whole.items():
        torch.testing.assert_close(parts[0][name], expected, rtol=1e-5, atol=1e-7)
        assert all(torch.equal(parts[0][name], other[name]) for other in parts[1:])


def test_one_value_a_channel_is_refused_by_all_as_by_one_process(ranks):
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training, got"):
        nn.BatchNorm1d(4)(torch.randn(1, 4))
    for part in ranks["one value"]:
        assert list(part) == ["Expected more than 1 value per channel when training, got one in the whole batch"]


class BesideAnother:
    """What a rank finds of one that has two values a channel, 1 and -1, and sends no gradients."""

    def gather(self, values: Tensor) -> Tensor:
        """Put its mean, 0, its squares and its count below the own ones."""
        channels = len(values) // 2
        return torch.stack([values, torch.tensor([*[0.0] * channels, *[2.0] * channels, 2.0], device=values.device)])

    def add_up(self, values: Tensor) -> None:
        """Add nothing."""


class Watch(TorchDispatchMode):
    """Notes every operation that takes statistics of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        if "norm" in name and "layer_norm" not in name:
            training = dict(zip([argument.name for argument in func._schema.arguments], args, strict=False))
            if training.get("training", training.get("train")) is not False:
                self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("model", MODELS)
def test_every_norm_of_the_catalogue_that_depends_on_the_batch_is_converted(model):
    with torch.device("meta"):
        network = build(model, 10)
    before = list(network.state_dict())
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    assert sync_batch_norm(network, BesideAnother()) == len(norms)
    assert list(network.state_dict()) == before
    assert all(isinstance(layer, SyncedBatchNorm) for layer in network.modules() if isinstance(layer, _BatchNorm))
    assert bool(norms) == (MODELS[model].family != "ViT")


SMALLEST = {spec.family: spec.name for spec in sorted(MODELS.values(), key=lambda spec: -spec.flops)}


@pytest.mark.parametrize("model", rest_slow(SMALLEST.values(), "resnet20", "mobilenetv1", "vit_xs"))
def test_no_network_takes_statistics_of_its_own_and_a_rank_may_have_no_images(model):
    network = build(model, 10).train()
    sync_batch_norm(network, BesideAnother())
    for num_images in (2, 0):
        with Watch() as watch:
            logits = network(torch.randn(num_images, 3, 32, 32))
            logits.sum().backward()
        assert set(watch.seen) <= {"aten::batch_norm_update_stats"}
        assert logits.shape == (num_images, 10)
        assert all(parameter.grad is not None for parameter in network.parameters())
