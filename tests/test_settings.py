"""What is asked of Slurm: flags, the user's file, and what a run folder says was asked before."""

import os
import re

import pytest
from readme import README

from cockpit.cli import main
from cockpit.config import config_path
from cockpit.errors import CockpitError
from cockpit.notify import Notify
from cockpit.recipe import Recipe
from cockpit.settings import Settings, read_settings
from cockpit.store import RunStore


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
        ("[slurm]\npartion = 'gpu'", "in {path}: unknown Slurm setting 'partion' (did you mean partition?)"),
        ("[slurm]\ncpus = true", "cpus in {path} is True; write a text without quotes, or a whole number"),
        ("[slurm]\nextra = '--exclusive'", "extra in {path} is no list of texts"),
        ("[slurm]\nextra = ['exclusive']", "which is no option of sbatch"),
        ('[slurm]\npartition = "a\\u001b[31mb"', "partition in {path} is a text with quotes, backslashes or control"),
        ('[slurm]\npartition = "a\\nb"', "partition in {path} is a text with quotes, backslashes or control"),
        ("slurm = 3", "slurm in {path} is no table; head it with [slurm]"),
        ("[slurm", "{path} is no TOML: "),
        ("[slurm", "; correct it there"),
        ("[slrum]\nqos = 'low'", "in {path}: nothing reads the table 'slrum'; did you mean [slurm]?"),
        ("[Slurm]\nqos = 'low'", "in {path}: nothing reads the table 'Slurm'; did you mean [slurm]?"),
        ("qos = 'low'\n[slurm]\n", "'qos' in {path} stands in no table; write it below [slurm] or [notify]"),
        ('["slurm\\u001b"]', "nothing reads the table 'slurm\\x1b'; did you mean [slurm]?"),
        ("[slurm]\npartition = 'a\"b'", "partition in {path} is a text with quotes, backslashes or control"),
        ("[slurm]\nextra = ['-N=2']", "extra in {path} has '-N=2': write nodes=2"),
        ("[slurm]\nextra = ['--array=1-3']", "extra in {path} has '--array=1-3': a run is one job; leave it out"),
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
        (["--slurm", "wall=3"], "after --slurm: unknown Slurm setting 'wall'"),
        (["--slurm", "warn_s=soon"], "warn_s after --slurm is 'soon'; write whole seconds"),
        (["--slurm", "extra=x"], "'x', which is no option of sbatch"),
        (["--slurm", "extra=--arr=1-3"], "has '--arr=1-3': a run is one job"),
        (["--slurm", "extra=-Mother"], "has '-Mother': name the cluster in SLURM_CLUSTERS"),
        (["--slurm", "extra=--wait"], "has '--wait': the cockpit does not wait"),
        (["--slurm", "extra=--nodes=2"], "extra after --slurm has '--nodes=2': write nodes=2, which is checked"),
        (["--slurm", "extra=--nodes 2"], "has '--nodes 2': write nodes=2"),
        (["--slurm", "extra=-N2-4"], "has '-N2-4': write nodes=2-4"),
        (["--slurm", "extra=--ntasks=2"], "has '--ntasks=2': a node runs one task, which has all its devices"),
        (["--slurm", "extra=-n 2"], "has '-n 2': a node runs one task"),
        (["--slurm", "extra=--ntasks-per-node=4"], "for more cores write cpus=N, for more nodes nodes=N"),
        (["--slurm", "extra=--ntasks-per-g=1", "--slurm", "extra=--ntasks-per-gpu=2"], "has '--ntasks-per-gpu=2'"),
        (["--device", "cuda:3"], "device 'cuda:3' cannot be asked of a Slurm job; choose one of auto, cuda, cpu, or "),
        (["--device", "auto,auto"], "device 'auto' of 'auto,auto' cannot be one of several"),
        (["--device", "mps"], "device 'mps' cannot be asked of a Slurm job"),
        (["--devices", "0,1", "--slurm", "gres=gpu:1"], "device 'cuda:0,cuda:1' takes 2 GPUs of a node"),
        (["--device", "cuda:1,cuda:1"], "device 'cuda:1' is named twice in 'cuda:1,cuda:1'; name each card once"),
        (["--device", "cuda,cpu"], "device 'cuda,cpu' mixes cards and CPU"),
        (
            ["--device", "cuda,cuda", "--slurm", "gres=gpu:a100:1"],
            "device 'cuda,cuda' takes 2 GPUs of a node, but gres=gpu:a100:1 asks for 1; add --slurm gres=gpu:a100:2",
        ),
        (["--device", "cuda:0,cuda:2", "--slurm", "gres=gpu:2"], "takes 3 GPUs of a node, but gres=gpu:2 asks for 2"),
        (["--device", "cuda,cuda", "--slurm", "gres=gpu:1", "--print-script"], "add --slurm gres=gpu:2"),
        (["--device", "cpu,cpu", "--exact"], "exact reruns are of one device, not of cpu,cpu"),
        (["--device", "cpu", "--slurm", "nodes=2", "--exact"], "exact reruns are of one device, not of cpu,cpu"),
        (["--device", "cpu,cpu", "--slurm", "nodes=1-2", "--batch-size", "3"], "is smaller than the 4 devices"),
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


