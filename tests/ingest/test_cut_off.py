"""Imports that end early: called off, without room, or without a cache to write to."""

import resource
import threading

import msgspec
import pytest
from pictured import make_folder, packed_names

from cockpit.datasets import DATASETS, load_packed
from cockpit.errors import CockpitError
from cockpit.ingest import Cancelled, import_dataset
from cockpit.ingest.official import load_official
from cockpit.progress import Ticker


def test_progress_is_told_in_order_and_to_the_end(data_dir, tmp_path):
    calls = []
    import_dataset(
        "birds",
        make_folder(tmp_path / "birds", num=40),
        progress=lambda *call: calls.append((call, threading.get_ident())),
    )
    assert {thread for _, thread in calls} == {threading.get_ident()}
    told = [call for call, _ in calls]
    assert all(0 <= done <= total for done, total, _ in told)
    assert (80, 80, "reading images") in told
    assert told[-1] == (1, 1, "packing")


@pytest.mark.parametrize("asked", [1, 2, 5, 9])
def test_a_cancelled_import_leaves_nothing_and_no_thread(asked, data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", num=60)
    questions = []
    with pytest.raises(Cancelled):
        import_dataset("birds", root, stop=lambda: questions.append(1) or len(questions) >= asked)
    assert packed_names(data_dir) == set()
    assert not [thread.name for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_a_progress_callback_that_raises_ends_the_import(data_dir, tmp_path):
    def interrupt(done: int, total: int, what: str) -> None:
        if what == "reading images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_dataset("birds", make_folder(tmp_path / "birds", num=60), progress=interrupt)
    assert packed_names(data_dir) == set()


def test_a_disk_without_room_is_named_and_the_older_dataset_kept(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds", num=20)
    import_dataset("birds", make_folder(tmp_path / "small"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # the kernel refuses to let files grow beyond it
    try:
        with pytest.raises(CockpitError, match=r"packed images of birds cannot be written.*COCKPIT_DATA"):
            import_dataset("birds", root, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert packed_names(data_dir) == {"birds"}
    assert len(load_packed("birds", "train").labels) == 6


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(CockpitError, match=r"cannot be written to '.*file/cache' \(Not a directory\)"):
        import_dataset("birds", make_folder(tmp_path / "birds"))


def test_an_archive_of_which_nobody_knows_the_files_is_a_sentence(tmp_path):
    spec = msgspec.structs.replace(DATASETS["cifar10"], name="insects")
    (tmp_path / "insects.tar").write_bytes(b"")
    with pytest.raises(CockpitError, match=r"no archive of insects can be read, only those of cifar10.*class folders"):
        load_official(spec, tmp_path / "insects.tar", Ticker())
