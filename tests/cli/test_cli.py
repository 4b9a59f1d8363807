"""The command line as a person or a script uses it: stdout is data, mistakes are one sentence and exit 2."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from waiting import wait_for

from cockpit import launch, status
from cockpit.cli import main
from cockpit.store import RunStore
from nets import MODELS

TINY = ["--dataset", "tiny", "--epochs", "2", "--batch-size", "16", "--device", "cpu", "--sample-s", "0"]


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    yield folder
    for run in RunStore(folder).list():
        launch.send(run, "kill")


def cockpit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cockpit", *words], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["test"], "name a run, or --model and --dataset"),
        (["test", "nothing"], "unknown run 'nothing'"),
        (["test", "--model", "resnet50", "--dataset", "cifar10"], "no run of resnet50 on cifar10"),
        (["stop", "nothing"], "unknown run 'nothing'"),
        (["resume", "../x"], "unknown run '../x'"),
        (["watch"], "unknown run 'last'"),
        (["runs", "show", "nothing"], "unknown run 'nothing'"),
        (["runs", "rm", "nothing"], "unknown run 'nothing'"),
        (["runs", "rm"], "name the runs to delete"),
    ],
)
def test_runs_that_are_not_there(runs, data_dir, capsys, words, sentence):
    assert main([*words, "--runs", str(runs)]) == 2
    assert sentence in capsys.readouterr().err
    assert not runs.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--exact"], "exact reruns are of one device, not of cpu,cpu; leave out --exact, or name one device"),
        (["--way", "graph"], "way is graph, but several devices step eagerly; take --way auto, or one device"),
        (["--batch-size", "1"], "batch size 1 is smaller than the 2 devices that share it; take at least 2, or fewer"),
    ],
)
def test_what_several_devices_cannot_do(runs, capsys, words, sentence):
    assert main(["train", "--device", "cpu,cpu", *words, "--runs", str(runs)]) == 2
    assert capsys.readouterr().err.startswith(f"cockpit: {sentence}")
    assert not runs.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data", "get", "nothing"], "unknown dataset 'nothing'"),
        (["data", "import", "cifar10", "nowhere"], "nowhere"),
        (["data", "import", "Bad/Name", "."], "dataset name 'Bad/Name' is not usable"),
    ],
)
def test_datasets_that_are_not_there(data_dir, capsys, words, sentence):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err
    assert not data_dir.exists()


def test_an_unknown_command_exits_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["launch"])
    assert caught.value.code == 2


@pytest.mark.parametrize("words", [[], ["train"], ["runs"], ["runs", "rm"], ["data"], ["data", "import"], ["models"]])
def test_help_of_every_command(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    assert "usage: cockpit" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["runs"], ["queue"], ["models"], ["data"]])
def test_help_says_what_a_group_alone_does(capsys, words):
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    help_text = capsys.readouterr().out
    assert f"(default: {'list' if words else 'ui'})" in help_text
    assert "(required)" not in help_text


def test_the_version_names_what_a_report_must_name():
    code = "import sys; from cockpit.cli import main; main(['--version']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"cockpit \d+\.\d+\.\d+, Python 3\.\d+\.\d+, torch \S+( \S+)?\n", done.stdout)


def test_listings_as_json(runs, data_dir, capsys):
    assert main(["runs", "--json", "--runs", str(runs)]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert len(models) == len(MODELS)
    resnet18 = {m["name"]: m for m in models}["resnet18"]
    assert {"params": 11173962, "year": 2015, "arxiv": "1512.03385"}.items() <= resnet18.items()
    assert {"dataset": "cifar10", "source": "seed", "top1": 0.9034}.items() <= resnet18["published"][0].items()
    assert main(["data", "--json"]) == 0
    listed = {d["name"]: d for d in json.loads(capsys.readouterr().out)}
    digits = {"title": "Handwritten digits", "classes": 10, "train_images": 1438, "test_images": 359, "ready": True}
    assert digits.items() <= listed["digits"].items()
    assert not listed["cifar10"]["ready"]


def test_models_show_takes_a_network_apart(capsys):
    assert main(["models", "show", "resnet18", "--classes", "100", "--depth", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in shown["parts"]] == ["resnet18", "stem", "units", "head"]
    assert sum(stage["params"] for stage in shown["stages"]) == shown["parts"][0]["params"] == 11220132
    assert main(["models", "show", "resnet18"]) == 0
    said = capsys.readouterr()
    assert "512 × 4 × 4" in said.out
    assert "11,173,962" in said.out
    assert "1512.03385" in said.err
    assert main(["models", "show", "resnet19"]) == 2
    assert "resnet18" in capsys.readouterr().err


@pytest.mark.slow
def test_the_runs_folder_is_found_by_flag_before_or_after_and_by_environment(runs, tiny, capsys, monkeypatch):
    main(["train", *TINY, "--detach", "--runs", str(runs)])
    run_id = capsys.readouterr().out.strip()
    main(["--runs", str(runs), "runs", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["id"] == run_id
    monkeypatch.setenv("COCKPIT_RUNS", str(runs))
    main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["id"] == run_id
    wait_for(lambda: status.describe(RunStore(runs).get(run_id)).status == "finished")


def test_train_test_and_listing_tell_the_same(runs, tiny):
    trained = cockpit("train", *TINY, "--json", "--runs", str(runs))
    assert trained.returncode == 0, trained.stderr
    assert "epoch 2/2" in trained.stderr
    info = json.loads(trained.stdout)
    keys = {"id", "path", "status", "model", "dataset", "epoch", "epochs", "best_val_acc", "best_epoch", "test"}
    assert keys <= set(info)
    assert (info["status"], info["epoch"], info["epochs"]) == ("finished", 2, 2)
    by_id = cockpit("test", info["id"], "--json", "--device", "cpu", "--runs", str(runs))
    by_pair = cockpit(
        "test", "--model", "resnet20", "--dataset", "tiny", "--json", "--devices", "cpu,cpu", "--runs", str(runs)
    )
    assert "one device tests" not in by_id.stderr
    assert "one device tests: cpu, the first of cpu,cpu" in by_pair.stderr
    for tested in (json.loads(by_id.stdout), json.loads(by_pair.stdout)):
        assert {"run", "checkpoint", "images", "top1", "top5", "loss"} <= set(tested)
        assert (tested["run"], tested["images"]) == (info["id"], 40)
        assert {key: tested[key] for key in info["test"] if key != "of_weights"} | {"of_weights": True} == info["test"]
    listed = json.loads(cockpit("runs", "--json", "--runs", str(runs)).stdout)
    assert [row["id"] for row in listed] == [info["id"]]
    shown = json.loads(cockpit("runs", "show", "last", "--json", "--runs", str(runs)).stdout)
    assert shown["recipe"]["batch_size"] == 16
    assert len(shown["launches"]) == 1
    removed = cockpit("runs", "rm", info["id"], "--json", "--runs", str(runs))
    assert json.loads(removed.stdout) == [info["id"]]
    assert os.listdir(runs) == []


@pytest.mark.slow
def test_ctrl_c_stops_with_a_checkpoint_and_resume_goes_on(runs, tiny):
    words = [sys.executable, "-m", "cockpit", "train", *TINY, "--epochs", "6", "--json", "--runs", str(runs)]
    follower = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    store = RunStore(runs)
    wait_for(lambda: store.list() and store.list()[0].tail().step)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=60)
    assert follower.returncode == 1, err
    assert json.loads(out)["status"] == "stopped"
    assert "checkpoint saved" in err
    resumed = cockpit("resume", "last", "--json", "--device", "cpu", "--runs", str(runs))
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "finished"
    again = cockpit("resume", "last", "--runs", str(runs))
    assert again.returncode == 2
    assert "is finished, so there is nothing to resume" in again.stderr


@pytest.mark.slow
def test_a_second_ctrl_c_kills_a_trainer_that_does_not_heed_the_first(runs, tiny):
    words = [sys.executable, "-m", "cockpit", "train", *TINY, "--epochs", "500", "--runs", str(runs)]
    follower = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert follower.stderr is not None
    store = RunStore(runs)
    wait_for(lambda: store.list() and store.list()[0].tail().step)
    run = store.list()[0]
    os.kill(run.launches()[-1].pid, signal.SIGSTOP)
    follower.send_signal(signal.SIGINT)
    assert any("Ctrl-C again kills it" in line for line in follower.stderr)
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=60)
    assert follower.returncode == 1
    assert f"cockpit resume {run.id} continues it" in err
    assert status.describe(run).status == "lost"


@pytest.mark.slow
def test_stop_waits_until_it_is_heeded_and_watch_follows(runs, tiny, capsys):
    assert main(["train", *TINY, "--epochs", "500", "--detach", "--runs", str(runs)]) == 0
    run = RunStore(runs).get(capsys.readouterr().out.strip())
    wait_for(lambda: run.tail().step)
    watcher = subprocess.Popen(
        [sys.executable, "-m", "cockpit", "watch", run.id, "--runs", str(runs)], stderr=subprocess.PIPE, text=True
    )
    assert main(["stop", run.id, "--json", "--runs", str(runs)]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "stopped"
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 1
    assert "stopped" in err
    assert main(["stop", run.id, "--runs", str(runs)]) == 2
    assert "is not running" in capsys.readouterr().err


def test_the_cockpit_without_a_terminal_says_so(runs):
    alone = cockpit("--runs", str(runs))
    assert alone.returncode == 2
    assert "needs a terminal" in alone.stderr
