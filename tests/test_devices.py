"""What a device has free and who uses it, as the form of a new run tells it."""

import os
import subprocess
import sys

import psutil
import pytest
from nvml import MISMATCH, NVMLError, made_up

from cockpit.devices import DriverError, _owner, check_device, list_gpus, memory_of, samples, settled, survey
from cockpit.errors import CockpitError


@pytest.fixture
def nvml(monkeypatch):
    """A function that puts a made-up NVML in place."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return lambda **answers: monkeypatch.setitem(sys.modules, "pynvml", made_up(**answers))


def test_the_survey_offers_what_can_be_chosen_with_what_is_free():
    offered = survey()
    assert [name for name, _ in offered if check_device(name) != name] == []
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


def test_a_card_that_is_lost_is_left_out_and_the_others_keep_their_numbers(nvml):
    nvml(number=3, lost={0})
    assert [gpu.index for gpu in list_gpus()] == [1, 2]
    assert [check_device(name) for name in ("auto", "cuda:1", "cuda,cuda")] == ["auto", "cuda:1", "cuda,cuda"]
    with pytest.raises(CockpitError, match="'cuda:0' is not on this machine; choose one of auto, cuda:1, cuda:2, cpu"):
        check_device("cuda:0")
    assert next(samples("cuda", 2, "cuda:2")).memory_total_bytes == 80 << 30
    assert next(samples("cuda", 0, "cuda:0")).memory_total_bytes is None


@pytest.mark.parametrize("broken", [9, 12])
def test_without_a_driver_there_are_no_cards(nvml, broken):
    nvml(init=NVMLError(broken, "Driver Not Loaded"))
    assert list_gpus() == []
    assert check_device("auto") == "auto"


@pytest.mark.parametrize(
    "answers",
    [
        {"number": 2, "count": NVMLError(999, "Unknown Error")},
        {"number": 2, "lost": {0, 1}},
        {"init": NVMLError(MISMATCH, "Driver/library version mismatch")},
    ],
)
def test_a_driver_that_fails_is_told_and_only_the_cpu_is_taken_then(nvml, answers):
    nvml(**answers)
    for name in ("auto", "cuda", "cuda:0", "cuda,cuda"):
        with pytest.raises(DriverError, match=r"the NVIDIA driver fails \(.*\), so what cards there are is not known"):
            check_device(name)
    assert settled(check_device("cpu,cpu")) == "cpu,cpu"
    assert survey()[0][1].startswith("the NVIDIA driver fails")
    assert memory_of("cuda:0") == (None, None)


def test_any_card_is_the_freest_of_those_that_are_visible(nvml, monkeypatch):
    nvml(number=3, busy={0, 1})
    assert [settled(name) for name in ("cuda", "cuda,cuda", "cuda:1", "auto")] == [
        "cuda:2",
        "cuda:0,cuda:2",
        "cuda:1",
        "auto",
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert settled("cuda") == "cuda:1"


def test_cards_are_those_that_are_visible_in_their_order(nvml, monkeypatch):
    nvml(number=4, busy={3})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert [(gpu.index, gpu.pids) for gpu in list_gpus()] == [(0, (1,)), (1, ())]
    assert [check_device(name) for name in ("cuda:1", "cuda,cuda")] == ["cuda:1", "cuda,cuda"]
    with pytest.raises(
        CockpitError, match=r"'cuda:3' is not on this machine \(CUDA_VISIBLE_DEVICES is '3,1'\); choose"
    ):
        check_device("cuda:3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert list_gpus() == []


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("2,0", [2, 0]),
        (" 1 , 02", [1, 2]),
        ("1,7,0", [1]),
        ("0,-1,1", [0]),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,1", []),
        ("GPU-22,GPU-11-1", [2, 1]),
        ("GPU-", []),
        ("MIG-a,MIG-b", ["MIG-a"]),
    ],
)
def test_what_is_visible_is_read_as_cuda_reads_it(nvml, monkeypatch, said, seen):
    nvml(number=3, parts={"MIG-a"})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert [gpu.name for gpu in list_gpus()] == [f"NVIDIA A100 {card}" for card in seen]
