"""The end of a run is told: what a terminal is sent, and the user's command from real runs that end in every way."""

import json
import os
import signal
import sys

import psutil
import pytest
from terminal import Terminal, cockpit_words
from test_life import recipe, wait_for_end, wait_for_step
from waiting import wait_for

from cockpit import afterwards, launch
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.jobscript import write_script
from cockpit.notify import Notify, read_notify, terminal_sequence
from cockpit.status import describe
from cockpit.store import RunStore

TEXT = "resnet20 on digits finished"


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("COCKPIT_CONFIG", str(path))
    for name in ("TMUX", "STY", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def store(tmp_path, tiny):
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        launch.send(run, "kill")


def tell_into(config, folder, more: str = "") -> None:
    """Have the command write what it finds in its environment into a file of the run's name."""
    code = (
        "import json, os; json.dump(dict(os.environ), open(os.environ['OUT'] + '/' + os.environ['COCKPIT_RUN'], 'w'))"
    )
    os.environ["OUT"] = str(folder)
    command = f'{sys.executable} -c "{code}" && echo told $COCKPIT_STATUS{more}'
    config.write_text(f"[notify]\ncommand = '''{command}'''\n")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", Notify()),
        ("bell = true", Notify(bell=True)),
        ("osc = true", Notify(osc=9)),
        ("osc = false", Notify()),
        ("osc = 777\nlimit_s = 5", Notify(osc=777, limit_s=5)),
        ("command = 'say done'", Notify(command="say done")),
    ],
)
def test_the_users_file_says_how(config, table, expected):
    config.write_text(f"[slurm]\nqos = 'low'\n[notify]\n{table}\n")
    assert read_notify() == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[notify]\nbel = true", "unknown setting 'bel' (did you mean bell?)"),
        ("[notify]\nbell = 'yes'", "bell in [notify] of {path} is a text; write true or false"),
        ("[notify]\nosc = 8", "osc in [notify] of {path} is 8; write true, false, 9, 99 or 777"),
        ("[notify]\ncommand = 3", "command in [notify] of {path} is 3; write a command line in quotes"),
        ("[notify]\nlimit_s = 0", "limit_s in [notify] of {path} is 0; write seconds"),
        ("[notify]\nlimit_s = nan", "limit_s in [notify] of {path} is nan; write seconds"),
        ("notify = 1", "notify in {path} is no table; head it with [notify]"),
    ],
)
def test_a_mistake_in_the_users_file_is_one_sentence(config, text, sentence):
    config.write_text(text)
    with pytest.raises(CockpitError) as caught:
        read_notify()
    assert sentence.format(path=config) in str(caught.value)


@pytest.mark.parametrize(
    ("notify", "environment", "expected"),
    [
        (Notify(), {}, ""),
        (Notify(bell=True), {"TMUX": "x"}, "\a"),
        (Notify(osc=9), {}, f"\x1b]9;{TEXT}\a"),
        (Notify(osc=9, bell=True), {}, f"\x1b]9;{TEXT}\a\a"),
        (Notify(osc=99), {}, f"\x1b]99;;{TEXT}\x1b\\"),
        (Notify(osc=777), {}, f"\x1b]777;notify;cockpit;{TEXT}\a"),
        (Notify(osc=9), {"TMUX": "x"}, f"\x1bPtmux;\x1b\x1b]9;{TEXT}\a\x1b\\"),
        (Notify(osc=99), {"TMUX": "x"}, f"\x1bPtmux;\x1b\x1b]99;;{TEXT}\x1b\x1b\\\x1b\\"),
        (Notify(osc=9), {"STY": "x"}, f"\x1bP\x1b]9;{TEXT}\a\x1b\\"),
    ],
)
def test_what_a_terminal_is_sent(notify, environment, expected):
    assert terminal_sequence(notify, TEXT, environment) == expected


def test_a_text_cannot_end_its_sequence():
    sent = terminal_sequence(Notify(osc=777), "a\x1b\\b\ac\nd;e\x9c" + "x" * 999, {})
    assert sent.startswith("\x1b]777;notify;cockpit;a\\bcd,e")
    assert sent.count("\x1b") == sent.count("\a") == 1
    assert len(sent) < 300


