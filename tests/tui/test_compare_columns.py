"""Which columns of a comparison stay where there is no room for all, and what stands in that of the devices."""

import pytest
from folders import device, finished, launched, make_run, phase, screen_text, settle, step, with_test, write

from cockpit.provenance import trace
from cockpit.recipe import usual_recipe
from cockpit.tui.compare import CompareScreen
from cockpit.tui.compare_table import CompareTable

CHOSEN = (
    {"lr": 0.1, "schedule": "step", "batch_size": 128, "weight_decay": 5e-4, "label_smoothing": 0.0},
    {"lr": 0.05, "schedule": "cosine", "batch_size": 64, "weight_decay": 1e-4, "label_smoothing": 0.1},
)


async def compared(app, pilot, runs) -> CompareScreen:
    app.open_compare(runs)
    await settle(
        pilot, lambda: isinstance(app.screen, CompareScreen) and len(app.screen._compared) == len(runs), "all runs"
    )
    return app.screen


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


@pytest.mark.parametrize("name", ["cuda:0 NVIDIA H200", "cpu"])
async def test_the_devices_are_told_where_they_are_not_the_same(app, store, name):
    runs = [finished(make_run(store, f"20251123-14100{n}-resnet20-digits-000{n}")) for n in range(2)]
    write(runs[0], device(name))
    async with app.run_test(size=(160, 45)) as pilot:
        await compared(app, pilot, runs)
        await settle(pilot, lambda: "best val" in screen_text(app))
        assert ("device" in screen_text(app)) == ("NVIDIA H200" in screen_text(app)) == (name != "cpu")


async def test_all_that_a_resumed_run_was_trained_on_is_told_also_when_it_is_resumed_meanwhile(app, store):
    runs = [finished(make_run(store, f"20251123-14100{n}-resnet20-digits-000{n}")) for n in range(2)]
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await compared(app, pilot, runs)
        assert [run.devices for run in screen._compared] == ["cpu", "cpu"]
        launched(runs[0], attempt=2, device="auto")
        write(runs[0], phase("running", attempt=2, step=33))
        await settle(pilot, lambda: screen._compared[0].view.resumes)
        assert screen._compared[0].devices == "cpu", "of the second launch nothing is in the weights yet"
        write(runs[0], device("cuda:0 NVIDIA H200"), step(3.5))
        await settle(pilot, lambda: screen._compared[0].devices == "cpu, NVIDIA H200")
        await settle(pilot, lambda: "cpu, NVIDIA H200" in screen_text(app))
    assert ", ".join(trace(runs[0]).devices) == "cpu, NVIDIA H200"
