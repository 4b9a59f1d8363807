"""The best of one's own runs beside the published figures: a test's, or marked as validation's."""

import pytest
from folders import finished, make_run, screen_text, settle, with_test

from cockpit.tui.watch import RunsReader

FIRST, SECOND = (f"20251123-14{n}000-resnet20-digits-000{n}" for n in (1, 2))


def test_a_test_goes_before_a_higher_validation(store):
    finished(make_run(store, FIRST), val_acc=0.999)
    reader = RunsReader(store)
    list(reader.look())
    best = reader.own_bests()["resnet20", "digits"]
    assert (best.top1, best.tested) == (0.999, False)
    with_test(finished(make_run(store, SECOND), val_acc=0.9), top1=0.91)
    list(reader.look())
    best = reader.own_bests()["resnet20", "digits"]
    assert (best.top1, best.tested) == (0.91, True)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)])
async def test_validation_is_called_so_beside_published_figures(app, store, size):
    finished(make_run(store, FIRST), val_acc=0.912)
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: app.screen._look.complete)
        await pilot.press("n")
        await settle(pilot, lambda: "your best digits val 91.2 %" in screen_text(app))
        if size[0] >= 160:
            line = next(line for line in screen_text(app).splitlines() if "│resnet20" in line)
            assert "91.2v│" in line.replace(" ", "")
            assert "yours (v val, * changed)" in screen_text(app)
