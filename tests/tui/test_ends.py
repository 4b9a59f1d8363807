"""A run that was seen going on has ended: told once, however it ended."""

import pytest
from folders import finished, launched, live, make_run, phase, write

from cockpit.status import describe
from cockpit.tui.ends import Ends

RUN_ID = "20251123-141000-resnet20-digits-0001"


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_the_end_of_a_run_that_was_seen_going_on_is_told_once(store, state):
    ends, run = Ends(), live(make_run(store, RUN_ID))
    assert ends.notice([describe(run)]) == []
    assert ends.live == (RUN_ID,)
    write(run, phase(state))
    assert [row.status for row in ends.notice([describe(run)])] == [state]
    assert ends.notice([describe(run)]) == []
    assert ends.live == ()


def test_a_lost_run_is_told_of_too(store):
    ends, run = Ends(), make_run(store, RUN_ID)
    ends.expect(RUN_ID)
    launched(run)
    write(run, phase("running"))
    assert [row.status for row in ends.notice([describe(run)])] == ["lost"]


def test_a_run_that_had_ended_before_is_not_told(store):
    assert Ends().notice([describe(finished(make_run(store, RUN_ID)))]) == []


async def test_a_look_that_was_on_its_way_when_a_run_was_resumed_tells_of_no_end(app, store):
    before = describe(finished(make_run(store, RUN_ID), state="failed"))
    async with app.run_test():
        app.expect(RUN_ID, before)
        app.notice([before])
        assert not app._notifications
        assert app._ends.live == (RUN_ID,)
