"""What an export was making is gone when it is ended, and swept when it was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import wait_for

from cockpit import unfinished
from cockpit.cli import main

PROGRAM = """
import sys
from pathlib import Path
from cockpit.unfinished import ending_in_order, scratch
with ending_in_order(), scratch(Path()) as folder:
    (folder / "net").write_bytes(b"half")
    print("making", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def making(tmp_path):
    """A process that is in the middle of its work."""
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_leaves_nothing(making, tmp_path, number):
    assert len(os.listdir(tmp_path)) == 1
    making.send_signal(number)
    assert making.wait() == 128 + number
    assert os.listdir(tmp_path) == []


def test_what_a_kill_left_is_swept_once_its_maker_is_gone(making, tmp_path):
    (left,) = os.listdir(tmp_path)
    strange = [".exporting-mine", ".exporting-elsewhere-1-abc", ".exporting-0123456789abcdef-1-1.00-abc", "net"]
    for name in strange:
        (tmp_path / name).touch()
    unfinished.sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([left, *strange])
    making.kill()
    making.wait()
    unfinished.sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(strange)


def test_what_another_container_is_making_stays_for_a_day(making, tmp_path):
    """Its host may have the same name, and its pids are of other processes here, or of none."""
    (left,) = os.listdir(tmp_path)
    sweep = [sys.executable, "-c", "from pathlib import Path; from cockpit.unfinished import sweep; sweep(Path())"]
    contained = ["unshare", "--user", "--map-current-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*contained, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no containers here")
    subprocess.run([*contained, *sweep], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == [left]
    os.utime(tmp_path / left, (0, time.time() - 86500))
    unfinished.sweep(tmp_path)
    assert os.listdir(tmp_path) == [left]  # its maker is seen to live
    subprocess.run([*contained, *sweep], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == []


def test_a_pid_that_another_process_has_by_now_keeps_nothing(tmp_path):
    mine = unfinished.own_prefix()
    before, _, start = mine.removesuffix("-").rpartition("-")
    (tmp_path / f"{mine}abc").mkdir()
    (tmp_path / f"{before}-{float(start) + 1:.2f}-abc").mkdir()
    unfinished.sweep(tmp_path)
    assert os.listdir(tmp_path) == [f"{mine}abc"]


def test_an_export_that_is_ended_leaves_nothing_and_the_next_sweeps(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCKPIT_RUNS", str(tiny_run.path.parent))
    words = [sys.executable, "-m", "cockpit", "export", tiny_run.id, "--to", "torch", "--unverified"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        wait_for(lambda: [*Path().glob(".exporting-*")], what="the beginning")
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    assert os.listdir() == []
    before, _, _ = unfinished.own_prefix().rpartition(f"{os.getpid()}-")
    Path(f"{before}{process.pid}-1.00-abc").mkdir()
    assert main(["export", "last", "--to", "csv"]) == 0
    assert os.listdir() == [f"{tiny_run.id}.csv"]
