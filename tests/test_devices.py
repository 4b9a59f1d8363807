"""What a device has free and who uses it, as the form of a new run tells it."""

import os
import subprocess
import sys

import psutil

from cockpit.devices import _owner, device_choices, memory_of, survey


def test_the_survey_offers_what_can_be_chosen_with_what_is_free():
    offered = survey()
    assert [name for name, _ in offered] == [name for name, _ in device_choices()]
    title = dict(offered)["cpu"]
    assert f"{os.cpu_count()} core" in title
    assert "GiB free, load" in title


def test_the_memory_of_a_device_is_found_by_what_a_backend_calls_it():
    free, total = memory_of("cpu")
    assert total == psutil.virtual_memory().total
    assert free is not None
    assert total is not None
    assert 0 < free < total
    assert memory_of("cuda:99 NVIDIA H200") == (None, None)


def test_who_computes_is_a_run_else_a_program_and_its_user():
    words = [sys.executable, "-c", "input()", "-m", "cockpit.engine", "/runs/2026-resnet20", "train"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as trainer:
        assert _owner(trainer.pid) == "2026-resnet20"
        trainer.kill()
    assert _owner(trainer.pid) == f"process {trainer.pid}"
    assert _owner(os.getpid()) == f"{psutil.Process().name()} of {psutil.Process().username()}"
