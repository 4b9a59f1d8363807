"""A disk that fills up under a run: a real, small file system."""

import os
import shutil
import subprocess

import pytest
from waiting import wait_for

from cockpit import durable, launch, records, status
from cockpit.recipe import Recipe
from cockpit.store import RecordTail, Run, RunStore


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    for run in RunStore(folder / "runs").list():
        launch.send(run, "kill")
        wait_for(lambda run=run: status.describe(run).status not in status.LIVE)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, *, but_bytes: int) -> None:
    """Take all room of a disk but so much."""
    disk = os.statvfs(folder)
    room = disk.f_bavail * disk.f_frsize - but_bytes
    (folder / "filler").write_bytes(bytes(room))


@pytest.mark.parametrize("left_bytes", [1_000_000, 0], ids=["too little for a save", "none at all"])
def test_a_full_disk_fails_the_run_with_that_reason_and_keeps_its_checkpoint(small_disk, tiny, left_bytes):
    run = RunStore(small_disk / "runs").create(Recipe(dataset="tiny", epochs=2_000, batch_size=16, lr=0.02).complete())
    launch.start(run, device="cpu", sample_s=0)
    wait_for(lambda: run.last_path.exists() and run.tail().epoch, what="the first epoch")
    fill(small_disk, but_bytes=left_bytes)
    wait_for(lambda: status.describe(run).status not in status.LIVE, what="the end")
    info = status.describe(run)
    assert info.status == "failed"
    assert "make room, then resume the run" in info.detail
    assert str(run.path) in info.detail
    durable.read_checked(run.last_path)
    durable.read_checked(run.best_path)
    (small_disk / "filler").unlink()
    before = status.describe(run).epoch
    launch.start(run, device="cpu", sample_s=0)
    wait_for(lambda: status.describe(run).epoch > before, what="another epoch")
    assert resumed_in_order(run)


def resumed_in_order(run: Run) -> bool:
    """Tell whether the second attempt began at a step that the first had done."""
    starts = [r.step for r in RecordTail(run).read() if isinstance(r, records.Phase) and r.state == "running"]
    return len(starts) == 2 and starts[0] == 0 < starts[1]
