"""Run folders in which anything may be anything: each has its row, which says what is wrong, and nobody waits."""

import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from cockpit import liveness, records, results, status
from cockpit.cli import main
from cockpit.cli.runs import ListRuns, ShowRun
from cockpit.durable import DamagedFileError, sweep, write_checked
from cockpit.engine.checkpoint import load_best
from cockpit.engine.journal import Journal
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from cockpit.tui.run_reader import RunReader
from cockpit.tui.watch import RunsReader

pytestmark = pytest.mark.timeout(60)  # what waits for a pipe would wait for ever

FILES = (
    *("recipe.json", "launches.jsonl", "metrics.jsonl", "test.json", "log.txt"),
    *("best.safetensors", "best.safetensors.sha256", "last.pt", "last.pt.sha256", ".lock", ".reserve"),
    *("submissions.jsonl", "job.sh", ".turn"),
)
VITAL = {"recipe.json", "launches.jsonl", "metrics.jsonl", "submissions.jsonl"}
"""Without one of these nobody can tell the run's status."""
READ = {*VITAL, "test.json"}
"""What a listing reads the content of."""
LAUNCH = records.Launch(
    attempt=1, time=1e9, argv=[], host=liveness.host_name(), boot_id="", pid=1, process_start_s=0.0, device="cpu"
)
SUBMISSION = records.Submission(
    name="a job", time=1e9, host="login", uid=0, launches=0, device="auto", refused="no such partition"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, session_data_dir) -> Run:
    """A run with every file that a finished one may have; to be copied."""
    run = RunStore(tmp_path_factory.mktemp("whole")).create(Recipe().complete())
    run.append_launch(LAUNCH)
    shares = dict.fromkeys(("train_loss", "train_acc", "val_loss", "val_acc", "lr", "epoch_s", "img_per_s"), 0.5)
    with run.append_metrics() as file:
        for record in (
            records.Phase(time=1e9, state="running", detail="läuft · ①"),
            records.Step(time=1e9, epoch=1.0, step=9, loss=None, acc=0.5, lr=0.1, img_per_s=9.0, elapsed_s=4.0),
            records.Epoch(time=1e9, epoch=1, step=9, elapsed_s=5.0, best_val_acc=0.5, best_epoch=1, **shares),
            records.Phase(time=1e9, state="finished", detail="test top-1 50.00%", step=9),
        ):
            file.append(records.encode(record))
    run.write_test_report(
        results.TestReport(
            run=run.id,
            checkpoint="best.safetensors",
            sha256="0" * 64,
            epoch=1,
            dataset="digits",
            images=359,
            top1=0.5,
            top5=1.0,
            loss=0.5,
            time=1e9,
        )
    )
    for path in (run.best_path, run.last_path):
        write_checked(path, bytes(range(256)) * 40)
    run.log_path.write_text("2026-01-01 00:00:00 finished: test top-1 50.00%\n")
    run.append_submission(SUBMISSION)
    run.give_turn(SUBMISSION.name)
    run.job_script_path.write_text("#!/bin/bash\n")
    run.reserve_path.write_bytes(bytes(16_384))
    os.close(run.lock())
    assert {path.name for path in run.path.iterdir()} == set(FILES)
    return run


@pytest.fixture
def store(tmp_path, whole) -> RunStore:
    return RunStore(tmp_path / "runs")


def copy(whole: Run, store: RunStore, name: str) -> Run:
    return Run(Path(shutil.copytree(whole.path, store.root / f"20260101-120000-resnet20-{name.strip('.')}-0000")))


@pytest.fixture
def run(whole, store) -> Run:
    return copy(whole, store, "digits")


def damage_each(whole: Run, store: RunStore, harm: Callable[[Path], object]) -> dict[str, Run]:
    """Make one run for each file and harm that file in it; two runs beside them stay whole."""
    for name in ("newest", "oldest"):
        copy(whole, store, name).path.rename(store.root / {"newest": "9", "oldest": "1"}[name])
    runs = {name: copy(whole, store, name) for name in FILES}
    for name, run in runs.items():
        harm(run.path / name)
    return runs


def check_rows(rows: list[dict], num_damaged: int = len(FILES)) -> dict[str, dict]:
    """Return the rows of the damaged runs by id, once both others were found sound."""
    newest, *damaged, oldest = rows
    for row in (newest, oldest):
        assert (row["status"], row["damage"], row["best_epoch"]) == ("finished", "", 1)
        assert [row["test"][name] for name in ("top1", "top5", "loss", "epoch")] == [0.5, 1.0, 0.5, 1]
    assert len(damaged) == num_damaged
    return {row["id"]: row for row in damaged}


