"""Real file systems for tests, small ones in memory, which can be filled and made read-only. Mounting takes root."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import wait_for

from cockpit import launch, status
from cockpit.store import RunStore


@contextlib.contextmanager
def mounted(folder: Path, *, size_bytes: int) -> Iterator[Path]:
    """Mount a file system of a size on a new folder; its runs are killed before it goes. Skips the test elsewhere."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: that takes root on Linux")
    try:
        yield folder
    finally:
        for run in RunStore(folder / "runs").list():
            launch.send(run, "kill")
            wait_for(lambda run=run: status.describe(run).status not in status.LIVE)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Let nothing be written any more, as soon as no process has a file open to write."""
    command = ["mount", "-o", "remount,ro", str(folder)]
    wait_for(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0, 20, "a remount")


def fill(folder: Path, *, but_bytes: int) -> None:
    """Take all room but so much."""
    disk = os.statvfs(folder)
    room = disk.f_bavail * disk.f_frsize - but_bytes
    (folder / "filler").write_bytes(bytes(room))


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
