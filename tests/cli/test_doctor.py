"""`cockpit doctor` names what a report needs, and finds what does not work."""

import json
import os
import subprocess
import sys

import pytest
from nvml import made_up
from terminal import Terminal

from cockpit.doctor import Finding, _folders, _machine, short


def doctor(*words: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the findings by name."""
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", "doctor", "--json", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    found = json.loads(done.stdout)
    assert done.stderr.strip()
    return done.returncode, {finding["what"]: finding for finding in found}


def test_an_installation_that_works_is_told_whole(tmp_path, tiny):
    code, found = doctor("--quick", "--runs", str(tmp_path / "runs"))
    assert code == 0
    assert {finding["area"] for finding in found.values()} == {
        "install",
        "machine",
        "terminal",
        "folders",
        "slurm",
        "data",
    }
    assert found["torch"]["found"]
    assert found["textual"]["found"]
    assert "pytest" not in found, "an extra's"
    assert found["torch loads"]["found"].startswith("yes, built ")
    assert "not made yet" in found["runs"]["found"]
    assert found["tiny"]["found"] == "160 + 40 images"
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_few_steps_are_taken_and_leave_nothing(tmp_path, digits, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code, found = doctor("--runs", str(tmp_path / "runs"))
    assert code == 0
    assert "img/s of resnet20" in found["a few steps"]["found"]
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("torchinductor")] == []


def test_what_does_not_work_is_named_with_its_remedy(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    (tmp_path / "file").write_text("")
    (tmp_path / "config.toml").write_text("[notify]\nbel = true\n")
    code, found = doctor(
        "--quick",
        "--runs",
        str(tmp_path / "file" / "runs"),
        PYTHONPATH=f"{broken}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        COCKPIT_CONFIG=str(tmp_path / "config.toml"),
        PYTHONUTF8="0",
        LC_ALL="C",
        PYTHONCOERCECLOCALE="0",
    )
    assert code == 1
    assert "libcudart.so.13" in found["torch loads"]["found"]
    assert "again with pip" in found["torch loads"]["remedy"]
    assert "did you mean bell?" in found["config"]["remedy"]
    assert {what for what, finding in found.items() if finding["state"] == "bad"} >= {"torch loads", "runs", "config"}


@pytest.fixture
def made_up_torch(tmp_path, monkeypatch):
    """A card, and a torch whose last step on it is told; it is not what lies in the current folder."""
    home, here = tmp_path / "packages", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    (here / "json.py").write_text("import pathlib; pathlib.Path(__file__).with_name('ran').touch(); raise ValueError")
    (home / "torchvision.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.chdir(here)
    monkeypatch.setitem(sys.modules, "pynvml", made_up(number=1))

    def make(ones: str) -> dict[str, Finding]:
        (home / "torch.py").write_text(f"""
from types import SimpleNamespace as Space
version, get_num_threads = Space(cuda="12.8"), lambda: 4
cuda = Space(is_available=lambda: True, device_count=lambda: 1, get_device_name=lambda number: "NVIDIA A100")
def ones(*_, **__):
    {ones}
""")
        return {finding.what: finding for finding in _machine()}

    yield make
    assert not (here / "ran").exists()


def test_what_lies_in_the_current_folder_is_not_loaded(made_up_torch):
    found = made_up_torch("return Space(sum=lambda: Space(item=lambda: 2))")
    assert found["torch loads"].found == "yes, built for CUDA 12.8, 4 threads"
    assert found["torch and the card"].found == "torch computes on NVIDIA A100"


def test_a_card_that_fails_is_told_as_that(made_up_torch):
    found = made_up_torch("raise RuntimeError('CUDA error: out of memory\\nCompile with `TORCH_USE_CUDA_DSA`.')")
    assert found["torch loads"].state == "ok"
    assert found["torch and the card"].state == "bad"
    assert found["torch and the card"].found.endswith("(it sees NVIDIA A100): RuntimeError: CUDA error: out of memory")


def test_of_what_python_says_the_line_is_told_that_names_the_trouble(made_up_torch):
    found = made_up_torch("pass\nraise ImportError('libcudart.so.13: cannot open\\n\\nSee the notes of the release')")
    assert found["torch loads"].found == "ImportError: libcudart.so.13: cannot open"


@pytest.mark.parametrize(
    "text",
    [
        '[notify]\ncommand = ["curl", "-H", "Authorization: Bearer SECRET"]',
        '[notify]\ncommand = {curl = "SECRET"}',
        '[notify]\ncommand = "curl SECRET\\u0000"',
        "[notify]\ncommand = curl -H SECRET",
        "[notify]\ncommand = 'curl' SECRET",
        "[notify]\nbell = 'curl SECRET'",
        "[notify]\nlimit_s = 'SECRET'",
        "[slurm]\naccount = ['SECRET']",
        "[slurm]\npartition = 'SECRET\"'",
        "[slurm]\nextra = ['export TOKEN=SECRET']",
        "[slurm]\nwarn_s = 'SECRET'",
        "command = 'curl SECRET'",
        "[notfy]\ncommand = 'curl SECRET'",
    ],
)
def test_what_is_in_the_users_file_is_not_quoted(tmp_path, monkeypatch, text):
    monkeypatch.setenv("COCKPIT_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text(text)
    (found,) = (finding for finding in _folders(tmp_path) if finding.what == "config")
    assert found.state == "bad"
    assert found.remedy
    assert "SECRET" not in f"{found}"


@pytest.mark.slow
def test_a_terminal_that_cannot_show_the_cockpit_is_told():
    words = (sys.executable, "-m", "cockpit", "doctor", "--quick")
    with Terminal(*words, columns=60, rows=20, env={"TERM": "dumb"}) as terminal:
        assert terminal.wait(60) == 1
        assert b"set TERM" in terminal.raw
    with Terminal(*words, columns=60, rows=20, env={"TERM": "xterm-256color", "TMUX": "/tmp/x,1,0"}) as terminal:
        assert terminal.wait(60) == 0
        assert b"60x20; 80x24 and more shows everything" in terminal.raw
        assert b"tmux" in terminal.raw


def test_a_report_does_not_name_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert short(tmp_path / "runs" / "x") == "~/runs/x"
    assert short(tmp_path.parent / "other") == str(tmp_path.parent / "other")