def listing(store: RunStore, capsys, num_damaged: int = len(FILES)) -> dict[str, dict]:
    """The rows of the damaged runs, after every reader of them was asked."""
    assert ListRuns(runs=store.root).execute() == 0
    capsys.readouterr()
    assert ListRuns(runs=store.root, json=True).execute() == 0
    rows = json.loads(capsys.readouterr().out)
    *_, look = RunsReader(store).look()
    assert [row.id for row in look.rows] == [row["id"] for row in rows]
    for row in rows:
        assert ShowRun(row["id"], store.root).execute() == 0
        assert row["damage"] in capsys.readouterr().out
        (view,) = RunReader(store.get(row["id"])).look()
        assert view.info.damage == row["damage"]
    return check_rows(rows, num_damaged)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("kept")


def a_dead_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_in_circles(path: Path) -> None:
    path.symlink_to(path.name)


def an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(".", os.O_RDONLY)
        os.chdir(path.parent)  # the address may have no more than a hundred bytes
        try:
            bound.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


NO_FILES = {
    a_pipe: "it is a pipe, not a file",
    a_folder: "it is a folder, not a file",
    a_dead_link: "it is a link that leads nowhere",
    a_link_in_circles: "Too many levels of symbolic links",
    an_endless_device: "it is a device, not a file",
    a_socket: "it is a socket, not a file",
}


@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__)
def test_what_is_no_file_is_named_in_its_row(whole, store, capsys, make):
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    runs = damage_each(whole, store, harm)
    rows = listing(store, capsys)
    for name, run in runs.items():
        row = rows[run.id]
        assert row["damage"].startswith(f"{name} cannot be")
        assert NO_FILES[make] in row["damage"]
        assert row["status"] == ("damaged" if name in VITAL else "finished")
        assert row["detail"] == (row["damage"] if name in VITAL else "test top-1 50.00%")
    assert main(["test", runs["best.safetensors"].id, "--runs", str(store.root), "--device", "cpu"]) == 2
    assert "best.safetensors cannot be read: " in capsys.readouterr().err


def test_a_file_that_is_gone_leaves_the_rest(whole, store, capsys):
    runs = damage_each(whole, store, Path.unlink)
    (store.root / "an-empty-folder").mkdir()
    rows = listing(store, capsys)
    expected = {"recipe.json": "damaged", "launches.jsonl": "created", "metrics.jsonl": "lost"}
    for name, run in runs.items():
        assert rows[run.id]["status"] == expected.get(name, "finished")
        assert bool(rows[run.id]["damage"]) == (name == "recipe.json")


JUNK = {
    "zeros": bytes(5_000) + b"\n",
    "lists in lists": b'{"kind":"phase","x":' + b"[" * 100_000 + b"\n",
    "no text": b"\xff\xfe\x00\xd8\n",
    "another thing": b'[{"kind": "phase"}]\n',
    "noise": random.Random(0).randbytes(20_000) + b"\n",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_in_a_file_is_told_in_its_row_where_a_listing_reads_it(whole, store, capsys, junk):
    runs = damage_each(whole, store, lambda path: path.write_bytes(junk))
    rows = listing(store, capsys)
    for name, run in runs.items():
        assert rows[run.id]["status"] == ("damaged" if name in VITAL else "finished")
        assert rows[run.id]["damage"].startswith(name) == (name in READ)
    for name in ("best.safetensors", "best.safetensors.sha256"):
        assert main(["test", runs[name].id, "--runs", str(store.root), "--device", "cpu"]) == 2
        assert "best.safetensors is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(READ))
def test_a_file_that_ends_anywhere_is_told_of_or_read_up_to_its_last_whole_line(run, name):
    whole = (run.path / name).read_bytes()
    for size in range(len(whole)):
        (run.path / name).write_bytes(whole[:size])
        again = Run(run.path)
        info = status.describe(again)
        (view,) = RunReader(again).look()
        assert view.info == info
        if name in ("recipe.json", "test.json"):
            assert (name in info.damage) == (size < len(whole) - 1), "the last byte is a newline"
        else:
            assert not info.damage
        if name == "metrics.jsonl":
            assert info.epoch == (1 if b'"kind":"epoch"' in whole[:size].rpartition(b"\n")[0] else 0)


@pytest.mark.parametrize("name", sorted(READ))
def test_one_wrong_byte_anywhere_never_stops_a_listing(run, name):
    rng = random.Random(0)
    whole = (run.path / name).read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] = rng.randrange(256)
        (run.path / name).write_bytes(damaged)
        again = Run(run.path)
        assert status.describe(again).id == run.id
        assert len(list(RunReader(again).look())) == 1


