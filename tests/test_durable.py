"""A checked file is whole or refused, wherever a kill or a damaged byte falls."""

import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from concurrent import futures

import pytest

from cockpit import durable
from cockpit.durable import DamagedFileError, read_checked, scratch, sweep, write_atomically, write_checked, write_new

SAVER = """
import sys
from pathlib import Path
from cockpit.durable import read_checked, sweep, write_checked
path = Path(sys.argv[1])
sweep(path.parent)
print(*(file.name for file in path.parent.iterdir()), flush=True)
first = int.from_bytes(read_checked(path)[0][:8], "little") + 1 if path.exists() else 0
for number in range(first, 10**9):
    write_checked(path, number.to_bytes(8, "little") * 50_000)
    print(number, flush=True)
"""


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "file"
    digest = write_checked(path, b"one")
    assert read_checked(path) == (b"one", digest)
    write_checked(path, b"two")
    assert read_checked(path)[0] == b"two"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.sha256"]


def test_what_a_kill_leaves_is_swept_and_no_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    folder = tmp_path / "run"
    (folder / ".scratch-x" / "attempt_0").mkdir(parents=True)
    (folder / ".scratch-y").symlink_to(tmp_path / "elsewhere")
    (folder / ".saving-x").touch()
    (folder / "last.pt").touch()
    with scratch(folder) as made:
        (made / "0").touch()
    assert not made.exists()
    sweep(folder)
    assert os.listdir(folder) == ["last.pt"]  # the link itself is gone
    assert os.listdir(tmp_path / "elsewhere") == ["file"]


def test_a_new_file_is_whole_or_not_there_and_nothing_is_replaced(tmp_path):
    path = tmp_path / "file"
    write_new(path, b"one")
    with pytest.raises(FileExistsError):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["file"]
    program = """
import resource, sys
from pathlib import Path
from cockpit.durable import write_new
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_new(Path(sys.argv[1]), bytes(10_000))
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "large"], check=True, capture_output=True, text=True
    )
    assert done.stdout == "File too large\n"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o022])
def test_files_have_the_rights_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "replaced", b"one")
        write_new(tmp_path / "new", b"one")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o666 & ~umask] * 2


def test_sha256sum_reads_the_sidecar(tmp_path):
    write_checked(tmp_path / "file", b"content")
    subprocess.run(["sha256sum", "-c", "file.sha256"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("position", [0, 1, 499, 998, 999])
def test_a_flipped_bit_is_refused_by_name(tmp_path, position):
    path = tmp_path / "last.pt"
    write_checked(path, bytes(1000))
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"last\.pt is damaged"):
        read_checked(path)


def test_truncated_missing_or_unlabelled_files_are_refused(tmp_path):
    path = tmp_path / "last.pt"
    with pytest.raises(DamagedFileError, match="cannot be read"):
        read_checked(path)
    write_checked(path, bytes(1000))
    path.write_bytes(bytes(999))
    with pytest.raises(DamagedFileError, match="damaged"):
        read_checked(path)
    write_checked(path, bytes(1000))
    path.with_name("last.pt.sha256").unlink()
    with pytest.raises(DamagedFileError, match="damaged"):
        read_checked(path)


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_of_a_save_leaves_what_was_acknowledged_or_newer(tmp_path, kills):
    path, rng = tmp_path / "last.pt", random.Random(0)
    newest, in_a_save, saves = -1, 0, 0
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True) as saver:
            assert saver.stdout is not None
            assert set(saver.stdout.readline().split()) <= {"last.pt", "last.pt.sha256"}, "leftovers are swept"
            threading.Timer(rng.uniform(0, 0.1), saver.kill).start()
            acknowledged = [newest, *map(int, saver.stdout)]
        saves += len(acknowledged) - 1
        in_a_save += any(name.startswith(".saving-") for name in os.listdir(tmp_path))
        if path.exists() or acknowledged[-1] >= 0:
            data, _ = read_checked(path)
            newest = int.from_bytes(data[:8], "little")
            assert data == newest.to_bytes(8, "little") * 50_000
            assert newest >= acknowledged[-1]
    print(f"{kills} kills, {in_a_save} left a half-written file; {saves} saves acknowledged, none lost, all load")
    assert in_a_save > kills // 10
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["last.pt", "last.pt.sha256"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_write_beyond_the_limit, args=(tmp_path / "file",))
    child.start()
    child.join()
    assert child.exitcode == 7
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def _write_beyond_the_limit(path):
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        durable.write_atomically(path, bytes(5000))
    except OSError:
        os._exit(7)


def test_who_reads_while_it_is_replaced_again_and_again_reads_one_of_the_contents(tmp_path):
    path = tmp_path / "best.safetensors"
    contents = [bytes([number]) * 20_000 for number in range(200)]
    durable.write_checked(path, contents[0])
    read: set[bytes] = set()
    with futures.ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [durable.write_checked(path, content) for content in contents])
        while not writing.done():
            read.add(durable.read_checked(path)[0])
        writing.result()
    assert read <= {*contents}
    assert len(read) > 1
