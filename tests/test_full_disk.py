"""A disk that fills up under a run: a real, small file system."""

import contextlib
import shutil
import subprocess

import pytest
from disks import contents, fill, mounted
from waiting import wait_for

from cockpit import durable, launch, records, status
from cockpit.cli import main
from cockpit.recipe import Recipe
from cockpit.store import RecordTail, Run, RunStore


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    with mounted(tmp_path / "disk", size_bytes=8 << 20) as folder:
        yield folder


@pytest.mark.slow
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


@pytest.mark.parametrize("left_bytes", [0, 8_192, 2_000_000], ids=["none", "two blocks", "too little for checkpoints"])
def test_nothing_is_launched_on_a_full_disk(small_disk, tiny, capsys, left_bytes):
    store = RunStore(small_disk / "runs")
    waiting = store.create(Recipe(dataset="tiny").complete())
    fill(small_disk, but_bytes=left_bytes)
    before = contents(small_disk / "runs")
    for words in (["train", "--dataset", "tiny", "--batch-size", "16"], ["resume", waiting.id]):
        assert main([*words, "--device", "cpu", "--runs", str(store.root)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        if left_bytes or words[0] == "resume":
            assert "no room to train" in err
            assert err.endswith("MB left; make room there\n")
        else:
            assert f"no run can be made in {store.root}: No space left on device; choose another folder" in err
    assert contents(small_disk / "runs") == before
    assert [run.id for run in store.list()] == [waiting.id]


def test_a_run_is_deleted_where_no_new_folder_finds_room(tmp_path, data_dir):
    """An ext4 whose last block is taken: who makes room there deletes a run."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    image.write_bytes(bytes(4 << 20))
    folder.mkdir()
    for command in (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, folder]):
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here: that takes root on Linux")
    try:
        store = RunStore(folder / "runs")
        run = store.create(Recipe().complete())
        with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(1024)):
                pass
        with pytest.raises(OSError, match="No space left"):
            (store.root / "another").mkdir()
        store.remove(run)
        assert [*store.root.iterdir()] == []
    finally:
        subprocess.run(["umount", folder], check=True)
