"""`cockpit watch` where nothing can be drawn: a line an epoch, and at the end what became of the run."""

import json
import os
import subprocess
import sys
import threading

import psutil
from folders import epoch_record, finished, launched_by, make_run, phase, step, with_test, write
from terminal import Terminal
from waiting import wait_for

from cockpit.cli import main
from cockpit.store import RunStore


def words(store: RunStore, *more: str) -> list[str]:
    return ["watch", "last", *more, "--runs", str(store.root)]


def test_a_line_an_epoch_and_the_result_go_to_stdout(tmp_path, capsys):
    store = RunStore(tmp_path)
    with_test(finished(make_run(store), epochs=3))
    assert main(words(store, "--plain")) == 0
    out, err = capsys.readouterr()
    *epochs, result = out.splitlines()
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/30", "epoch 2/30", "epoch 3/30"]
    assert result == "finished after 3/30 epochs  best val 90.0% @ 1  test top-1 97.20%"
    assert err.splitlines() == ["running: "], "the end is told once"


def test_a_pipe_is_served_so_without_asking(tmp_path, capsys):
    store = RunStore(tmp_path)
    finished(make_run(store), state="failed", detail="out of memory")
    assert main(words(store, "--plain")) == 1
    asked = capsys.readouterr()
    assert main(words(store)) == 1
    assert capsys.readouterr() == asked
    assert asked.out.splitlines()[-1] == "failed after 3/30 epochs  best val 90.0% @ 1  not tested"
    assert asked.err.count("out of memory") == 1
    assert f"{store.list()[0].id}: failed after 3/30 epochs, out of memory" in asked.err


def test_a_terminal_is_told_the_end_once_and_the_epochs(tmp_path):
    store = RunStore(tmp_path)
    run = finished(make_run(store), detail="test top-1 97.20%")
    with Terminal(sys.executable, "-m", "cockpit", *words(store), columns=120) as terminal:
        terminal.wait_for_text(f"{run.id}: finished after 3/30 epochs, test top-1 97.20%")
        assert terminal.raw.count(b"finished") == 1


def test_an_end_before_the_last_is_told(tmp_path, capsys):
    store = RunStore(tmp_path)
    run = make_run(store)
    write(run, phase("stopped", detail="for now"))
    finished(run)
    assert main(words(store, "--plain")) == 0
    assert "stopped: for now" in capsys.readouterr().err


def test_with_json_every_line_is_an_object(tmp_path, capsys):
    store = RunStore(tmp_path)
    run = finished(make_run(store), epochs=2)
    assert main(words(store, "--plain", "--json")) == 0
    *epochs, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(line["kind"], line["epoch"], line["val_acc"]) for line in epochs] == [("epoch", 1, 0.9), ("epoch", 2, 0.9)]
    assert (result["kind"], result["id"], result["status"]) == ("result", run.id, "finished")


def test_json_alone_is_the_run_at_its_end(tmp_path, capsys):
    store = RunStore(tmp_path)
    run = finished(make_run(store))
    assert main(words(store, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["id"] == run.id


def test_a_line_comes_when_its_epoch_is_done(tmp_path):
    store = RunStore(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as trainer:
        run = launched_by(make_run(store), psutil.Process(trainer.pid))
        with subprocess.Popen(
            [sys.executable, "-m", "cockpit", *words(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watcher:
            stdout = watcher.stdout
            assert stdout is not None
            lines: list[str] = []
            reader = threading.Thread(target=lambda: lines.extend(iter(stdout.readline, "")))
            reader.start()
            for epoch in (1, 2):
                write(run, step(epoch - 0.5), epoch_record(epoch))
                wait_for(lambda epoch=epoch: len(lines) == epoch, what="the line of an epoch")
            write(run, phase("stopped", detail="stopped by a signal"))
            trainer.communicate(b"\n")
            assert watcher.wait(30) == 1
            reader.join()
    assert lines[-1].startswith("stopped after 2/30 epochs")


def test_a_dumb_terminal_is_sent_no_codes(tmp_path):
    store = RunStore(tmp_path)
    finished(make_run(store))
    command = [sys.executable, "-m", "cockpit", *words(store)]
    with Terminal(*command, env={"TERM": "dumb", "PATH": os.environ["PATH"]}) as terminal:
        terminal.wait_for_text("finished after 3/30 epochs")
        assert b"\x1b" not in terminal.raw
