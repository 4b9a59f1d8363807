"""A folder of runs that cannot be written: a real file system, mounted read-only under what was trained in it."""

import pytest
from disks import contents, make_read_only, mounted
from waiting import wait_for

from cockpit import launch, liveness, status
from cockpit.cli import main
from cockpit.recipe import Recipe
from cockpit.store import RunStore


@pytest.fixture(scope="module")
def archive(tmp_path_factory, tiny):
    """A store of a finished and a waiting run, in that order, on a file system that is read-only since."""
    with mounted(tmp_path_factory.mktemp("archive") / "disk", size_bytes=32 << 20) as folder:
        store = RunStore(folder / "runs")
        recipe = Recipe(dataset="tiny", epochs=1, batch_size=16).complete()
        finished, waiting = store.create(recipe), store.create(recipe)
        trained = launch.start(finished, device="cpu")
        wait_for(lambda: liveness.find_life(trained, finished.metrics_path) == "dead")  # it keeps files open to the end
        assert status.describe(finished).status == "finished"
        make_read_only(folder)
        yield store, finished, waiting


def test_every_command_that_writes_is_refused_in_a_sentence_and_nothing_changes(archive, tiny, capsys):
    store, finished, waiting = archive
    before = contents(store.root)
    runs = ["--runs", str(store.root)]
    cannot = "cannot be written: Read-only file system; make it writable, or copy the run elsewhere"
    for words, sentence in (
        (
            ["train", "--dataset", "tiny", "--batch-size", "16"],
            f"no run can be made in {store.root}: Read-only file syst",
        ),
        (["resume", waiting.id], f"{waiting.path} {cannot}"),
        (["test", finished.id, "--device", "cpu"], f"{finished.path} {cannot}"),
        (["runs", "rm", finished.id], f"{finished.path} {cannot}"),
        (["runs", "rm", waiting.id], f"{waiting.path} {cannot}"),
        (["runs", "note", waiting.id, "x"], f"{waiting.remarks_path} cannot be written: Read-only file system"),
        (["runs", "tag", waiting.id, "+x"], f"{waiting.remarks_path} cannot be written: Read-only file system"),
    ):
        assert main([*words, *runs]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), words
        assert err.startswith(f"cockpit: {sentence}")
    assert contents(store.root) == before
    assert len(list(store.root.iterdir())) == 2, "no scratch folder is left"


def test_what_only_reads_goes_on(archive, capsys):
    store, finished, waiting = archive
    assert main(["runs", "--runs", str(store.root)]) == 0
    listed = capsys.readouterr().out
    assert finished.id in listed
    assert waiting.id in listed
    assert main(["runs", "show", finished.id, "--runs", str(store.root)]) == 0
    assert "finished" in capsys.readouterr().out


def test_a_dataset_is_not_imported_into_a_cache_that_cannot_be_written(archive, tmp_path, monkeypatch, capsys):
    from PIL import Image

    store, *_ = archive
    for name in ("crow/0.png", "crow/1.png", "owl/0.png", "owl/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    monkeypatch.setenv("COCKPIT_DATA", str(store.root / "cache"))
    assert main(["data", "import", "birds", str(tmp_path)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the packed images of birds cannot be written" in last
    assert "(Read-only file system); make room there, or let COCKPIT_DATA name another folder" in last
