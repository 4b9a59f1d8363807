"""The bench of several devices: real processes, which are gone when it ends, however it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

pytestmark = pytest.mark.slow
WORDS = ["bench", "--dataset", "tiny", "--batch-size", "16"]


@pytest.fixture
def started(tiny, tmp_path, monkeypatch) -> Iterator[subprocess.Popen[str]]:
    """A bench on two devices that takes far longer than the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = [*WORDS, "--model", "resnet20", "--devices", "cpu,cpu", "--seconds", "500"]
    log = open(tmp_path.parent / f"{tmp_path.name}.log", "w+")  # noqa: SIM115  the process has it
    process = subprocess.Popen([sys.executable, "-m", "cockpit", *words], stdout=log, stderr=log, text=True)
    wait_for(lambda: "warming up" in Path(log.name).read_text(), 60, "the first steps")
    yield process
    process.kill()
    process.wait()
    log.close()


def said(tmp_path: Path) -> str:
    return (tmp_path.parent / f"{tmp_path.name}.log").read_text()


def left(tmp_path: Path) -> list[Path]:
    """Return what there is among the temporary files, but for torch's own cache."""
    return [path for path in tmp_path.iterdir() if not path.name.startswith("torchinductor")]


def ranks(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = [child for child in psutil.Process(process.pid).children(recursive=True) if "rank" in child.cmdline()]
    return sorted(found, key=lambda child: child.environ()["RANK"])


def test_speed_together_is_told_beside_that_of_one_device(tiny):
    words = [*WORDS, "--model", "resnet20,vit_xs", "--devices", "cpu,cpu", "--seconds", "0.2", "--json"]
    done = subprocess.run([sys.executable, "-m", "cockpit", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    resnet, vit = json.loads(done.stdout)
    assert [list(one["arms"]) for one in (resnet, vit)] == [["one", "together", "local"], ["one", "together"]]
    assert "the network has no batch norm" in vit["notes"]
    assert (resnet["devices"], resnet["precision"], resnet["way"], resnet["batch_size"]) == (
        "cpu,cpu",
        "fp32",
        "eager",
        16,
    )
    for result in (resnet, vit):
        one = result["arms"]["one"]
        for name, efficiency in result["efficiency"].items():
            arm = result["arms"][name]
            assert 0 < arm["low"] <= arm["img_per_s"] <= arm["high"]
            assert arm["low"] / one["high"] / 2 <= efficiency <= arm["high"] / one["low"] / 2
    assert "resnet20: round 5 of 5, one alone" in done.stderr


def test_a_ctrl_c_leaves_nothing(started, tmp_path):
    processes = ranks(started)
    assert len(processes) == 2
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 1
    assert said(tmp_path).splitlines()[-1] == "stopped when asked (SIGINT) while resnet20 was measured"
    assert not any(process.is_running() for process in processes)
    assert not left(tmp_path)


def test_a_rank_that_dies_is_told_and_leaves_nothing(started, tmp_path):
    processes = ranks(started)
    processes[1].kill()
    assert started.wait(60) == 1
    assert said(tmp_path).splitlines()[-1] == "resnet20: not measured: rank 1 was ended by signal 9 (SIGKILL)"
    assert "Traceback" not in said(tmp_path)
    assert not any(process.is_running() for process in processes)
    assert not left(tmp_path)


def test_what_several_devices_cannot_do_is_one_sentence(tiny):
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", *WORDS, "--devices", "cpu,cpu", "--way", "graph"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "way is graph, but several devices step eagerly" in done.stderr
