"""Notes and tags: kept whole whoever writes at once, bounded, and harmless whatever a file of them holds."""

import json
import multiprocessing

import pytest
from folders import finished, live, make_run

from cockpit import status
from cockpit.errors import CockpitError
from cockpit.kept import KeptRun
from cockpit.store import Run, RunStore
from cockpit.store.remarks import MAX_NOTE, Remarks, change_tags


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(RunStore(tmp_path / "runs"))


def test_a_run_has_no_remarks_until_somebody_makes_some(run):
    assert run.remarks() == Remarks(note="", tags=())
    assert not run.remarks_path.exists()
    run.write_remarks(note="  a first\ttry\n of mine ")
    run.write_remarks(tags=["Base", "lr-1", "base"])
    assert run.remarks() == Remarks(note="a first try of mine", tags=("base", "lr-1"))
    assert json.loads(run.remarks_path.read_text()) == {"note": "a first try of mine", "tags": ["base", "lr-1"]}
    row = status.describe(run)
    assert (row.note, row.tags) == ("a first try of mine", ("base", "lr-1"))


def test_remarks_can_be_made_while_a_trainer_lives(run):
    live(run)
    handle = run.lock()
    assert run.write_remarks(tags=["x"]).tags == ("x",)
    assert status.describe(run).status == "running"
    assert handle


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ([], ("a", "b")),
        (["c"], ("a", "b", "c")),
        (["+c", "-a"], ("b", "c")),
        (["!a", "-b"], ()),
        (["-c"], ("a", "b")),
        (["C"], ("a", "b", "c")),
    ],
)
def test_words_change_tags(words, tags):
    assert change_tags(("a", "b"), words) == tags


@pytest.mark.parametrize("word", ["", "a b", "é", "x" * 33, "a/b", "+", "-", "[red]", "a\n"])
def test_what_is_no_tag_is_refused_in_a_sentence(run, word):
    with pytest.raises(CockpitError, match="is no tag; write up to 32 of the characters a-z, 0-9, _ and -"):
        run.write_remarks(tags=change_tags((), [word]))
    assert not run.remarks_path.exists()


def test_notes_and_tags_have_a_bound(run):
    run.write_remarks(note="x" * MAX_NOTE)
    with pytest.raises(CockpitError, match="the note has 2,001 characters; at most 2,000 are kept"):
        run.write_remarks(note="x" * (MAX_NOTE + 1))
    with pytest.raises(CockpitError, match="that makes 33 tags; a run has at most 32"):
        run.write_remarks(tags=map(str, range(33)))
    assert run.remarks() == Remarks(note="x" * MAX_NOTE)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"note": 3}',
        b'{"tags": ["A B"]}',
        b'{"tags": ["a\\n"]}',
        b'{"note": "' + b"x" * 2001 + b'"}',
        bytes(99),
        b"[" * 100_000,
        b'{"tags": [' + b'"a",' * 40 + b'"a"]}',
        b"x" * (2 << 20),
    ],
)
def test_a_damaged_file_is_told_and_hides_nothing_else(run, content):
    finished(run)
    run.remarks_path.write_bytes(content)
    row = status.describe(run)
    assert row.status == "finished"
    assert row.damage.startswith("user.json ")
    assert (row.note, row.tags) == ("", ())
    with pytest.raises(CockpitError, match=r"user\.json"):
        run.write_remarks(note="new")
    assert run.remarks_path.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_a_sentence(run):
    run.remarks_path.mkdir()
    with pytest.raises(CockpitError, match="it is a folder, not a file"):
        run.write_remarks(note="new")


def test_a_run_that_is_gone_gets_no_remarks(run):
    gone = Run(run.path.with_name("20260101-000000-x-y-0000"))
    with pytest.raises(CockpitError, match="cannot be written"):
        gone.write_remarks(note="new")


def test_a_kept_run_reads_remarks_again_only_when_they_changed(run):
    kept = KeptRun(run.path)
    assert kept.remarks().note == ""
    run.write_remarks(note="one")
    first = kept.remarks()
    assert first.note == "one"
    assert kept.remarks() is first


def _write(path, letter: str, times: int) -> None:
    for _ in range(times):
        Run(path).write_remarks(note=letter * MAX_NOTE, tags=[letter])


def test_of_two_who_write_at_once_the_last_wins_and_nothing_is_torn(run):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(run.path, letter, 40)) for letter in "ab"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        remarks = run.remarks()
        seen.add((remarks.note[:1], *remarks.tags))
        assert remarks.note in ("", "a" * MAX_NOTE, "b" * MAX_NOTE)
    assert all(writer.exitcode == 0 for writer in writers)
    assert run.remarks().note[:1] in ("a", "b")
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".saving-")] == []
