"""What Runs shows of runs in Slurm: job, reason, node and elapsed time, as columns, in the detail and to the filter."""

import pytest
from folders import finished, make_run, screen_text, settle
from test_jobs import NAME, begun, submitted

from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable

WAITS, RUNS, OVER = (f"20261126-12000{number}-resnet20-digits-000{number}" for number in (3, 2, 1))


@pytest.fixture
def in_slurm(fake, store):
    """A run that waits, one that runs, one that is over, and none of Slurm's."""
    for run_id, name in ((WAITS, f"{NAME}-9"), (RUNS, f"{NAME}-10"), (OVER, f"{NAME}-8")):
        submitted(make_run(store, run_id), name=name, job=name.rpartition("-")[2])
    run = store.get(RUNS)
    begun(run, "running", "cpu, fp32", submission=f"{NAME}-10")
    begun(store.get(OVER), "stopped", "by SIGTERM", submission=f"{NAME}-8")
    store.get(OVER).take_turn()
    finished(make_run(store, "20261126-110000-resnet20-digits-0000"))
    jobs = f"9|PENDING|Priority||0:00|{NAME}-9\\n10|RUNNING|None|gpu03|1:12:34|{NAME}-10\\n"
    fake("squeue", f"printf '{jobs}'")
    fake("scancel", "exit 0")


def column(app, title: str) -> list[str]:
    table = app.screen.query_one(RunTable)
    place = [one.title for one in table.columns].index(title)
    return [table.texts(row.id)[place] for row in table.rows]


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_jobs_have_a_column_that_says_why_they_wait_or_where_they_are(app, in_slurm, size):
    async with app.run_test(size=size) as pilot:
        await settle(pilot, lambda: "4 runs" in screen_text(app))
        assert column(app, "job") == ["9 Priority", "10 gpu03 1 h 12", "", ""]
        table = app.screen.query_one(RunTable)
        assert sum(one.width + 2 for one in table.columns) <= size[0]
        assert "1 going on  1 pending" in screen_text(app)
        assert "job 9 waits in Slurm (Priority) · s cancels it" in screen_text(app)
        await pilot.press("j")
        await settle(pilot, lambda: "job 10 on gpu03, 1 h 12 · cpu, fp32" in screen_text(app))


async def test_jobs_are_sorted_by_number_and_found_by_reason_and_node(app, in_slurm):
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot, lambda: "4 runs" in screen_text(app))
        assert isinstance(app.screen, RunsScreen)
        app.screen._set_order("job", reverse=False)
        await settle(pilot, lambda: column(app, "job")[:2] == ["10 gpu03 1 h 12", "9 Priority"])
        for typed, found in (("reason:priority", WAITS), ("node:gpu*", RUNS), ("job<9", OVER)):
            await pilot.press("/", *typed, "enter")
            await settle(pilot, lambda found=found: [row.id for row in app.screen.query_one(RunTable).rows] == [found])
            await pilot.press("escape")


async def test_without_jobs_there_is_no_such_column(app, store):
    finished(make_run(store))
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot, lambda: app.screen.query_one(RunTable).rows)
        assert "job" not in [one.title for one in app.screen.query_one(RunTable).columns]
