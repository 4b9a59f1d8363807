"""Which columns of a comparison stay where there is no room for all."""

import pytest
from folders import finished, make_run, screen_text, settle, with_test

from cockpit.recipe import usual_recipe
from cockpit.tui.compare_table import CompareTable

CHOSEN = (
    {"lr": 0.1, "schedule": "step", "batch_size": 128, "weight_decay": 5e-4, "label_smoothing": 0.0},
    {"lr": 0.05, "schedule": "cosine", "batch_size": 64, "weight_decay": 1e-4, "label_smoothing": 0.1},
)


@pytest.mark.parametrize("tested", [True, False], ids=["tested", "untested"])
async def test_the_test_stays_before_validation_and_before_what_differs(app, store, tested):
    runs = []
    for index, chosen in enumerate(CHOSEN):
        recipe = usual_recipe(
            ("resnet20", "shufflenetv1_g3")[index], "digits", "seed", momentum=0.9 - index / 10, **chosen
        )
        runs.append(finished(make_run(store, f"20251123-14100{index}-resnet20-digits-000{index}", recipe)))
    if tested:
        with_test(runs[0], top1=0.972)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_compare(runs)
        await settle(pilot, lambda: "best val" in screen_text(app))
        shown = app.screen.query_one(CompareTable).shown
        assert ("test" in shown) is tested
        assert "val loss" not in shown, "there was no room for all"