READ_ALL = """
import resource, sys
from pathlib import Path
from cockpit.cli.runs import ListRuns
from cockpit.store import RunStore
from cockpit.tui.run_reader import RunReader
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
for run in RunStore(Path(sys.argv[1])).list():
    list(RunReader(run).look())
ListRuns(runs=Path(sys.argv[1]), json=True).execute()
"""


def listing_with_little_memory(store: RunStore) -> list[dict]:
    """Read every run in a process that has less memory than a gigabyte."""
    words = [sys.executable, "-c", READ_ALL, str(store.root)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_file_of_a_gigabyte_is_not_read_into_memory(whole, store):
    runs = damage_each(whole, store, lambda path: os.truncate(path, 1 << 30))
    rows = check_rows(listing_with_little_memory(store))
    for name, run in runs.items():
        row = rows[run.id]
        if name in ("recipe.json", "launches.jsonl", "submissions.jsonl", "test.json"):
            assert row["damage"].startswith(f"{name} cannot be read: it is too large: 1,073,741,824 bytes")
        else:  # what stands behind the last record is a torn line of a gigabyte
            assert (row["status"], row["epoch"], row["damage"]) == ("finished", 1, "")


def test_lines_of_ten_megabytes_are_passed_over(store, run):
    long_line = b'{"kind":"phase","time":1,"state":"failed","detail":"' + b"x" * (10 << 20) + b'"}\n'
    for path in (run.metrics_path, run.log_path):
        path.write_bytes(long_line + path.read_bytes().replace(b"\n", b"\n" + long_line))
    (row,) = listing_with_little_memory(store)
    assert (row["status"], row["epoch"], row["damage"]) == ("finished", 1, "")


def test_a_checkpoint_too_large_to_be_one_is_refused_unread(run):
    os.truncate(run.best_path, 1 << 40)
    with pytest.raises(DamagedFileError, match=r"best\.safetensors cannot be read: it is too large"):
        load_best(run)


def listing_without_rights(store: RunStore) -> list[dict]:
    """Read every run as a user who may not read everything; root may, so root becomes another."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_read_without_rights, args=(store, theirs))
    child.start()
    theirs.close()
    rows = ours.recv()
    child.join()
    return rows


def _read_without_rights(store: RunStore, rows: Connection) -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    infos = [view.info for run in store.list() for view in RunReader(run).look()]
    rows.send(msgspec.to_builtins(infos))


@pytest.fixture
def public_store(whole) -> Iterator[RunStore]:
    """A store in a folder that every user may look into."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield (store := RunStore(Path(folder) / "runs"))
        for path in store.root.iterdir():
            path.chmod(0o755)


def test_what_may_not_be_read_is_named_in_its_row(whole, public_store):
    runs = damage_each(whole, public_store, lambda path: path.chmod(0))
    runs["the folder"] = copy(whole, public_store, "private")
    runs["the folder"].path.chmod(0)
    rows = check_rows(listing_without_rights(public_store), len(FILES) + 1)
    for name, run in runs.items():
        row = rows[run.id]
        assert row["status"] == ("damaged" if name in {*VITAL, "the folder"} else "finished")
        assert ("cannot be read: Permission denied" in row["damage"]) == (name in {*READ, "the folder"})


def test_nothing_is_written_through_a_link_out_of_the_run(run, store, tmp_path):
    """A run that somebody sent may hold links to our own files."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in FILES:
        (outside / name).write_bytes(b"precious")
        (run.path / name).unlink()
        (run.path / name).symlink_to(outside / name)
    (run.path / ".saving-old").symlink_to(outside / "recipe.json")
    for attempt in (run.lock, run.append_metrics, lambda: run.append_launch(LAUNCH), lambda: Journal(run, attempt=1)):
        with pytest.raises(CockpitError, match="it is a link, and nothing is written through links; move it away"):
            attempt()
    run.metrics_path.unlink()
    journal = Journal(run, attempt=1)
    journal.phase("failed")
    journal.close()
    write_checked(run.last_path, b"ours")
    sweep(run.path)
    for name in (".lock", "launches.jsonl"):
        (run.path / name).unlink()
        (run.path / name).symlink_to(outside / "made")
    for attempt in (run.lock, lambda: run.append_launch(LAUNCH), lambda: store.remove(run)):
        with pytest.raises(CockpitError, match="nothing is written through links"):
            attempt()
    (run.path / ".lock").unlink()
    store.remove(run)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == dict.fromkeys(FILES, b"precious")