def test_the_command_of_a_finished_run_knows_all_of_it(config, store, tmp_path):
    tell_into(config, tmp_path)
    run = store.create(recipe(epochs=1))
    launch.start(run, device="cpu")
    info = wait_for_end(run)
    wait_for(run.notify_log_path.exists, what="the command's output")
    told = json.loads((tmp_path / run.id).read_text())
    report = run.test_report()
    assert report is not None
    expected = {
        "RUN": run.id,
        "RUN_DIR": str(run.path),
        "RUNS": str(store.root),
        "STATUS": "finished",
        "DETAIL": info.detail,
        "MODEL": "resnet20",
        "DATASET": "tiny",
        "EPOCH": "1",
        "EPOCHS": "1",
        "BEST_EPOCH": "1",
        "VAL_ACC": str(info.best_val_acc),
        "TEST_TOP1": str(report.top1),
        "TEST_TOP5": str(report.top5),
        "TEST_LOSS": str(report.loss),
        "MESSAGE": f"resnet20 on tiny finished, test top-1 {report.top1:.2%} ({run.id})",
    }
    assert {name: told[f"COCKPIT_{name}"] for name in expected} == expected
    assert told["PATH"] == os.environ["PATH"]
    assert os.path.realpath(told["PWD"]) == os.path.realpath(os.path.expanduser("~"))
    text = run.notify_log_path.read_text()
    assert "the command of [notify] ended with exit code 0 after" in text
    assert text.endswith("\ntold finished\n")


@pytest.mark.slow
def test_the_command_of_a_stopped_and_of_a_failed_run_says_so(config, store, tmp_path):
    tell_into(config, tmp_path)
    run, failing = store.create(recipe(epochs=100)), store.create(recipe(lr=1e9, warmup_epochs=0.0))
    launch.start(run, device="cpu", sample_s=0)
    wait_for_step(run, 2)
    launch.send(run, "stop")
    launch.start(failing, device="cpu", sample_s=0)
    for one, status in ((run, "stopped"), (failing, "failed")):
        assert wait_for_end(one).status == status
        wait_for(one.notify_log_path.exists, what="the command's output")
        told = json.loads((tmp_path / one.id).read_text())
        assert (told["COCKPIT_STATUS"], told["COCKPIT_TEST_TOP1"]) == (status, "")
        assert told["COCKPIT_DETAIL"] == describe(one).detail


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("exit 7", "exit code 7"),
        pytest.param("no-such-command-at-all", "exit code 127", marks=pytest.mark.slow),
        pytest.param("kill -9 $$", "exit code -9", marks=pytest.mark.slow),
    ],
)
def test_a_failing_command_changes_nothing(config, store, command, outcome):
    config.write_text(f"[notify]\ncommand = '{command}'\n")
    run = store.create(recipe(epochs=1))
    launch.start(run, device="cpu")
    assert wait_for_end(run).status == "finished"
    wait_for(run.notify_log_path.exists, what="the command's outcome")
    assert outcome in run.notify_log_path.read_text()
    assert describe(run).status == "finished"


@pytest.mark.slow
def test_a_command_that_hangs_holds_nothing_up_and_is_killed(config, store, tmp_path):
    pid_file = tmp_path / "pid"
    config.write_text(f"[notify]\ncommand = 'echo $$ > {pid_file}; exec sleep 1000'\nlimit_s = 4\n")
    run = store.create(recipe(epochs=1))
    process = psutil.Process(launch.start(run, device="cpu").pid)
    assert wait_for_end(run).status == "finished"
    wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, what="the trainer's end")
    sleeper = wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), what="the command")
    os.close(run.lock())
    wait_for(run.notify_log_path.exists, what="the end of the command")
    assert "was killed after 4" in run.notify_log_path.read_text()
    assert not psutil.pid_exists(int(sleeper))


def test_output_and_time_are_bounded():
    loud = afterwards.run_command(Notify(command="yes | head -c 10000000"), os.environ)
    assert loud.code == 0
    assert len(loud.output) == afterwards.OUTPUT_BYTES
    background = afterwards.run_command(Notify(command="sleep 600 & echo $!", limit_s=60), os.environ)
    os.kill(int(background.output), signal.SIGKILL)
    assert background.code == 0
    assert background.seconds < 60
    closed = afterwards.run_command(Notify(command="exec >&- 2>&-; sleep 600", limit_s=0.5), os.environ)
    assert closed.code is None