def test_the_script_has_the_usual_names_of_devices(config, fake, tmp_path, capsys):
    fake("sbatch", "exit 1")
    words = ["train", "--where", "slurm", "--print-script", "--devices", "0, 1", "--runs", str(tmp_path / "runs")]
    assert main(words) == 0
    assert " --device cuda:0,cuda:1 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "gpus"),
    [
        ([], None),
        (["gres=gpu"], 1),
        (["gres=gpu:8"], 8),
        (["gres=gpu:a100:4"], 4),
        (["gres=gpu:a100"], 1),
        (["gres=gpu:a100:1,gpu:h100:2,tmpdisk:9"], 3),
        (["gres=shard:3"], None),
        ([f"gres=gpu:{'9' * 5000}"], None),
        ([f"gres=gpu:a100:1,gpu:{'9' * 5000}"], None),
        (["gres=gpu:1", "extra=--gpus-per-node=4"], None),
        (["gres=gpu:1", "extra=--exclusive"], None),
    ],
)
def test_the_gpus_of_a_node_are_counted_where_that_can_be_told(config, flags, gpus):
    assert read_settings(flags).num_gpus() == gpus


def test_a_node_of_several_runs_one_task_with_all_its_devices(config):
    assert read_settings(["nodes=2"]).options()[1:] == ["--nodes=2", "--ntasks-per-node=1"]
    assert [read_settings([f"nodes={value}"]).most_nodes() for value in ("", "1", "3", "2-4")] == [1, 1, 3, 4]


@pytest.mark.parametrize(
    ("kind", "table", "command"),
    [(Settings, "slurm", "slurm"), (Settings, "slurm", "train"), (Notify, "notify", "notify")],
)
def test_every_setting_of_the_users_file_is_told_by_readme_and_by_help(kind, table, command, capsys):
    (block,) = re.findall(rf"```toml\n(\[{table}\]\n.*?)```", README.read_text(), re.DOTALL)
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    for name in kind.__struct_fields__:
        assert re.search(rf"\b{name}\b", block), f"README's [{table}] lacks {name}"
        assert re.search(rf"\b{name}\b", told), f"`cockpit {command} --help` lacks {name}"


def test_the_users_file_lies_in_the_users_config_folder(monkeypatch):
    monkeypatch.delenv("COCKPIT_CONFIG")
    assert config_path().parts[-2:] == ("cockpit", "config.toml")


def test_a_users_file_that_is_none_is_not_waited_for(config):
    os.mkfifo(config)
    with pytest.raises(CockpitError, match=r"config\.toml cannot be read: it is a pipe, not a file"):
        read_settings()


@pytest.mark.parametrize("line", ["--export=ALL,LD_PRELOAD=/tmp/x.so", "--chdir=/", "--uid=0", "--no-such-option"])
def test_an_option_from_a_run_folder_that_may_do_harm_is_not_taken_unasked(config, line):
    before = {"time": "60", "extra": ["--constraint=a100", line]}
    with pytest.raises(CockpitError, match=rf"the run's earlier job had '{line}', which is not taken"):
        read_settings([], before)
    assert read_settings([f"extra={line}"], before).extra == ("--constraint=a100", line)
    assert read_settings(["extra=", "extra=--nice"], before).extra == ("--nice",)
    config.write_text(f"[slurm]\nextra = ['{line}']\n")
    assert read_settings([], before).extra == ("--constraint=a100", line)


@pytest.mark.parametrize(
    "before",
    [
        {"partition": 'a" --export="LD_PRELOAD=x'},
        {"extra": "--exclusive"},
        {"extra": ["--constraint=a\n#SBATCH --uid=0"]},
        {"time": {"minutes": 1}},
        {"no such setting": ""},
    ],
)
def test_what_a_run_folder_says_was_asked_is_checked_like_everything(config, before):
    with pytest.raises(CockpitError, match=r"in the run's submissions\.jsonl"):
        read_settings([], before)


def test_nodes_that_an_earlier_job_asked_for_otherwise_are_replaced_as_the_sentence_says(config):
    before = {"extra": ["--nodes=2", "--nice"]}
    with pytest.raises(CockpitError, match=r"in the run's submissions\.jsonl has '--nodes=2': write nodes=2"):
        read_settings([], before)
    settings = read_settings(["extra=", "nodes=2"], before)
    assert (settings.extra, settings.nodes) == ((), "2")


@pytest.mark.parametrize(
    "line", ["--ntasks=1", "-n1", "--ntasks-per-node=1", "--ntasks-per-core=1", "--nodelist=n1", "--nice", "--no-kill"]
)
def test_what_leaves_a_node_its_one_task_is_asked_for(config, line):
    assert read_settings([f"extra={line}"]).options()[-1] == line


@pytest.mark.parametrize("more", [[], ["--print-script"]])
def test_nothing_of_a_sweep_is_submitted_when_one_of_it_cannot_be(config, fake, tmp_path, capsys, more):
    sbatch = fake("sbatch", 'touch "$0.called"; echo 17')
    fake("squeue", "")
    words = ["train", "--where", "slurm", "--device", "cpu,cpu", "--slurm", "nodes=2", *more, "--batch-size"]
    assert main([*words, "128,3", "--runs", str(tmp_path / "runs")]) == 2
    assert "batch size 3 is smaller than the 4 devices that share it" in capsys.readouterr().err
    assert not sbatch.with_name("sbatch.called").exists()
    assert not any((tmp_path / "runs").glob("*"))


def test_the_script_of_a_run_that_cannot_be_taken_up_so_is_not_printed(config, fake, digits, tmp_path, capsys):
    fake("sbatch", "exit 1")
    run = RunStore(tmp_path / "runs").create(Recipe(exact=True).complete())
    words = ["resume", run.id, "--where", "slurm", "--print-script", "--runs", str(tmp_path / "runs")]
    assert main([*words, "--device", "cuda,cuda"]) == 2
    assert "exact reruns are of one device, not of cuda,cuda" in capsys.readouterr().err
    assert main([*words, "--device", "cuda"]) == 0
    assert " train --device cuda" in capsys.readouterr().out
