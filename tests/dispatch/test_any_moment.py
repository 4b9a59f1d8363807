"""A tick that is killed at any line of ours neither loses a run nor starts one twice."""

import os
import signal
import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest
from tiny import make_trainer, ran
from waiting import wait_for

import cockpit
from cockpit.dispatch import order, tick
from cockpit.recipe import Recipe
from cockpit.store import RunStore

HOME = os.path.dirname(cockpit.__file__) + os.sep


def tick_and_die(store: RunStore, lines: int) -> bool:
    """Tick in a process that is killed before the so manieth line that it runs first; False when it ended before."""
    child = os.fork()
    if child == 0:
        seen: set[tuple[str, int]] = set()

        def trace(frame: FrameType, event: str, _: Any):
            if not frame.f_code.co_filename.startswith(HOME):
                return None
            if event == "line":
                seen.add((frame.f_code.co_filename, frame.f_lineno))
                if len(seen) == lines:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        try:
            sys.settrace(trace)
            tick(store)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("stride", [29, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_a_tick_may_die_before_any_line(tmp_path, data_dir, monkeypatch, stride):
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    lines, died = 1, True
    while died:
        store = RunStore(tmp_path / str(lines))
        order.set_slots(store, "cpu", 2)
        runs = order.enqueue(store, [Recipe(seed=seed).complete() for seed in range(3)], device="cpu")
        died = tick_and_die(store, lines)

        def all_started(store=store, runs=runs) -> bool:
            tick(store)
            return all(run.launches() for run in runs)

        wait_for(all_started, what=f"all runs after a death before line {lines}")
        wait_for(lambda store=store: len(ran(store)) >= 3, what="their ends")
        assert Counter(run_id for run_id, *_ in ran(store)) == Counter(run.id for run in runs)
        assert [len(run.launches()) for run in runs] == [1, 1, 1]
        tick(store)
        assert not [*store.root.glob("*/queued.json")]
        lines += stride
    assert lines > 200, "the kills came to nothing: too few lines were run"
