"""Slurm's jobs in the queue: on the screen and by the command, beside what waits for this machine."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest
from folders import live, make_run, screen_text, settle, toasts
from test_status import launch_of, say

from cockpit import records
from cockpit.cli import main
from cockpit.device_names import short
from cockpit.dispatch import order
from cockpit.dispatch.look import look
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tui.queue import QueueScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.table import RowTable

DOWN = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"


def submitted(store: RunStore, number: int, *, begun: bool = False) -> Run:
    """A run that was submitted as the job of this number, as its folder tells."""
    run = make_run(store, recipe=Recipe(seed=number))
    name = f"{run.id}.1-abc"
    run.append_submission(
        records.Submission(
            name=name, time=time.time(), host="login", uid=os.getuid(), launches=0, device="cuda,cuda", job=str(number)
        )
    )
    run.turn_path.write_text(f"{name}\n")
    if begun:
        run.append_launch(launch_of(psutil.Process(), host="node01", submission=name))
        say(run, "running", "cuda:0 NVIDIA A100")
    return run


@pytest.fixture
def jobs(store, fake) -> dict[str, Run]:
    """Two that wait and one that trains, and how often squeue was asked."""
    found = {"waits": submitted(store, 18), "trains": submitted(store, 17, begun=True), "held": submitted(store, 4)}
    lines = [
        f"18|PENDING|Resources||0:00|{found['waits'].id}.1-abc|4:00:00",
        f"17|RUNNING|None|node[01-02]|1:12:34|{found['trains'].id}.1-abc|1-00:00:00",
        f"4|PENDING|JobHeldUser||0:00|{found['held'].id}.1-abc|UNLIMITED",
        "5|PENDING|Resources||0:00|somebody's own job",
    ]
    log = store.root.parent / "asked"
    fake("squeue", f"echo asked >> {log}\n" + "\n".join(f'echo "{line}"' for line in lines))
    fake("scancel", f'echo "$@" >> {store.root.parent}/cancelled')
    return found


async def open_queue(app, pilot) -> RowTable:
    await pilot.press("w")
    await settle(pilot, lambda: isinstance(app.screen, QueueScreen) and app.screen._look is not None)
    return app.screen.query_one("#slurm").query_one(RowTable)


def test_the_command_tells_number_state_reason_node_and_times(store, jobs, capsys):
    assert main(["queue", "--json", "--runs", str(store.root)]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["status"]) for row in seen["slurm"]] == [
        (jobs["trains"].id, "running"),
        (jobs["held"].id, "pending"),
        (jobs["waits"].id, "pending"),
    ]
    assert seen["slurm"][0]["job"] == {
        "id": "17",
        "state": "RUNNING",
        "reason": "",
        "node": "node[01-02]",
        "elapsed_s": 4354.0,
        "limit_s": 86400.0,
    }
    assert [row["job"]["limit_s"] for row in seen["slurm"]] == [86400.0, None, 14400.0]
    assert (seen["slurm_trouble"], seen["training"], seen["waiting"]) == ("", [], [])
    assert main(["queue", "--runs", str(store.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if jobs["trains"].id in line).split() == [
        *("17", jobs["trains"].id, "RUNNING", "node[01-02]", "1:12:34", "24:00:00")
    ]
    assert next(line for line in lines if jobs["waits"].id in line).split()[3] == "Resources"


def test_a_silent_slurm_is_said_and_its_runs_stay_in_the_list(store, jobs, fake, capsys):
    fake("squeue", DOWN)
    seen = look(store)
    assert seen.slurm_trouble == "Slurm does not answer: Unable to contact slurm controller"
    assert [row.status for row in seen.slurm] == ["unknown", "running", "unknown"]
    assert main(["queue", "--runs", str(store.root)]) == 0
    out, err = capsys.readouterr()
    assert "Slurm: Slurm does not answer: Unable to contact slurm controller" in err
    assert jobs["waits"].id in out
    fake("squeue", "exit 0")


def test_where_nothing_was_submitted_slurm_is_not_asked(store, fake):
    asked = Path(fake("squeue", "touch $0.asked")).with_name("squeue.asked")
    live(make_run(store))
    assert (look(store).slurm, look(store).slurm_trouble) == ((), "")
    assert not asked.exists()


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
async def test_the_screen_has_a_part_for_them(app, store, jobs, size):
    order.pause(store, True)
    (queued,) = order.enqueue(store, [Recipe().complete()], device="cpu,cpu")
    async with app.run_test(size=size) as pilot:
        table = await open_queue(app, pilot)
        assert [row.id for row in table.rows] == [jobs[name].id for name in ("trains", "held", "waits")]
        node = "node[01…" if size[0] < 100 else "node[01-02]"
        assert table.texts(jobs["trains"].id)[:6] == ["17", "RUNNING", "", "resnet20", node, "1 h 12/24 h 00"]
        assert table.texts(jobs["held"].id)[:6] == ["4", "PENDING", "JobHeldUser", "resnet20", "", ""]
        assert table.texts(jobs["waits"].id)[:3] == ["18", "PENDING", "Resources"]
        text = screen_text(app)
        assert ("tab slurm" in text) == (size[0] > 100)
        assert "slurm  2 pending  1 running" in text
        assert "1 waiting  0 training" in text
        assert "2 × cpu" in text
        await pilot.press("tab")
        await settle(pilot, lambda: "job 17 on node[01-02], 1 h 12" in screen_text(app))
        await pilot.press("down", "down")
        await settle(pilot, lambda: "job 18 waits in Slurm (Resources)" in screen_text(app))
        await pilot.press("K")
        await settle(pilot, lambda: "is job 18 of Slurm, which decides its order; s stops it" in toasts(app))
        await pilot.press("s")
        await settle(pilot, lambda: f"{jobs['waits'].id} is cancelled" in toasts(app))
        assert (store.root.parent / "cancelled").read_text() == "18\n"
        await pilot.press("tab", "s")
        await settle(pilot, lambda: f"{queued.id} is taken from the queue" in toasts(app))
        await pilot.press("tab", "enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_silent_slurm_is_said_on_the_screen(app, store, jobs, fake):
    fake("squeue", DOWN)
    async with app.run_test(size=(120, 30)) as pilot:
        await open_queue(app, pilot)
        await settle(pilot, lambda: "Unable to contact slurm controller" in screen_text(app))
        assert "Nothing waits." in screen_text(app)
        assert app.focused is app.screen.query_one("#slurm").query_one(RowTable)
    fake("squeue", "exit 0")


async def test_without_jobs_there_is_no_part_for_them(app, store):
    async with app.run_test(size=(160, 24)) as pilot:
        await open_queue(app, pilot)
        assert not app.screen.query_one("#slurm").display
        assert "tab slurm" not in screen_text(app)
        await pilot.press("tab")
        await settle(pilot, lambda: "No run has a job in Slurm" in toasts(app))


def test_several_devices_fit_into_a_column():
    assert [short(one) for one in ("auto", "cuda:0,cuda:1", "cuda,cuda,cuda", "cpu,cpu")] == [
        "auto",
        "cuda:0,1",
        "3 × cuda",
        "2 × cpu",
    ]


@pytest.mark.slow
async def test_a_real_slurm_tells_of_its_jobs(full, monkeypatch, path_with_slurm, digits, app, store):
    monkeypatch.setenv("PATH", path_with_slurm)
    words = ["train", "--where", "slurm", "--slurm", "time=30:00", "--detach", "--runs", str(store.root)]
    assert main(words) == 0
    (run,) = store.list()
    async with app.run_test(size=(120, 30)) as pilot:
        table = await open_queue(app, pilot)
        await settle(pilot, lambda: table.rows and table.rows[0].job.reason)
        job = table.rows[0].job
        assert (job.state, job.limit_s, job.node) == ("PENDING", 1800.0, "")
        assert job.reason in ("Resources", "Priority")
        await pilot.press("s")
        await settle(pilot, lambda: f"{run.id} is cancelled" in toasts(app))
        await settle(pilot, lambda: not table.rows)
        assert full.jobs("PENDING") == []
