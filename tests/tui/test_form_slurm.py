"""The form on a machine with Slurm: where to train is one more choice, and the devices are a job's."""

import threading
from pathlib import Path

from folders import screen_text, settle, toasts
from textual.widgets import Input

from cockpit.squeue import QUEUE
from cockpit.tui.menus import Menu
from cockpit.tui.new_run import NewRunScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen


async def test_a_job_is_submitted_from_the_form_and_cancelled_from_the_runs(
    full, monkeypatch, path_with_slurm, digits, app, store
):
    monkeypatch.setenv("PATH", path_with_slurm)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
        screen = app.screen
        await pilot.press("tab", "tab", "down")
        await settle(pilot, lambda: "--dataset digits --where slurm" in " ".join(screen_text(app).split()))
        await settle(pilot, lambda: "sbatch --signal=B:USR1@120 (defaults: " in " ".join(screen_text(app).split()))
        assert [option.id for option in screen.query_one("#device", Menu).options] == ["auto", "cuda", "cpu"]
        await pilot.press("tab", "end")
        await settle(pilot, lambda: "--device cpu --where slurm" in " ".join(screen_text(app).split()))
        screen.query_one("#epochs", Input).value = "1"
        await pilot.press("ctrl+n")
        await settle(pilot, lambda: "Slurm has one of its own" in toasts(app))
        assert not store.list()
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        (run,) = store.list()
        job = run.submissions()[-1].job
        await settle(pilot, lambda: "◌ pending" in screen_text(app))
        await settle(pilot, lambda: f"job {job} waits in Slurm (" in screen_text(app))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen) and f"job {job} waits" in screen_text(app))
        await pilot.press("r")
        await settle(pilot, lambda: "is pending, so there is nothing to resume" in toasts(app))
        await pilot.press("s")
        await settle(pilot, lambda: f"{run.id} is cancelled" in toasts(app))
        await settle(pilot, lambda: "was cancelled before the trainer began" in screen_text(app))
        await pilot.press("r")
        await settle(pilot, lambda: "is submitted to Slurm again" in toasts(app))
        await settle(pilot, lambda: "◌ pending" in screen_text(app))
        assert len(run.submissions()) == 2


async def test_a_mistake_in_the_users_file_is_told_before_and_at_the_launch(fake, app, store, tmp_path, monkeypatch):
    fake("sbatch", "exit 1")
    config = tmp_path / "config.toml"
    config.write_text("[slurm]\npartion = 'gpu'\n")
    monkeypatch.setenv("COCKPIT_CONFIG", str(config))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
        await pilot.press("tab", "tab", "down")
        await settle(pilot, lambda: "did you mean partition?" in " ".join(screen_text(app).split()))
        await pilot.press("enter")
        await settle(pilot, lambda: "did you mean partition?" in toasts(app))
        assert isinstance(app.screen, NewRunScreen)
        assert store.list() == []


