"""The trash: one rename in, one out; whoever is killed when, a run is there, in the trash, or gone, and never half."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from folders import finished, live, make_run
from terminal import Terminal, cockpit_words
from waiting import wait_for

from cockpit import status, tickets
from cockpit.dispatch import order
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunBusyError, RunStore
from cockpit.store.trash import Deleted, Trash, deleted, restore, sweep


@pytest.fixture
def store(tmp_path, data_dir) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def trash(store) -> Trash:
    return Trash(store.root)


def ids(store: RunStore) -> list[str]:
    return [run.id for run in store.list()]


def hidden(store: RunStore) -> list[str]:
    return sorted(name for name in os.listdir(store.root) if name.startswith("."))


def test_a_deleted_run_is_nowhere_until_it_is_brought_back_as_it_was(store, trash):
    run = finished(make_run(store))
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    trash.put([run])
    assert store.list() == []
    assert tickets.read_tickets(store.root) == {}
    assert [entry.id for entry in deleted(store.root)] == [run.id]
    assert [back.id for back in trash.bring_back()] == [run.id]
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.name != ".lock"} == before
    assert status.describe(run).status == "finished"
    assert trash.bring_back() == []


def test_deletions_come_back_from_the_last_to_the_first(store, trash):
    runs = [make_run(store) for _ in range(4)]
    trash.put(runs[:1])
    trash.put(runs[1:3])
    trash.put(runs[3:])
    assert trash.num_runs == 4
    backs = [{run.id for run in trash.bring_back()} for _ in range(3)]
    assert backs == [{runs[3].id}, {runs[1].id, runs[2].id}, {runs[0].id}]


def test_nothing_is_made_before_the_first_deletion_and_nothing_is_left_after_the_last(store, trash):
    run = make_run(store)
    assert trash.adopt() == 0
    assert hidden(store) == []
    trash.put([run])
    trash.close()
    wait_for(lambda: hidden(store) == [], what="the sweeper")
    assert store.list() == []


def test_a_run_that_trains_is_refused(store, trash):
    run = live(make_run(store))
    handle = run.lock()
    with pytest.raises(RunBusyError, match="stop it first"):
        trash.put([run])
    assert ids(store) == [run.id]
    os.close(handle)


def test_those_before_a_refused_one_can_be_brought_back(store, trash):
    first, second = make_run(store), make_run(store)
    handle = second.lock()
    with pytest.raises(RunBusyError):
        trash.put([first, second])
    assert ids(store) == [second.id]
    assert [run.id for run in trash.bring_back()] == [first.id]
    os.close(handle)


@pytest.mark.parametrize("name", ["../outside", ".hidden", "a/b"])
def test_nothing_but_a_run_of_the_folder_is_deleted(store, trash, tmp_path, name):
    make_run(store)
    (tmp_path / "outside").mkdir()
    with pytest.raises(CockpitError, match="is not a run in"):
        trash.put([Run(store.root / name)])
    assert (tmp_path / "outside").exists()


def test_of_a_linked_run_only_the_link_is_deleted(store, trash, tmp_path):
    run = make_run(store)
    run.path.rename(tmp_path / run.id)
    run.path.symlink_to(f"../{run.id}")
    trash.put([run])
    assert store.list() == []
    trash.bring_back()
    assert ids(store) == [run.id]
    trash.put([run])
    trash.close()
    assert (tmp_path / run.id / "recipe.json").exists()


def test_a_run_waiting_in_the_queue_comes_back_to_its_place(store, trash):
    run, other = order.enqueue(store, [Recipe().complete(), Recipe().complete()], device="cpu")
    trash.put([run])
    assert [*tickets.read_tickets(store.root)] == [other.id]
    trash.bring_back()
    assert [*tickets.read_tickets(store.root)] == [run.id, other.id]


def test_another_run_of_the_name_is_not_replaced(store, trash):
    run = make_run(store)
    trash.put([run])
    run.path.mkdir()
    with pytest.raises(CockpitError, match="is there already; move that away first"):
        trash.bring_back()
    assert [entry.id for entry in deleted(store.root)] == [run.id]


def test_a_run_that_another_brought_back_is_passed_over(store, trash):
    first, second = make_run(store), make_run(store)
    trash.put([first])
    trash.put([second])
    for entry in deleted(store.root):
        if entry.id == second.id:
            restore(entry)
    assert [run.id for run in trash.bring_back()] == [first.id]
    with pytest.raises(CockpitError, match="is not in the trash any more"):
        restore(Deleted("x", store.root / ".trash-x"))


def test_a_living_cockpits_trash_is_left_alone(store, trash):
    trash.put([make_run(store)])
    other = Trash(store.root)
    assert other.adopt() == 0
    other.close()
    sweep(store.root)
    assert len(deleted(store.root)) == 1
    trash.close()


_DELETE = """
import sys
from pathlib import Path
from cockpit.store import RunStore
from cockpit.store.trash import Trash

