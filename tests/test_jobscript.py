"""The script for Slurm: whatever is in a path or a setting stays in its word."""

import subprocess

import pytest

from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.jobscript import job_options, write_script
from cockpit.settings import read_settings


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--where", "moon"], "where is 'moon'; choose one of local, slurm"),
        (["--slurm", "time=1"], "--slurm and --print-script are for Slurm; add --where slurm"),
        (["--where", "slurm"], "this machine has no sbatch"),
    ],
)
def test_a_place_that_is_not_here_is_one_sentence(tmp_path, monkeypatch, capsys, flags, sentence):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["train", *flags, "--runs", str(tmp_path / "runs")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_whatever_is_in_a_path_stays_in_its_word(tmp_path):
    run = tmp_path / "it's $HOME; 100% `x`"
    options = job_options("a-run.1", run / "log.txt", read_settings(["extra=--comment=two words"]))
    assert f"--output={tmp_path}/it's $HOME; 100%% `x`/log.txt" in options
    text = write_script("a-run.1", run, ["/opt/py thon", str(run)], {"GOMP_SPINCOUNT": "5000"}, options)
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""
    assert f'#SBATCH --output="{tmp_path}/it\'s $HOME; 100%% `x`/log.txt"\n' in text
    assert '#SBATCH --comment="two words"\n' in text
    ended = subprocess.run(["bash"], input=text, text=True, capture_output=True, env={"SLURM_JOB_ID": "17"})
    assert (ended.returncode, ended.stdout) == (0, "job 17 has no turn any more: nothing to do\n")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_a_folder_whose_name_slurm_would_read_otherwise_is_refused(tmp_path, name):
    with pytest.raises(CockpitError, match="characters that Slurm reads otherwise"):
        job_options("a-run.1", tmp_path / name / "log.txt", read_settings())