@pytest.mark.slow
def test_a_mistake_in_the_file_fails_no_run(config, store):
    config.write_text("[notify]\ncomand = 'x'\n")
    run = store.create(recipe(epochs=1))
    launch.start(run, device="cpu")
    assert wait_for_end(run).status == "finished"
    wait_for(lambda: "the command of [notify] was not started: " in "\n".join(run.log_tail(5)), what="the log's line")


def test_in_a_slurm_job_the_trainer_waits_for_the_command(config, tmp_path, store):
    config.write_text("[notify]\ncommand = 'echo told'\n")
    run = store.create(recipe())
    afterwards.start(run, {"COCKPIT_STATUS": "stopped"}, {**os.environ, "SLURM_JOB_ID": "1"})
    assert run.notify_log_path.read_text().endswith("told\n")
    assert f"export COCKPIT_CONFIG={config}\n" in write_script("job", run.path, ["true"], {}, [])


@pytest.mark.slow
def test_a_watched_run_rings_the_terminal_at_its_end(config, store):
    config.write_text("[notify]\nbell = true\nosc = true\n")
    run = store.create(recipe(epochs=1))
    launch.start(run, device="cpu", sample_s=0)
    words = [sys.executable, "-m", "cockpit", "watch", run.id, "--runs", str(store.root)]
    with Terminal(*words, columns=200) as terminal:
        assert terminal.wait(60) == 0
        told = f"\x1b]9;{afterwards.sentence(describe(run))}\a\a".encode()
        assert terminal.raw.count(told) == 1
    with Terminal(*words, columns=200) as terminal:
        assert terminal.wait(60) == 0
        assert b"\a" not in terminal.raw, "it was not seen going on"


@pytest.mark.parametrize("tmux", ["", pytest.param("/tmp/tmux,1,0", marks=pytest.mark.slow)])
def test_an_open_cockpit_rings_on_any_screen_and_the_screen_stays_whole(config, store, tmux):
    config.write_text("[notify]\nbell = true\nosc = 777\n")
    run = store.create(recipe(epochs=100))
    launch.start(run, device="cpu", sample_s=0)
    wait_for_step(run, 2)
    with Terminal(*cockpit_words(store.root), env={"TMUX": tmux}) as terminal:
        terminal.wait_for_text("running", 60)
        terminal.press("n")
        terminal.wait_for_text("Network, / finds", 60)
        terminal.wait_for_text("cockpit train --model", 60)
        launch.send(run, "stop")
        assert wait_for_end(run).status == "stopped"
        told = terminal_sequence(Notify(bell=True, osc=777), afterwards.sentence(describe(run)), {"TMUX": tmux})
        wait_for(lambda: told.encode() in terminal.raw, what="the notification")
        assert terminal.raw.count(told.encode()) == 1
        if not tmux:  # pyte draws what tmux would take out
            shown, written = terminal.text(), len(terminal.raw)
            terminal.press("\x0c")  # ctrl+l writes everything again
            wait_for(lambda: len(terminal.raw) > written + 1000, what="the redrawn screen")
            wait_for(lambda: terminal.text() == shown, 20, "the same screen")


def test_the_command_line_shows_and_tries_it(config, capsys):
    assert main(["notify", "--test"]) == 2
    assert f"into {config}" in capsys.readouterr().err
    config.write_text("[notify]\nbell = true\ncommand = 'echo $COCKPIT_STATUS $COCKPIT_TEST_TOP1; exit 3'\n")
    assert main(["notify"]) == 0
    assert "bell  yes" in capsys.readouterr().out
    assert main(["notify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"].startswith("echo")
    assert main(["notify", "--test"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "finished 0.9777\n"
    assert "ended with exit code 3" in shown.err
    assert "stderr is no terminal" in shown.err
    config.write_text("[notify]\nosc = true\n")
    with Terminal(sys.executable, "-m", "cockpit", "notify", "--test") as terminal:
        assert terminal.wait(60) == 0
        assert b"\x1b]9;resnet20 on digits finished, test top-1 97.77% (" in terminal.raw
