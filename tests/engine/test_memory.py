"""Out of memory: known by what torch and Python really raise, and answered with a batch size that was tried."""

import resource
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from waiting import wait_for

from cockpit import launch, status
from cockpit.engine.fitting import _Trials, advise, largest_that_fits
from cockpit.engine.memory import is_out_of_memory
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

EXABYTE = 2**60


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (lambda: torch.empty(EXABYTE, dtype=torch.uint8), True),
        (lambda: np.empty(EXABYTE, np.uint8), True),
        (lambda: bytearray(EXABYTE), True),
        (lambda: torch.empty(2) @ torch.empty(3), False),
        (lambda: Path("/nowhere/at/all").read_bytes(), False),
    ],
    ids=["torch", "numpy", "python", "another RuntimeError", "another OSError"],
)
def test_want_of_memory_is_told_from_other_errors(take, expected):
    with pytest.raises((RuntimeError, MemoryError, OSError)) as caught:
        take()
    assert is_out_of_memory(caught.value) == expected


@pytest.mark.parametrize(
    ("limit", "below", "found"), [(40, 512, 40), (300, 512, 256), (255, 512, 224), (1, 512, 1), (0, 512, 0), (0, 1, 0)]
)
def test_the_largest_of_a_few_that_fits_is_advised(limit, below, found):
    tried: list[int] = []
    assert largest_that_fits(lambda size: tried.append(size) or size <= limit, below=below) == found
    assert len(tried) <= below.bit_length() + 1


def test_without_time_to_try_nothing_is_claimed():
    answers = iter([False, None])
    assert largest_that_fits(lambda _: next(answers), below=512) is None
    answers = iter([False, True, None])
    assert largest_that_fits(lambda _: next(answers), below=512) == 128


def trained_under_a_limit(store: RunStore, batch_size: int, more_bytes: int) -> Run:
    """Train an epoch in no more address space than the trainer has when it begins, and so much more."""
    run = store.create(Recipe(epochs=1, batch_size=batch_size).complete())
    process = psutil.Process(launch.start(run, device="cpu").pid)
    wait_for(lambda: (phase := run.tail().phase) and phase.state == "running")
    process.rlimit(resource.RLIMIT_AS, (process.memory_info().vms + more_bytes, resource.RLIM_INFINITY))
    wait_for(lambda: status.describe(run).status not in status.LIVE)
    return run


def test_nothing_is_claimed_when_no_trial_came_to_an_end(tmp_path, tiny):
    run = RunStore(tmp_path / "runs").create(Recipe(dataset="tiny", batch_size=2).complete())
    recipe = run.path / "recipe.json"
    recipe.write_text(recipe.read_text().replace('"tiny"', '"gone"'))
    assert advise(run, "cpu").endswith("GiB free; start a new run with a smaller --batch-size")


@pytest.mark.slow
def test_a_trial_that_ends_its_process_did_not_fit_and_the_next_is_taken_by_another(tmp_path, tiny):
    run = RunStore(tmp_path / "runs").create(Recipe(dataset="tiny", batch_size=16).complete())

    def trials_of_run() -> list[psutil.Process]:  # other tests may have left children that nobody has waited for
        processes = psutil.process_iter(["cmdline"])
        return [process for process in processes if str(run.path) in (process.info["cmdline"] or ())]

    def kill_the_trial() -> None:
        (process,) = wait_for(trials_of_run)
        process.kill()

    with _Trials(run, "cpu") as trials:
        killer = threading.Thread(target=kill_the_trial)
        killer.start()
        assert trials.fits(8) is False
        killer.join()
        assert not trials.answered
        assert trials.fits(4) is True
        assert trials.answered
    assert not trials_of_run()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="only Linux limits another process")
def test_a_run_out_of_memory_says_so_and_the_batch_size_that_it_advises_fits(tmp_path, digits):
    store = RunStore(tmp_path / "runs")
    failed = trained_under_a_limit(store, 1294, 1_200_000_000)
    info = status.describe(failed)
    assert info.status == "failed"
    assert info.detail.startswith("out of memory with batch size 1294 on cpu, which has ")
    assert failed.recipe.batch_size == 1294
    advised = int(info.detail.rpartition("--batch-size ")[2])
    assert 64 <= advised < 1294
    assert f"{advised} fits, so start a new run with --batch-size {advised}" in info.detail
    trained = trained_under_a_limit(store, advised, 1_200_000_000)
    assert status.describe(trained).status == "finished", status.describe(trained).detail
