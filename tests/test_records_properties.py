"""Whatever stands in the records, and wherever they were cut, their readers agree and go on."""

import itertools
import json
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from cockpit import records, status
from cockpit.lines import LineTail, LineWriter, lines_backwards, whole_lines
from cockpit.recipe import Recipe
from cockpit.series import Series
from cockpit.store import RecordTail, Run, RunStore
from cockpit.tui.run_reader import RunReader

COUNTS = st.integers(0, 60) | st.integers(0, 2**53)
SHARES = st.floats(0, 1) | st.none()
LOSSES = st.floats(-1e39, 1e39) | st.none()
AMOUNTS = st.floats(0, 1e15)
MOMENTS = st.floats(0, 1e11)
COMMON = {"time": MOMENTS, "step": COUNTS, "lr": AMOUNTS, "img_per_s": AMOUNTS, "elapsed_s": AMOUNTS}
STATES = st.sampled_from(["preparing", "running", "testing", "stopped", "finished", "failed", "dreaming"])
RECORDS = st.one_of(
    st.builds(
        records.Phase, time=MOMENTS, state=STATES, detail=st.text(), attempt=COUNTS, step=COUNTS, elapsed_s=AMOUNTS
    ),
    st.builds(records.Step, **COMMON, epoch=AMOUNTS, loss=LOSSES, acc=SHARES),
    st.builds(
        records.Epoch,
        **COMMON,
        epoch=COUNTS,
        train_loss=LOSSES,
        train_acc=SHARES,
        val_loss=LOSSES,
        val_acc=SHARES,
        epoch_s=AMOUNTS,
        best_val_acc=SHARES,
        best_epoch=COUNTS,
    ),
    st.builds(records.Device, time=MOMENTS, name=st.text(), busy=AMOUNTS | st.none(), memory_bytes=COUNTS | st.none()),
    st.builds(
        records.Guesses,
        epoch=COUNTS,
        step=COUNTS,
        guesses=st.lists(st.builds(records.Guess, COUNTS, COUNTS, COUNTS, SHARES, SHARES), max_size=3),
    ),
    st.builds(records.Choice, time=MOMENTS, device=st.text(), precision=st.text(), way=st.text(), reason=st.text()),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def odd_records(draw) -> bytes:
    """A record of which some fields are anything at all."""
    fields = json.loads(records.encode(draw(RECORDS)))
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        fields[name] = draw(VALUES | st.just(10**400))
    return json.dumps(fields).encode() + b"\n"


@st.composite
def cut_records(draw) -> bytes:
    """A record with a part missing, or other bytes in its place."""
    line = records.encode(draw(RECORDS))
    start, stop = sorted((draw(st.integers(0, len(line))), draw(st.integers(0, len(line)))))
    return line[:start] + draw(st.binary(max_size=8)) + line[stop:]


LINES = RECORDS.map(records.encode) | odd_records() | cut_records() | st.binary(max_size=60)
CONTENTS = st.lists(LINES, max_size=30).map(b"".join)


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(content) + 1) for cut in cuts}), len(content)]
    return [content[start:stop] for start, stop in itertools.pairwise(places)]


@pytest.fixture
def run(tmp_path, data_dir) -> Run:
    return RunStore(tmp_path / "runs").create(Recipe().complete())


def grow(path: Path, piece: bytes) -> None:
    with open(path, "ab") as file:
        file.write(piece)


@examples(few=60, many=3000)
def test_reading_a_growing_file_is_reading_it_at_once(examples, run):
    @examples
    @given(CONTENTS, st.lists(st.integers(0, 10_000), max_size=8))
    def check(content: bytes, cuts: list[int]) -> None:
        run.metrics_path.unlink(missing_ok=True)
        tail, found = RecordTail(run), []
        for piece in pieces(content, cuts):
            grow(run.metrics_path, piece)
            found += tail.read()
        at_once = list(records.decode_lines(content.split(b"\n")[:-1]))
        assert found == RecordTail(run).read() == at_once

    check()