async def test_a_slurm_that_does_not_answer_is_not_offered_as_if_it_did(fake, app, store, monkeypatch):
    monkeypatch.setattr(QUEUE, "_heard", None)  # the Slurm of another test may have answered a moment ago
    sayings = (
        "squeue: error: fetch_config: DNS SRV lookup failed",
        "squeue: fatal: Could not establish a configuration",
    )
    lines = "; ".join(f"echo '{saying}' >&2" for saying in sayings)
    squeue = fake("squeue", f"if [ -e $0.up ]; then exit 0; fi; {lines}; exit 1")
    fake("sbatch", "exit 1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "slurm  no answer" in screen_text(app))
        assert "enter launches this" in screen_text(app), "on this machine"
        await pilot.press("tab", "tab", "down")
        sentence = "Slurm does not answer: Could not establish a configuration; enter tries again"
        await settle(pilot, lambda: sentence in " ".join(screen_text(app).split()))
        assert "DNS" not in screen_text(app)
        await pilot.press("enter")
        await settle(pilot, lambda: "a configuration; nothing was submitted" in " ".join(toasts(app).split()))
        Path(f"{squeue}.up").touch()
        QUEUE.forget()
        await pilot.press("tab", "shift+tab")
        await settle(pilot, lambda: "slurm  as a job" in screen_text(app) and "enter launches" in screen_text(app))
    assert store.list() == []


async def test_a_silent_slurm_is_asked_once_by_whatever_is_looked_at_meanwhile(fake, app, tmp_path):
    asked, go_on = tmp_path / "asked", tmp_path / "go on"
    fake("squeue", f"echo >> {asked}; until [ -e '{go_on}' ]; do sleep 0.01; done; exit 1")
    fake("sbatch", "exit 1")
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(3):
            await pilot.press("n")
            await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
            await pilot.press("tab", "tab", "shift+tab", "tab")
            await settle(pilot, asked.exists)
            await pilot.press("escape")
            await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "slurm  as a job" in screen_text(app))
        assert [thread.name for thread in threading.enumerate() if "squeue" in thread.name] == ["squeue for listeners"]
        go_on.touch()
        await settle(pilot, lambda: "slurm  no answer" in screen_text(app))
        await pilot.press("tab", "tab", "shift+tab", "tab")
    assert len(asked.read_text()) == 1


async def test_a_submission_whose_answer_never_came_shows_its_run_in_place_of_the_form(fake, digits, app, store):
    trouble = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
    squeue = fake("squeue", f"if [ -e $0.down ]; then {trouble}; fi")
    fake("sbatch", f"touch {squeue}.down; exit 1")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
        await pilot.press("tab", "tab", "down", "enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
        await settle(pilot, lambda: "whether it has the job is not known; the run is kept" in toasts(app))
        await settle(pilot, lambda: "? unknown" in screen_text(app))
        (run,) = store.list()
        await pilot.press("r")
        await settle(
            pilot, lambda: f"`cockpit resume {run.id} --where local --force` takes the run over" in toasts(app)
        )
        assert len(run.submissions()) == 1
    Path(f"{squeue}.down").unlink()


async def test_without_slurm_there_is_nothing_to_choose(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert not app.screen.query("#where")


async def test_all_the_cards_that_gres_grants_are_one_of_the_devices(fake, digits, app, store, tmp_path, monkeypatch):
    fake("squeue", "")
    fake("sbatch", "echo 17")
    config = tmp_path / "config.toml"
    config.write_text("[slurm]\ngres = 'gpu:a100:4'\n")
    monkeypatch.setenv("COCKPIT_CONFIG", str(config))
    four = "cuda,cuda,cuda,cuda"
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
        await pilot.press("tab", "tab", "down")
        menu = app.screen.query_one("#device", Menu)
        await settle(pilot, lambda: [option.id for option in menu.options] == ["auto", "cuda", four, "cpu"])
        await pilot.press("tab", "down", "down")
        await settle(pilot, lambda: f"--devices {four} --where slurm" in " ".join(screen_text(app).split()))
        assert "4 × cuda  all that gres grants" in screen_text(app)
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))
    (run,) = store.list()
    assert [(one.device, one.job) for one in run.submissions()][-1] == (four, "17")


async def test_the_devices_of_all_nodes_share_the_batch(fake, app, store, tmp_path, monkeypatch):
    fake("sbatch", "exit 1")
    config = tmp_path / "config.toml"
    config.write_text("[slurm]\nnodes = 4\n")
    monkeypatch.setenv("COCKPIT_CONFIG", str(config))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, NewRunScreen) and "this machine" in screen_text(app))
        app.screen.query_one("#batch_size", Input).value = "3"
        await settle(pilot, lambda: "enter launches this" in screen_text(app))
        await pilot.press("tab", "tab", "down")
        sentence = "batch size 3 is smaller than the 4 devices that share it"
        await settle(pilot, lambda: sentence in " ".join(screen_text(app).split()))
        await pilot.press("enter")
        assert isinstance(app.screen, NewRunScreen)
    assert not store.list()
