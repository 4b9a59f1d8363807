"""Alarms are raised for what goes wrong, and never for what is usual."""

import math
import random

import numpy as np
import pytest

from cockpit.diagnose import Facts, diagnose
from cockpit.recipe import Recipe, usual_recipe
from cockpit.records import Device, Epoch, Phase, Step
from cockpit.schedule import make_schedule
from cockpit.series import Series
from cockpit.status import RunInfo

STEPS_PER_EPOCH = 20
NUM_CLASSES = 10


def info(status: str = "running", *, epochs: int = 200, detail: str = "") -> RunInfo:
    return RunInfo(
        id="20251123-141000-resnet20-digits-0001",
        path="",
        status=status,
        detail=detail,
        model="resnet20",
        dataset="digits",
        epoch=0,
        epochs=epochs,
        best_val_acc=None,
        best_epoch=None,
        test=None,
        elapsed_s=0.0,
        launched=None,
        changes="",
    )


def trained(
    recipe: Recipe, losses, val_accs=(), *, samples_per_epoch: int = 4, noise: float = 0.0, seed: int = 0
) -> Series:
    """Return what a trainer records of these losses, one a sample, with an epoch after every so many of them."""
    schedule = make_schedule(recipe, STEPS_PER_EPOCH)
    rng = random.Random(seed)
    series = Series([Phase(time=0.0, state="running")])
    for index, loss in enumerate(losses, start=1):
        step = index * STEPS_PER_EPOCH // samples_per_epoch
        loss = None if loss is None else max(0.0, loss + rng.gauss(0.0, noise))
        common = {"time": 0.0, "step": step, "lr": schedule.lr(step - 1), "img_per_s": 1e3, "elapsed_s": 2.0 * index}
        acc = None if loss is None else math.exp(-loss)
        lines: list = [Step(epoch=index / samples_per_epoch, loss=loss, acc=acc, **common)]
        if index % samples_per_epoch == 0:
            epoch = index // samples_per_epoch
            val_acc = val_accs[min(epoch, len(val_accs)) - 1] if len(val_accs) else min(0.99, epoch / 300)
            lines.append(
                Epoch(
                    epoch=epoch,
                    train_loss=loss,
                    train_acc=acc,
                    val_loss=loss,
                    val_acc=val_acc,
                    epoch_s=2.0,
                    best_val_acc=val_acc,
                    best_epoch=epoch,
                    **common,
                )
            )
        series.extend(lines)
    return series


def falling(count: int, low: float = 0.02) -> np.ndarray:
    """Return losses that fall from that of guessing as a training's do."""
    return low + (math.log(NUM_CLASSES) - low) * np.exp(-np.linspace(0, 5, count))


def names(series: Series, recipe: Recipe, **facts) -> list[str]:
    return [alarm.name for alarm in diagnose(series, info(epochs=recipe.num_epochs), Facts(recipe=recipe, **facts))]


def recipe_of(preset: str = "seed", **chosen) -> Recipe:
    return usual_recipe("resnet20", "cifar10", preset, **{"epochs": 200, **chosen}).complete()


@pytest.mark.parametrize("preset", ["seed", "fast", "strong"])
@pytest.mark.parametrize("num_epochs", [1, 5, 12, 60, 71, 130, 131, 189, 191, 199, 200])
def test_a_usual_training_raises_no_alarm_at_any_time(preset, num_epochs):
    """Warm-up, plateaus between the falls of the learning rate, and the flat end are as they should be."""
    recipe = recipe_of(preset)
    plateaus = [0.1] * 9 + [0.7] * 61 + [0.85] * 60 + [0.9] * 70  # better only where the learning rate falls
    series = trained(recipe, falling(800)[: 4 * num_epochs], plateaus, noise=0.05)
    assert names(series, recipe) == []


@pytest.mark.parametrize("seed", range(8))
def test_the_noise_of_a_small_batch_raises_no_alarm(seed):
    recipe = recipe_of(batch_size=2)
    losses = falling(800) * np.random.default_rng(seed).gamma(1.5, 1 / 1.5, 800)
    series = trained(recipe, losses, noise=0.3, seed=seed)
    assert names(series, recipe) == []


def test_a_loss_that_jumps_in_the_warm_up_and_comes_back_raises_no_alarm():
    recipe = recipe_of()
    losses = np.concatenate([np.full(6, 2.3), [3.5, 4.0, 3.0], falling(60)])
    for count in range(1, losses.size):
        assert names(trained(recipe, losses[:count]), recipe) == []


def test_a_single_bad_sample_raises_no_alarm():
    recipe = recipe_of()
    losses = falling(100)
    losses[90] = 1e6
    assert names(trained(recipe, losses), recipe) == []


def test_a_late_rise_from_almost_nothing_raises_no_alarm():
    recipe = recipe_of()
    losses = np.concatenate([falling(200, low=0.001), np.full(40, 0.05)])
    assert names(trained(recipe, losses), recipe) == []


def test_a_loss_that_is_not_a_number_is_told_with_its_remedy():
    recipe = recipe_of(lr=0.4)
    (alarm,) = diagnose(trained(recipe, [2.3, 2.2, None]), info(), Facts(recipe=recipe))
    assert (alarm.severity, alarm.name) == ("error", "nan")
    assert alarm.text.startswith("the training loss is not a number any more: stop it")
    assert "lower lr than 0.4" in alarm.remedy


