"""A step that is given up has never been, wherever the signal came."""

import signal
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from cockpit.engine.backend import choose_backend
from cockpit.engine.interruptible import InterruptibleStep
from cockpit.engine.step import make_optimizer, make_step
from cockpit.engine.stopping import StopFlag, Stopped
from cockpit.recipe import Recipe
from nets import build


@pytest.fixture
def stop() -> Iterator[StopFlag]:
    """A flag that this process's signals raise."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    flag = StopFlag()
    flag.install()
    yield flag
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Training:
    """A small network with dropout, whose steps are taken on the same two batches."""

    def __init__(self, stop: StopFlag) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(build("resnet20", 10), nn.Dropout(0.5))
        recipe = Recipe(nesterov=True)
        self.optimizer = make_optimizer(self.model, recipe)
        self.images, self.labels = torch.randn(2, 8, 3, 32, 32), torch.randint(0, 10, (2, 8))
        take = make_step("eager", self.model, self.optimizer, choose_backend("cpu", "fp32"), self.images[0], recipe)
        self.take = InterruptibleStep(take, self.model, self.optimizer, stop, layer_by_layer=True)

    def step(self, number: int) -> Tensor:
        return self.take(self.images[number], self.labels[number], 0.1)

    def state(self) -> list[Tensor]:
        momenta = [state["momentum_buffer"] for state in self.optimizer.state.values()]
        return [tensor.clone() for tensor in (torch.get_rng_state(), *self.model.state_dict().values(), *momenta)]


def in_the_forward_pass(training: Training) -> Callable[[], None]:
    layer = training.model[0].get_submodule("head")
    return layer.register_forward_hook(lambda *_: signal.raise_signal(signal.SIGTERM)).remove


def in_the_backward_pass(training: Training) -> Callable[[], None]:
    layer = training.model[0].get_submodule("stem")

    def hook_gradient(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        output.register_hook(lambda _: signal.raise_signal(signal.SIGTERM))

    return layer.register_forward_hook(hook_gradient).remove


def behind_the_optimizer(training: Training) -> Callable[[], None]:
    return training.optimizer.register_step_post_hook(lambda *_: signal.raise_signal(signal.SIGTERM)).remove


@pytest.mark.parametrize("place", [in_the_forward_pass, in_the_backward_pass, behind_the_optimizer])
@pytest.mark.parametrize("number", [0, 1], ids=["first step", "slow step"])
def test_a_step_that_is_given_up_leaves_no_trace(stop, monkeypatch, place, number):
    monkeypatch.setattr("cockpit.engine.interruptible._SLOW_S", 0.0)
    expected = Training(stop)
    losses = [expected.step(0), expected.step(1)]
    training = Training(stop)
    for earlier in range(number):
        training.step(earlier)
    before = training.state()
    remove = place(training)
    with pytest.raises(Stopped, match=r"when asked \(SIGTERM\) in the middle of a step"):
        training.step(number)
    remove()
    assert all(torch.equal(*pair) for pair in zip(before, training.state(), strict=False))
    stop.reason = ""
    again = [training.step(at) for at in range(number, 2)]
    assert torch.equal(torch.stack(again), torch.stack(losses[number:]))
    assert all(torch.equal(*pair) for pair in zip(expected.state(), training.state(), strict=True))


def test_fast_steps_are_ended_by_no_signal(stop):
    training = Training(stop)
    training.step(0)
    remove = in_the_forward_pass(training)
    training.step(1)
    remove()
    assert stop.reason == "SIGTERM"


class Twice(nn.Module):
    """A layer that returns more than a tensor, as somebody's own network may have."""

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features, features


class OwnNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.twice = nn.Linear(3072, 10), Twice()

    def forward(self, images: Tensor) -> Tensor:
        return self.twice(self.linear(images.flatten(1)))[0]


def test_layers_that_return_more_than_a_tensor_can_be_trained(stop):
    model, recipe = OwnNetwork(), Recipe()
    optimizer, images = make_optimizer(model, recipe), torch.randn(4, 3, 32, 32)
    take = make_step("eager", model, optimizer, choose_backend("cpu", "fp32"), images, recipe)
    take = InterruptibleStep(take, model, optimizer, stop, layer_by_layer=True)
    assert take(images, torch.zeros(4, dtype=torch.int64), 0.1)[0] > 0


def test_a_request_ends_what_may_be_ended_at_once_even_when_it_came_before(stop):
    signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(Stopped, match="by SIGUSR1 while it slept"), stop.at_once("while it slept"):
        raise AssertionError("this was begun all the same")


def test_an_interrupt_that_is_no_request_stays_what_it_is():
    with pytest.raises(KeyboardInterrupt), StopFlag().at_once("never"):
        raise KeyboardInterrupt
