"""Run folders: made whole, found by name, read from the end, deleted only where they are."""

import os

import msgspec
import pytest
from folders import launched, make_run

from cockpit import records
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.files import LINE_BYTES
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.store import RecordTail, Run, RunBusyError, RunStore
from cockpit.tickets import Ticket, write_ticket


@pytest.fixture
def store(tmp_path, data_dir):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(store):
    return store.create(Recipe().complete())


def epoch(number: int, step: int, best: float = 0.5) -> records.Epoch:
    return records.Epoch(
        time=1.0,
        epoch=number,
        step=step,
        train_loss=1.0,
        train_acc=0.5,
        val_loss=1.0,
        val_acc=0.5,
        lr=0.1,
        epoch_s=1.0,
        img_per_s=100.0,
        elapsed_s=float(number),
        best_val_acc=best,
        best_epoch=number,
    )


def write(run: Run, *lines: msgspec.Struct | bytes) -> None:
    with LineWriter(run.metrics_path) as writer:
        for line in lines:
            writer.append(line if isinstance(line, bytes) else records.encode(line))


def test_a_run_has_its_recipe_and_a_name_that_tells(store, run):
    assert run.id.split("-")[2:4] == ["resnet20", "digits"]
    assert [found.id for found in store.list()] == [run.id]
    assert store.get(run.id).recipe == Recipe().complete()
    assert os.listdir(store.root) == [run.id]


def test_runs_made_at_the_same_moment_have_names_of_their_own(store, monkeypatch):
    digits = iter(["0000", "0000", "0000", "0001"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(digits))
    monkeypatch.setattr("time.strftime", lambda _: "20260101-000000")
    ids = [store.create(Recipe().complete()).id for _ in range(2)]
    assert ids == [f"20260101-000000-resnet20-digits-{number}" for number in ("0000", "0001")]
    assert sorted(os.listdir(store.root)) == ids


def test_runs_are_found_by_parts_of_their_name(store):
    runs = [store.create(Recipe().complete()) for _ in range(3)]
    newest = store.list()[0]
    assert store.get("last").id == newest.id
    assert store.get(runs[1].id[-4:]).id == runs[1].id
    assert store.get(str(runs[2].path)).id == runs[2].id
    with pytest.raises(CockpitError, match="means 3 runs"):
        store.get(runs[0].id[:4])


def test_the_last_run_is_the_newest_that_does_not_just_wait_in_the_queue(store, capsys):
    began, taken_up, waits = (make_run(store, f"20260101-00000{n}-resnet20-digits-000{n}") for n in (1, 2, 3))
    launched(began)
    ticket = Ticket(time=0.0, host="here", launches=0, place=0.0, device="cpu")
    for run in (waits, taken_up):
        write_ticket(run.path, ticket)
    assert store.get("last").id == began.id
    assert store.get("last", waiting=True).id == waits.id
    assert main(["runs", "rm", "last", "--runs", str(store.root)]) == 2
    assert f"last is {began.id}, and newer runs wait in the queue; name the run" in capsys.readouterr().err
    launched(taken_up)
    assert store.get("last").id == taken_up.id, "it waits to be taken up again, and has been trained"
    for run in (began, taken_up):
        store.remove(run)
    assert store.get("last").id == waits.id


@pytest.mark.parametrize("ref", ["", "nothing", "../runs", "/etc", "..", ".", "*", "a/../b"])
def test_unknown_names_are_refused(store, run, ref):
    with pytest.raises(CockpitError, match="unknown run"):
        store.get(ref)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, data_dir):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CockpitError, match=r"no run can be made in .*; choose another folder with --runs"):
        RunStore(tmp_path / "file" / "runs").create(Recipe().complete())


def test_the_tail_is_read_from_the_end(run):
    step = records.Step(time=1, epoch=1.5, step=15, loss=None, acc=0.5, lr=0.1, img_per_s=9, elapsed_s=1)
    running = records.Phase(time=1, state="running")
    write(run, running, *(epoch(n, 10 * n) for n in range(1, 400)), *[step] * 2000, b'{"kind": "epoch", "torn')
    tail = run.tail()
    assert tail.phase == running
    assert tail.epoch == epoch(399, 3990)
    assert tail.step == step


