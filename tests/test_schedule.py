"""The learning rate is the seed's, to the epoch."""

import pytest

from cockpit.recipe import Recipe
from cockpit.schedule import make_schedule

STEPS = 352  # 45,000 images in batches of 128


def lr_at_epoch(recipe: Recipe, epoch: int, batch: int, steps: int = STEPS) -> float:
    return make_schedule(recipe, steps).lr((epoch - 1) * steps + batch)


@pytest.mark.parametrize(
    ("first", "last", "lr"), [(11, 70, 0.1), (71, 130, 0.01), (131, 190, 0.001), (191, 200, 0.0001)]
)
def test_200_epochs_are_the_seeds(first, last, lr):
    recipe = Recipe(dataset="cifar10")
    assert recipe.num_epochs == 200
    for epoch, batch in ((first, 0), (first, STEPS - 1), (last, 0), (last, STEPS - 1)):
        assert lr_at_epoch(recipe, epoch, batch) == pytest.approx(lr)


def test_warm_up_rises_linearly_over_ten_epochs():
    recipe = Recipe(dataset="cifar10")
    assert lr_at_epoch(recipe, 1, 0) == pytest.approx(0.1 / 3520)
    assert lr_at_epoch(recipe, 5, STEPS - 1) == pytest.approx(0.05)
    assert lr_at_epoch(recipe, 10, STEPS - 1) == pytest.approx(0.1)


@pytest.mark.parametrize("epochs", [1, 2, 3, 30, 77])
def test_the_shape_scales_with_the_epochs(epochs):
    schedule = make_schedule(Recipe(epochs=epochs), 100)
    rates = [schedule.lr(step) for step in range(100 * epochs)]
    drops = [step for step in range(1, len(rates)) if rates[step] < rates[step - 1]]
    assert drops == [round(epochs * per_cent) for per_cent in (35, 65, 95)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.0001)


def test_other_schedules_end_where_they_should():
    cosine = make_schedule(Recipe(epochs=10, schedule="cosine"), 100)
    assert cosine.lr(50) == pytest.approx(0.1)
    assert 0 < cosine.lr(999) < 1e-5
    constant = make_schedule(Recipe(epochs=10, schedule="constant", lr=0.3, warmup_epochs=0), 100)
    assert {constant.lr(step) for step in range(1000)} == {0.3}
