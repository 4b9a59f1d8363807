"""Tickets and settings that anybody may have damaged or replaced: each is told, none holds up the others."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import HELD_TRAINER, make_trainer

from cockpit import files, records, status
from cockpit.cli import main
from cockpit.dispatch import Attempt, order, tick
from cockpit.dispatch.look import look
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

pytestmark = pytest.mark.timeout(60)  # what waits for a pipe would wait for ever

ESCAPES = "\x1b]0;owned\x07[/red]\u202e"


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "kept").write_text("kept")


def a_socket(path: Path) -> None:
    home = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{home}/{path.name}")
    os.close(home)


def a_link_out(path: Path) -> None:
    outside = path.parents[1] / "outside"
    outside.write_text("precious")
    path.symlink_to(outside)


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(files.DOCUMENT_BYTES + 1)


KINDS: dict[str, Callable[[Path], object]] = {
    "folder": a_folder,
    "pipe": os.mkfifo,
    "socket": a_socket,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link out": a_link_out,
    "huge": huge,
    "deep": lambda path: path.write_text("[" * 100_000),
    "nothing but zeros": lambda path: path.write_bytes(bytes(1000)),
    "not UTF-8": lambda path: path.write_bytes(b'{"host": "\xff", "slots": {"\xff": 1}}'),
}
CHANGES = {
    "pid": {"claim": {"pid": -1}},
    "a huge pid": {"claim": {"pid": 2**63}},
    "time": {"claim": {"time": 1e300}},
    "place": {"place": 1e300},
    "launches": {"launches": -1},
    "priority": {"priority": 10**40},
    "seconds": {"sample_s": -1},
    "tries": {"tries": "many"},
}
"""Numbers that no ticket of ours can hold."""


@pytest.fixture
def store(tmp_path, data_dir, monkeypatch):
    """A queue whose trainers are tiny."""
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path, HELD_TRAINER)))
    store = RunStore(tmp_path / "runs")
    yield store
    (store.root / ".go").touch()


@pytest.fixture
def runs(store) -> tuple[Run, Run]:
    """One whose ticket is to be spoiled, and one behind it."""
    bad, good = order.enqueue(store, [Recipe(seed=seed).complete() for seed in (1, 2)], device="cpu")
    return bad, good


def write_changed(run: Run, change: dict) -> None:
    path = run.path / "queued.json"
    ticket = json.loads(path.read_text())
    claim = {"device": "cpu", "time": 1.0, "boot_id": "x", "pid": 1, "process_start_s": 1.0}
    if "claim" in change:
        change = {"claim": claim | change["claim"]}
    path.write_text(json.dumps(ticket | change))


@pytest.mark.parametrize("kind", [*KINDS, *CHANGES])
def test_a_ticket_that_is_none_is_told_and_holds_up_nobody(store, runs, kind, capsys):
    bad, good = runs
    if kind in KINDS:
        (bad.path / "queued.json").unlink()
        KINDS[kind](bad.path / "queued.json")
    else:
        write_changed(bad, CHANGES[kind])
    assert tick(store) == [Attempt(good.id, "cpu", "")]
    info = status.describe(bad)
    assert (info.status, info.ticket) == ("damaged", None)
    assert info.detail.startswith("queued.json ")
    assert main(["queue", "--json", "--runs", str(store.root)]) == 0
    assert bad.id not in capsys.readouterr().out
    if kind == "folder":
        with pytest.raises(CockpitError, match=r"queued\.json cannot be written: it is a folder, not a file; move it"):
            order.withdraw(store, bad)
    else:
        assert order.withdraw(store, bad)
        assert status.describe(bad).detail == "not launched yet"
    if kind == "link out":
        assert (store.root / "outside").read_text() == "precious"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["queue.json", ".queue.lock"])
def test_settings_and_lock_that_are_none_are_a_sentence(store, runs, name, kind, capsys):
    path = store.root / name
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    harmless = name == ".queue.lock" and kind in ("huge", "deep", "nothing but zeros", "not UTF-8")
    assert main(["queue", "--runs", str(store.root)]) == 0
    out, err = capsys.readouterr()
    assert runs[1].id in out
    if harmless:
        assert f"queue: {runs[0].id} is launched on cpu" in err
    else:
        assert str(path if name == "queue.json" else store.root) in err
        assert "Traceback" not in err
        assert not any(run.launches() for run in runs)
    if kind == "link out":
        assert (store.root.parent / "outside").read_text() == "precious"


@pytest.mark.parametrize("word", ["device", "host", "trouble"])
def test_words_of_a_ticket_command_no_terminal(store, runs, word, capsys):
    bad, good = runs
    write_changed(bad, {word: ESCAPES * 100, "tries": 9 if word == "trouble" else 0})
    assert tick(store) == [Attempt(good.id, "cpu", "")]
    for words in (["queue"], ["runs"], ["runs", "show", bad.id]):
        assert main([*words, "--runs", str(store.root)]) == 0
        out, err = capsys.readouterr()
        assert not [char for char in out + err if not char.isprintable() and char != "\n"]
    assert main(["queue", "--json", "--runs", str(store.root)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    (row,) = json.loads(out)["waiting"]
    assert ESCAPES * 100 in row["device" if word == "device" else "why"]


def test_what_is_called_as_no_run_is_waits_for_nothing(store, runs):
    order.pause(store, True)
    runs[0].path.rename(store.root / ESCAPES.replace("/", ""))
    assert [row.run.id for row in look(store).waiting] == [runs[1].id]
    order.pause(store, False)
    assert tick(store) == [Attempt(runs[1].id, "cpu", "")]


def test_a_run_whose_launches_cannot_be_told_is_not_launched(store, runs):
    bad, good = runs
    bad.launches_path.write_text("no launch\n")
    assert tick(store) == [Attempt(good.id, "cpu", "")]
    assert "launches.jsonl is damaged" in status.describe(bad).detail


def test_a_recipe_that_cannot_be_read_is_tried_and_given_up(store, runs):
    bad, good = runs
    (bad.path / "recipe.json").write_text("{")
    assert [attempt.run_id for attempt in tick(store)] == [bad.id, bad.id, bad.id, good.id]
    assert next(row.why for row in look(store).waiting).startswith("given up: ")


def test_a_damaged_ticket_of_a_run_that_trains_does_not_keep_it_from_being_stopped(store, runs):
    run, _ = runs
    (run.path / "queued.json").write_text("{")
    lock = run.lock()  # as its trainer has it
    assert not order.withdraw(store, run)
    os.close(lock)
    assert order.withdraw(store, run)


def test_a_job_whose_number_no_number_can_be_is_listed_like_the_others(fake, tmp_path, digits):
    fake("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    store = RunStore(tmp_path / "runs")
    made = {"time": time.time(), "host": "login", "uid": os.getuid(), "launches": 0, "device": "cpu"}
    numbers = ["7", "9" * 5000, "\u0663", ESCAPES]
    for number in numbers:
        run = store.create(Recipe().complete())
        run.append_submission(records.Submission(name=f"{run.id}.1-abc", job=number, **made))
        run.turn_path.write_text(f"{run.id}.1-abc\n")
    listed = look(store).slurm
    assert {info.job.id for info in listed if info.job} == {*numbers}