ONE_OF_EACH = [
    records.Phase(time=1, state="running", detail='läuft · ① \x1b[31m \\ " \u2028 \U0001f600'),
    records.Choice(
        time=1,
        device="cpu",
        precision="fp32",
        way="eager",
        reason="the fastest",
        trials=[records.Trial(precision="fp32", way="eager", batch_size=16, step_s=0.1)],
    ),
    records.Device(time=1, name="cpu", busy=0.5, memory_bytes=2**33),
    records.Step(time=1, epoch=0.5, step=5, loss=None, acc=None, lr=0.1, img_per_s=9, elapsed_s=1),
    records.Step(time=1, epoch=1.0, step=10, loss=1.25, acc=0.5, lr=0.1, img_per_s=9, elapsed_s=2),
    epoch(1, 10),
    msgspec.structs.replace(epoch(2, 20), train_loss=None, val_loss=None, val_acc=None),
    records.Phase(time=1, state="stopped", detail="日本語"),
]


def test_a_line_torn_at_any_byte_waits_for_its_end_or_for_the_next_writer(run):
    content = b"".join(map(records.encode, ONE_OF_EACH))
    for size in range(len(content) + 1):
        whole = ONE_OF_EACH[: content[:size].count(b"\n")]
        run.metrics_path.write_bytes(content[:size])
        tail = RecordTail(run)
        assert tail.read() == whole
        assert run.tail().phase == next((r for r in reversed(whole) if isinstance(r, records.Phase)), None)
        assert run.tail().epoch == next((r for r in reversed(whole) if isinstance(r, records.Epoch)), None)
        with open(run.metrics_path, "ab") as file:
            file.write(content[size:])
        assert tail.read() == ONE_OF_EACH[len(whole) :]
        run.metrics_path.write_bytes(content[:size])
        write(run, epoch(3, 30))
        read = RecordTail(run).read()
        assert read[: len(whole)] == whole
        assert read[-1] == run.tail().epoch == epoch(3, 30)
        assert len(read) - len(whole) in (1, 2), "a line that lacked only its newline has it now"


@pytest.mark.parametrize("length", [16_384, 100_000, LINE_BYTES - 1000])
def test_a_long_line_torn_at_any_block_waits_for_its_end(run, length):
    first, long_one = epoch(1, 10), records.Phase(time=1, state="failed", detail="é" * (length // 2))
    content = records.encode(first) + records.encode(long_one)
    blocks = range(len(records.encode(first)), len(content), 8_191)
    for size in {*blocks, *(len(content) - n for n in (1, 2, 3, 16_383, 16_384, 16_385))}:
        run.metrics_path.write_bytes(content[:size])
        tail = RecordTail(run)
        assert tail.read() == [first]
        assert (run.tail().phase, run.tail().epoch) == (None, first)
        with open(run.metrics_path, "ab") as file:
            file.write(content[size:])
        assert tail.read() == [long_one]
        assert (run.tail().phase, run.tail().epoch) == (long_one, first)


def test_epochs_behind_the_checkpoint_of_a_resume_do_not_count(run):
    write(run, epoch(1, 10), epoch(2, 20), records.Phase(time=1, state="running", attempt=2, step=10))
    assert run.tail().epoch == epoch(1, 10)
    write(run, epoch(2, 20, best=0.7))
    assert run.tail().epoch == epoch(2, 20, best=0.7)


def test_unknown_kinds_and_damaged_lines_are_passed_over(run):
    write(run, b'{"kind": "weather", "sun": 1}\n', b"\x00\xff\n", b"[1]\n", epoch(1, 10), b"{}\n")
    assert RecordTail(run).read() == [epoch(1, 10)]


def test_nan_is_written_as_null(run):
    step = records.Step(time=1, epoch=1, step=1, loss=float("nan"), acc=0.5, lr=0.1, img_per_s=9, elapsed_s=1)
    write(run, step)
    assert b'"loss":null' in run.metrics_path.read_bytes()


def test_one_writer_at_a_time(run):
    handle = run.lock()
    with pytest.raises(RunBusyError, match="another trainer"):
        run.lock()
    os.close(handle)
    os.close(run.lock())


def test_removing_takes_the_folder_and_nothing_else(store, run, tmp_path):
    other = store.create(Recipe().complete())
    store.remove(run)
    assert os.listdir(store.root) == [other.id]
    handle = other.lock()
    with pytest.raises(RunBusyError):
        store.remove(other)
    os.close(handle)


def test_a_linked_run_is_only_unlinked(store, run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    run.path.rename(elsewhere)
    run.path.symlink_to(elsewhere)
    store.remove(Run(run.path))
    assert not run.path.exists()
    assert (elsewhere / "recipe.json").exists()


def test_nothing_outside_the_store_is_removed(store, run, tmp_path):
    with pytest.raises(CockpitError, match="is not a run"):
        RunStore(tmp_path).remove(run)
    with pytest.raises(CockpitError, match="is not a run"):
        store.remove(Run(store.root / ".."))
    assert run.path.exists()
