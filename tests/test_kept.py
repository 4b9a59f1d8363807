"""What is looked at again and again is read once, and then only where it grew."""

import random
import tracemalloc

import generator
import pytest
from folders import finished, make_run, phase, step, with_test, write
from opened import opened_files, read_bytes

from cockpit import records
from cockpit.kept import KeptRun
from cockpit.status import describe
from cockpit.store import Run, RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_kept_run_is_told_as_if_it_were_read_anew(store):
    choice = random.Random(0)
    run = make_run(store)
    kept = KeptRun(run.path)
    trainer = generator.Trainer(run.recipe, samples_per_epoch=4)
    for _ in range(300):
        match choice.choice("ssssssslptdTx"):
            case "s":
                write(run, *trainer.sample())
            case "l":
                run.append_launch(trainer.launch())
                write(run, trainer.phase("running"))
            case "p":
                write(run, trainer.phase(choice.choice(("preparing", "testing", "stopped"))))
            case "t":
                with_test(run, top1=choice.random())
            case "d":
                run.test_path.unlink(missing_ok=True)
            case "T":  # a torn line, and the next writer behind it
                with open(run.metrics_path, "ab") as file:
                    file.write(records.encode(step(1.0))[: choice.randrange(100)])
            case "x" if choice.random() < 0.2:
                run.metrics_path.write_bytes(b"")
        if choice.random() < 0.5:
            assert describe(kept) == describe(Run(run.path))


def test_no_file_is_opened_while_nothing_changes(store):
    run = with_test(finished(make_run(store)))
    kept = KeptRun(run.path)
    describe(kept)
    with opened_files() as opened:
        describe(kept)
        assert opened == []
        write(run, phase("testing"))
        del opened[:]
        describe(kept)
        read = {path for path in opened if path.startswith(str(run.path))}
        assert read == {str(run.metrics_path), str(run.log_path)}, "the log may tell why it ended while it tested"


def test_a_run_that_goes_on_is_read_only_where_it_grew(store):
    run, trainer = generator.make_long_run(store, 20_000)
    kept = KeptRun(run.path)
    for _ in range(2):
        write(run, *trainer.sample())
        describe(kept)
    assert run.metrics_path.stat().st_size > 3_000_000
    write(run, *trainer.sample())
    before = read_bytes()
    assert describe(kept).status == "running"
    assert read_bytes() - before < 50_000


def test_looking_back_over_a_long_run_takes_little_memory(store):
    run, _ = generator.make_long_run(store, 50_000)
    assert run.metrics_path.stat().st_size > 9_000_000
    tracemalloc.start()
    tail = run.tail()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tail.phase is not None
    assert (tail.phase.state, tail.phase.attempt) == ("running", 2), "it stands half a file before the end"
    assert peak_bytes < 6_000_000


def test_a_run_stays_damaged_until_it_is_not(store):
    run = finished(make_run(store))
    kept = KeptRun(run.path)
    for looks in range(1, 4):
        describe(kept)
        write(run, step(float(looks)))  # from the second look on only what was appended is read
    whole = run.metrics_path.read_bytes()
    run.metrics_path.write_bytes(bytes(99) + b"\n")
    for _ in range(3):
        assert describe(kept) == describe(Run(run.path))
        assert describe(kept).status == "damaged"
    run.metrics_path.write_bytes(whole)
    assert describe(kept) == describe(Run(run.path))
