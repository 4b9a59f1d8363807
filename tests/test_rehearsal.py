"""A rehearsal takes real steps in a process of its own, and nothing of it is left, however it ends."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_for

from cockpit.errors import CockpitError
from cockpit.progress import Cancelled
from cockpit.recipe import Recipe
from cockpit.rehearsal import Outlook, misgivings, rehearse
from cockpit.results import PREFLIGHT_STAGES

SMALL = Recipe(dataset="tiny", batch_size=16, epochs=7)


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """The folder of temporary files, empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def rehearsals(folder: Path) -> list[psutil.Process]:
    """The processes that work below a folder."""
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if any(str(folder) in word for word in process.info["cmdline"] or ())]


def test_it_tells_its_stages_and_what_the_machine_has(tiny, scratch, tmp_path):
    told = []
    outlook = rehearse(SMALL, "cpu", tmp_path / "no" / "runs", seconds=0.3, progress=lambda *stage: told.append(stage))
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert {total for _, total, _ in told} == {len(PREFLIGHT_STAGES)}
    assert "taking steps" in [what for *_, what in told]
    assert 0 < outlook.peak_bytes < (outlook.memory_total_bytes or 0)
    assert (outlook.disk_free_bytes or 0) > outlook.disk_bytes
    assert not misgivings(outlook)
    assert not list(scratch.iterdir())


def test_one_that_is_called_off_is_gone_with_its_folder(tiny, scratch, tmp_path):
    with pytest.raises(Cancelled):
        rehearse(SMALL, "cpu", tmp_path, seconds=600, stop=lambda: bool(rehearsals(scratch)))
    assert not rehearsals(scratch)
    assert not list(scratch.iterdir())


def test_a_mistake_of_the_engine_is_its_sentence(tiny, scratch, tmp_path):
    with pytest.raises(CockpitError, match="CUDA graphs need a CUDA card"):
        rehearse(Recipe(dataset="tiny", batch_size=16, way="graph"), "cpu", tmp_path)
    with pytest.raises(CockpitError, match="epochs is 0"):
        rehearse(Recipe(dataset="tiny", epochs=0), "cpu", tmp_path)
    assert not list(scratch.iterdir())


def test_it_does_not_outlive_a_killed_starter(tiny, scratch, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(scratch))
    code = (
        "from pathlib import Path; from cockpit.recipe import Recipe; from cockpit.rehearsal import rehearse\n"
        f"rehearse(Recipe(dataset='tiny', batch_size=16), 'cpu', Path({str(tmp_path)!r}), seconds=600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: list(scratch.glob("cockpit-preflight-*/*/metrics.jsonl")), what="the rehearsal")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_for(lambda: not rehearsals(scratch), what="its end")
    wait_for(lambda: not list(scratch.glob("cockpit-preflight-*")), what="its folder to go")


def outlook(**changes) -> Outlook:
    facts: dict[str, Any] = {"device": "cuda:0 NVIDIA H200", "precision": "bf16", "way": "graph", "reason": ""}
    facts |= {"img_per_s": 1.0, "epoch_s": 1.0, "total_s": 1.0, "peak_bytes": 2**30, "disk_bytes": 10**6}
    facts |= {"memory_free_bytes": 2**32, "memory_total_bytes": 2**33, "disk_free_bytes": 10**9}
    return Outlook(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"memory_free_bytes": 2**30},
            "it takes 1.0 of the 1.0 GiB that are free: free some memory, or take a smaller",
        ),
        ({"device": "cpu", "memory_free_bytes": 2**29}, "it takes 1.0 GiB and 0.5 GiB are free"),
        (
            {"disk_free_bytes": 1000},
            "its checkpoints take 1 MB and the disk of the runs has 0 MB left: make room there",
        ),
        ({"memory_free_bytes": None, "memory_total_bytes": None, "disk_free_bytes": None}, ""),
        ({}, ""),
    ],
)
def test_what_does_not_fit_is_said(changes, sentence):
    assert "; ".join(misgivings(outlook(**changes))).startswith(sentence)
    assert bool(misgivings(outlook(**changes))) == bool(sentence)