store = RunStore(Path(sys.argv[1]))
trash = Trash(store.root)
for run in store.list():
    trash.put([run])
    print(run.id, flush=True)
sys.stdin.read()
"""


def deleter(store: RunStore) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _DELETE, str(store.root)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", range(4))
def test_what_a_killed_cockpit_deleted_is_whole_and_the_next_one_brings_it_back(store, trash, moment):
    runs = [finished(make_run(store)) for _ in range(6)]
    process = deleter(store)
    assert process.stdout is not None
    for _ in range(moment + 1):
        assert process.stdout.readline()
    kill(process)
    there, in_trash = ids(store), [entry.id for entry in deleted(store.root)]
    assert sorted(there + in_trash) == sorted(run.id for run in runs)
    assert trash.adopt() == len(in_trash) >= moment + 1
    assert len(trash.bring_back()) == len(in_trash)
    assert {status.describe(run).status for run in store.list()} == {"finished"}
    assert len(store.list()) == 6
    trash.close()
    assert hidden(store) == []


def test_what_was_taken_over_is_emptied_when_that_cockpit_is_left(store, trash):
    make_run(store)
    process = deleter(store)
    assert process.stdout is not None
    assert process.stdout.readline()
    kill(process)
    assert trash.adopt() == 1
    assert Trash(store.root).adopt() == 0, "it is held"
    trash.close()
    wait_for(lambda: hidden(store) == [], what="the sweeper")


def test_what_a_killed_sweeper_left_is_swept(store):
    run = make_run(store)
    run.path.rename(store.root / ".gone-0123456789abcdef")
    sweep(store.root)
    assert hidden(store) == []


def test_who_brings_back_and_who_empties_at_once_never_halve_a_run(store, trash):
    for _ in range(20):
        run = finished(make_run(store))
        trash.put([run])
        (entry,) = deleted(store.root)
        results: list[object] = []

        def bring(entry=entry, results=results) -> None:
            try:
                results.append(restore(entry))
            except CockpitError as error:
                results.append(error)

        thread = threading.Thread(target=bring)
        thread.start()
        num_gone = trash.empty()
        thread.join()
        sweep(store.root)
        back = not isinstance(results[0], CockpitError)
        assert back == (num_gone == 0) == run.path.exists()
        if back:
            assert len([*run.path.iterdir()]) >= 4
            store.remove(run)


def test_hostile_names_in_the_folder_do_no_harm(store, trash, tmp_path):
    make_run(store)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    for name in (".trash-0123456789abcdef", ".gone-link", ".trash-0123456789abcdea.x"):
        (store.root / name).symlink_to(outside)
    (store.root / ".trash-0123456789abcdeb").mkdir()
    (store.root / ".trash-0123456789abcdec../x").parent.mkdir()
    os.mkfifo(store.root / ".trash-0123456789abcded")
    (store.root / ".trash-nothex.y").mkdir()
    trash.adopt()
    assert {entry.id for entry in deleted(store.root)} == {"x"}
    trash.close()
    sweep(store.root)
    assert (outside / "precious").read_text() == "kept"
    assert len(store.list()) == 1


def test_the_trash_of_a_folder_that_is_not_there_is_empty(tmp_path):
    trash = Trash(Path(tmp_path / "none"))
    assert (trash.adopt(), trash.bring_back(), trash.empty(), deleted(tmp_path / "none")) == (0, [], 0, [])
    trash.close()


def test_leaving_the_cockpit_empties_its_trash_and_says_so(store):
    run = finished(make_run(store))
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text(run.id)
        terminal.press("d")
        terminal.wait_for_text("u brings back what was deleted")
        terminal.press("y")
        terminal.wait_for_text("is deleted; u brings it back")
        assert [entry.id for entry in deleted(store.root)] == [run.id]
        terminal.press("q")
        assert terminal.wait() == 0
        assert "1 deleted run gone for good." in terminal.text()
    wait_for(lambda: os.listdir(store.root) == [], what="the sweeper")


def test_a_cockpit_that_is_killed_keeps_what_it_deleted_for_the_next_one(store):
    run = finished(make_run(store))
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text(run.id)
        terminal.press("d")
        terminal.wait_for_text("u brings back what was deleted")
        terminal.press("y")
        terminal.wait_for_text("is deleted; u brings it back")
        os.kill(terminal.pid, signal.SIGHUP)
        terminal.wait()
    assert [entry.id for entry in deleted(store.root)] == [run.id]
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("u brings back a run that was deleted")
        terminal.press("u")
        terminal.wait_for_text("is back")
        assert ids(store) == [run.id]
        terminal.press("q")
        assert terminal.wait() == 0
    assert ids(store) == [run.id]