def test_a_loss_that_explodes_is_told_with_its_numbers():
    recipe = recipe_of()
    losses = np.concatenate([falling(100), np.linspace(0.1, 8, 30)])
    (alarm,) = diagnose(trained(recipe, losses), info(), Facts(recipe=recipe))
    assert (alarm.severity, alarm.name) == ("error", "exploding")
    assert "explodes, from 0.0" in alarm.sentence


def test_an_explosion_is_over_when_the_loss_has_come_back():
    recipe = recipe_of()
    losses = np.concatenate([falling(100), np.full(20, 9.0), falling(200)])
    assert names(trained(recipe, losses), recipe) == []


def test_a_network_that_does_not_learn_is_told_after_its_warm_up():
    recipe = recipe_of()
    stuck = [math.log(NUM_CLASSES)] * 200
    assert names(trained(recipe, stuck[: 4 * 10], [0.1]), recipe) == []
    assert names(trained(recipe, stuck[: 4 * 15], [0.1]), recipe) == ["not_learning"]


def test_a_plateau_is_told_once_the_learning_rate_falls_no_more():
    recipe = recipe_of(schedule="constant", epochs=100)
    accs = [*np.linspace(0.1, 0.8, 40), *[0.8] * 60]
    assert names(trained(recipe, falling(4 * 50), accs), recipe) == []
    (alarm,) = diagnose(trained(recipe, falling(4 * 60), accs), info(epochs=100), Facts(recipe=recipe))
    assert (alarm.severity, alarm.name) == ("warning", "plateau")
    assert alarm.sentence == "no better validation accuracy since epoch 40, and lr (0.1) falls no more"
    assert "cosine" in alarm.remedy


def test_without_a_recipe_nothing_is_said_of_plateaus():
    recipe = recipe_of(schedule="constant", epochs=100)
    assert diagnose(trained(recipe, falling(4 * 80), [0.5]), info(epochs=100)) == ()


def device(busy: float | None = 1.0, memory: float = 0.5, name: str = "cuda:0 NVIDIA H100") -> Device:
    return Device(time=0.0, name=name, busy=busy, memory_bytes=int(memory * 1e9), memory_total_bytes=10**9)


def with_devices(devices: list[Device], state: str = "running") -> Series:
    return Series([Phase(time=0.0, state=state), *devices])


def test_a_starved_gpu_is_told_once_it_has_been_so_for_a_while():
    recipe = recipe_of(batch_size=32)
    assert names(with_devices([device(0.1)] * 9), recipe) == []
    assert names(with_devices([device(0.1)] * 10), recipe) == ["starved"]
    (alarm,) = diagnose(with_devices([device(0.1)] * 10), info(), Facts(recipe=recipe))
    assert alarm.remedy == "train with a larger batch_size than 32"
    (alarm,) = diagnose(with_devices([device(0.1)] * 10), info(), Facts(recipe=recipe_of(way="eager")))
    assert "way auto" in alarm.remedy


@pytest.mark.parametrize(
    "devices",
    [
        [device(0.9)] * 20,
        [device(0.1)] * 10 + [device(0.95)] * 10,
        [device(0.95), device(0.1)] * 10 + [device(0.95)],
        [device(None)] * 20,
        [device(0.05, name="cpu")] * 20,
    ],
    ids=["busy", "busy now", "pauses", "unknown", "a CPU"],
)
def test_a_device_at_work_raises_no_alarm(devices):
    assert names(with_devices(devices), recipe_of()) == []


def test_a_gpu_at_rest_during_the_test_raises_no_alarm():
    assert names(with_devices([device(0.1)] * 10, state="testing"), recipe_of()) == []


def test_a_memory_that_is_nearly_full_is_told():
    recipe = recipe_of()
    assert names(with_devices([device(memory=0.97)] * 3), recipe) == ["memory"]
    assert names(with_devices([device(memory=0.97)] * 2 + [device(memory=0.9)]), recipe) == []
    assert names(with_devices([device(memory=0.92, name="cpu")] * 3), recipe) == ["memory"]


def test_a_disk_without_room_for_the_next_checkpoint_is_told():
    recipe = recipe_of()
    series = trained(recipe, falling(8))
    assert names(series, recipe, free_bytes=10**9, checkpoint_bytes=10**8) == []
    assert names(series, recipe, free_bytes=10**8, checkpoint_bytes=10**8) == ["disk"]


def test_the_status_is_an_alarm_too_and_an_ended_run_has_none():
    series = trained(recipe_of(), [2.3, None])
    (lost,) = diagnose(series, info("lost", detail="killed by the kernel; resume continues it"))
    assert (lost.name, lost.severity) == ("lost", "error")
    assert [alarm.name for alarm in diagnose(series, info("stale", detail="silent"))] == ["nan", "stale"]
    for status in ("finished", "failed", "stopped", "created", "waiting", "damaged"):
        assert diagnose(series, info(status)) == ()


def test_a_series_without_anything_raises_no_alarm():
    assert diagnose(Series(), info(), Facts(recipe=recipe_of())) == ()