@examples(few=60, many=3000)
def test_lines_too_long_are_left_out_in_whatever_portions_and_direction_they_are_read(examples, tmp_path, monkeypatch):
    monkeypatch.setattr("cockpit.lines.LINE_BYTES", 20)
    monkeypatch.setattr("cockpit.lines._BLOCK_BYTES", 16)
    monkeypatch.setattr("cockpit.lines._LARGEST_BLOCK_BYTES", 64)
    path = tmp_path / "lines"

    @examples
    @given(
        st.lists(st.sampled_from([0, 1, 19, 20, 21, 40, 41, 200]), max_size=12),
        st.sampled_from([b"", b"torn", b"t" * 90]),
        st.integers(1, 100),
        st.lists(st.integers(0, 2000), max_size=6),
    )
    def check(sizes: list[int], torn: bytes, portion_bytes: int, cuts: list[int]) -> None:
        lines = [b"%c" % (97 + place) * size for place, size in enumerate(sizes)]
        content = b"".join(line + b"\n" for line in lines) + torn
        short = [line for line in lines if 0 < len(line) <= 20]
        path.unlink(missing_ok=True)
        tail, found = LineTail(path, portion_bytes), []
        for piece in pieces(content, cuts):
            grow(path, piece)
            found += [line for _, portion in tail.read() for line in portion]
        assert found == list(whole_lines(path)) == list(lines_backwards(path))[::-1] == short

    check()


@examples(few=60, many=3000)
def test_the_tail_is_what_a_reader_of_the_whole_file_ends_with(examples, run):
    @examples
    @given(st.lists(RECORDS, max_size=40))
    def check(content: list[records.Record]) -> None:
        run.metrics_path.unlink(missing_ok=True)
        with LineWriter(run.metrics_path) as file:
            for record in content:
                file.append(records.encode(record))
        phases: list[records.Phase] = []
        epochs: list[records.Epoch] = []
        for record in content:
            match record:
                case records.Phase():
                    phases.append(record)
                    if record.state == "running":
                        epochs = [epoch for epoch in epochs if epoch.step <= record.step]
                case records.Epoch():
                    epochs.append(record)
        tail = run.tail()
        assert tail.phase == (phases[-1] if phases else None)
        assert tail.epoch == (epochs[-1] if epochs else None)

    check()


@examples(few=60, many=3000)
def test_folding_in_portions_is_folding_at_once_and_no_curve_goes_back(examples):
    @examples
    @given(st.lists(RECORDS, max_size=40), st.lists(st.integers(0, 40), max_size=5))
    def check(content: list[records.Record], cuts: list[int]) -> None:
        at_once, folded = Series(content), Series()
        places = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
        for start, stop in itertools.pairwise(places):
            folded.extend(content[start:stop])
            folded.smooth("loss", 2)
        for metric in ("loss", "acc", "lr", "train_loss", "train_acc", "val_loss", "val_acc"):
            for x in ("epoch", "step", "time"):
                ours, theirs = folded.curve(metric, x), at_once.curve(metric, x)
                assert ours.x.tolist() == theirs.x.tolist() == sorted(ours.x)
                assert str(ours.y.tolist()) == str(theirs.y.tolist())
        assert (folded.best, folded.step, folded.phase) == (at_once.best, at_once.step, at_once.phase)
        assert str(folded.resumes) == str(at_once.resumes), "NaN is not equal to itself"

    check()


@examples(few=60, many=3000)
def test_whatever_stands_in_the_files_a_run_is_told_of(examples, run):
    documents = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode())
    launch = status_line(run)

    @examples
    @given(CONTENTS, st.lists(documents | st.just(launch), max_size=4), documents, documents, st.binary(max_size=300))
    def check(content: bytes, launches: list[bytes], report: bytes, recipe: bytes, log: bytes) -> None:
        run.metrics_path.write_bytes(content)
        run.launches_path.write_bytes(b"\n".join(launches) + b"\n")
        run.test_path.write_bytes(report)
        run.log_path.write_bytes(log)
        for stored in (recipe, b'{"epochs": 3}'):
            (run.path / "recipe.json").write_bytes(stored)
            again = Run(run.path)
            info = status.describe(again)
            assert info.status in typing.get_args(status.Status)
            (view,) = RunReader(again).look()
            assert view.info == info

    check()


def status_line(run: Run) -> bytes:
    """A launch of another host, in the past."""
    launch = records.Launch(
        attempt=1, time=1.0, argv=[], host="elsewhere", boot_id="", pid=1, process_start_s=0.0, device="cpu"
    )
    return records.encode(launch).rstrip(b"\n")
