"""The script for Slurm and the settings that it is made of."""

import subprocess

import pytest

from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.jobscript import config_path, job_options, read_settings, write_script


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("COCKPIT_CONFIG", str(path))
    return path


def test_flags_win_over_the_users_file_and_an_earlier_submission_over_both_but_the_flags(config):
    assert read_settings().options() == ["--signal=B:USR1@120"]
    config.write_text('[slurm]\npartition = "gpu"\ncpus = 8\ngres = "gpu:1"\nextra = ["--exclusive"]\n[other]\nx = 1\n')
    asked = ["--partition=gpu", "--gres=gpu:1", "--cpus-per-task=8", "--exclusive"]
    assert read_settings().options() == ["--signal=B:USR1@120", *asked]
    flags = ["time=4:00:00", "gres=", "cpus=2", "warn_s=300", "extra=--constraint=a=b"]
    asked = ["--partition=gpu", "--time=4:00:00", "--cpus-per-task=2", "--exclusive", "--constraint=a=b"]
    assert read_settings(flags).options() == ["--signal=B:USR1@300", *asked]
    assert read_settings(["cpus=1"], {"qos": "low"}).options() == [
        "--signal=B:USR1@120",
        "--qos=low",
        "--cpus-per-task=1",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[slurm]\npartion = 'gpu'", "unknown Slurm setting 'partion' in {path} (did you mean partition?)"),
        ("[slurm]\ncpus = true", "cpus in {path} is True; write a text or a whole number"),
        ("[slurm]\nextra = '--exclusive'", "extra in {path} is no list of texts"),
        ("[slurm]\nextra = ['exclusive']", "which is no option of sbatch"),
        ('[slurm]\npartition = "a\\u001b[31mb"', "partition in {path} is 'a\\x1b[31mb'; write a text"),
        ('[slurm]\npartition = "a\\nb"', "partition in {path} is 'a\\nb'; write a text"),
        ("slurm = 3", "slurm in {path} is no table; head it with [slurm]"),
        ("[slurm", "{path} is no TOML"),
    ],
)
def test_a_mistake_in_the_users_file_is_one_sentence(config, text, sentence):
    config.write_text(text)
    with pytest.raises(CockpitError) as caught:
        read_settings()
    assert sentence.format(path=config) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--slurm", "gpu"], "--slurm 'gpu' is no setting; write KEY=VALUE"),
        (["--slurm", "wall=3"], "unknown Slurm setting 'wall' after --slurm; there are partition"),
        (["--slurm", "warn_s=soon"], "warn_s after --slurm is 'soon'; write whole seconds"),
        (["--slurm", "extra=x"], "'x', which is no option of sbatch"),
        (["--device", "cuda:3"], "device 'cuda:3' cannot be asked of a Slurm job; choose one of auto, cuda, cpu"),
    ],
)
def test_a_mistake_in_a_flag_is_one_sentence_and_leaves_nothing(config, fake, tmp_path, capsys, flags, sentence):
    fake("sbatch", "exit 1")
    runs = tmp_path / "runs"
    assert main(["train", "--where", "slurm", *flags, "--runs", str(runs)]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not runs.exists() or not any(runs.iterdir())


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


def test_the_users_file_lies_in_the_users_config_folder(monkeypatch):
    monkeypatch.delenv("COCKPIT_CONFIG")
    assert config_path().parts[-2:] == ("cockpit", "config.toml")


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
