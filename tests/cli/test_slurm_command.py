"""`cockpit slurm`: what a new job asks for, whether Slurm answers, and what it has."""

import json

import pytest

from cockpit.cli import main


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("COCKPIT_CONFIG", str(path))
    return path


def test_a_real_slurm_is_told_with_jobs_defaults_and_partitions(full, config, capsys):
    config.write_text('[slurm]\npartition = "main"\ntime = "4:00:00"\n')
    full.run("sbatch", "--job-name=other", "--output=/dev/null", "--wrap=true")
    assert main(["slurm", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trouble"] == ""
    assert (told["jobs"]["RUNNING"], told["jobs"]["PENDING"]) == (1, 1)
    assert told["asks"] == ["--signal=B:USR1@120", "--partition=main", "--time=4:00:00"]
    partition, _ = told["partitions"]
    assert (partition["name"], partition["default"], partition["time_limit"]) == ("main", True, "infinite")
    assert (partition["nodes"], partition["memory_mb"], partition["gres"]) == ("1", "1000", "")
    assert main(["slurm"]) == 0
    out = capsys.readouterr().out
    assert "Slurm  answers, " in out
    assert "1 running" in out
    assert "sbatch --signal=B:USR1@120 --partition=main --time=4:00:00" in out
    assert "main (default)" in out


def test_a_slurm_that_does_not_answer_is_told_and_is_no_success(fake, config, capsys):
    fake("sbatch", "exit 1")
    fake("sinfo", "exit 1")
    fake("squeue", "printf 'slurm_load_jobs error: Unable to \\e[31mcontact slurm controller\\n' >&2; exit 1")
    assert main(["slurm"]) == 1
    out = capsys.readouterr().out
    assert "Slurm does not answer: Unable to" in out
    assert "\x1b" not in out
    assert "(not there; `[slurm]` in it changes what is asked for)" in out


def test_a_machine_without_slurm_says_so(path_without_slurm, monkeypatch, config, capsys):
    monkeypatch.setenv("PATH", path_without_slurm)
    assert main(["slurm", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["trouble"] == "this machine has no sbatch to submit to Slurm with"


def test_a_mistake_in_the_users_file_comes_first(config, capsys):
    config.write_text("[slurm]\npartion = 'gpu'\n")
    assert main(["slurm"]) == 2
    err = capsys.readouterr().err
    assert f"in {config}: unknown Slurm setting 'partion' (did you mean partition?)" in err
    assert err.count("\n") == 1
