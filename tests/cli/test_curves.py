"""Curves, comparisons and alarms on the command line are those of the screens."""

import csv
import json
import math
import os
import pty
import subprocess
import sys

import generator
import numpy as np
import pytest
from folders import (
    device,
    epoch_record,
    finished,
    imported,
    launched,
    live,
    make_run,
    phase,
    step,
    with_test,
    write,
)

from cockpit import liveness, records, status
from cockpit.cli import main
from cockpit.cli.follow import Watchman
from cockpit.cli.reading import read_series
from cockpit.recipe import usual_recipe
from cockpit.series.smoothing import ema
from cockpit.store import Run, RunStore

FIRST, SECOND = "20251123-141000-resnet20-digits-0001", "20251123-150000-resnet20-digits-0002"


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def trained(store, run_id: str = FIRST, *, epochs: int = 4, **chosen):
    """Make a run that stopped after some epochs, by a trainer that learns."""
    recipe = usual_recipe("resnet20", "digits", "seed", epochs=10, **chosen)
    run = make_run(store, run_id, recipe)
    trainer = generator.Trainer(recipe.complete(), samples_per_epoch=4)
    run.append_launch(trainer.launch())
    lines: list = [trainer.phase("running")]
    for _ in range(4 * epochs):
        lines += trainer.sample()
    write(run, *lines, trainer.phase("stopped"))
    return run


def said(store, capsys, *words: str) -> str:
    assert main([*words, "--runs", str(store.root)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("x", ["epoch", "step", "time"])
def test_curves_as_json_are_the_records(store, capsys, x):
    run = trained(store)
    out = json.loads(said(store, capsys, "curves", "last", "--metric", "loss,val_acc", "--x", x, "--json"))
    assert (out["run"], out["x"], list(out["curves"])) == (run.id, x, ["loss", "val_acc"])
    for metric in ("loss", "val_acc"):
        curve = read_series(run).curve(metric, x)
        assert out["curves"][metric] == {"x": curve.x.tolist(), "y": curve.y.tolist()}


def test_curves_as_csv_have_a_row_a_point_and_the_average_beside_it(store, capsys):
    run = trained(store)
    rows = list(csv.DictReader(said(store, capsys, "curves", FIRST, "--smooth", "medium").splitlines()))
    assert rows[0].keys() == {"metric", "epoch", "value", "smoothed"}
    losses = [float(row["value"]) for row in rows if row["metric"] == "loss"]
    assert losses == read_series(run).curve("loss").y.tolist()
    smoothed = [float(row["smoothed"]) for row in rows if row["metric"] == "loss"]
    np.testing.assert_allclose(smoothed, ema(np.array(losses), 8))


def test_a_loss_that_is_not_a_number_is_null_and_nan(store, capsys):
    run = launched(make_run(store, FIRST))
    write(run, step(1.0), step(2.0, loss=None))
    out = json.loads(said(store, capsys, "curves", FIRST, "--metric", "loss", "--json"))
    assert out["curves"]["loss"]["y"] == [1.25, None]
    rows = list(csv.reader(said(store, capsys, "curves", FIRST, "--metric", "loss", "--csv").splitlines()))
    assert math.isnan(float(rows[-1][2]))


def test_curves_on_a_terminal_are_charts(store):
    trained(store)
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "cockpit", "curves", FIRST, "--runs", str(store.root)]
    process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "80"})
    os.close(slave)
    out = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        out += chunk
    os.close(master)
    assert process.wait(60) == 0
    text = out.decode()
    assert "val_loss" in text
    assert "top-1" in text
    assert "⠤" in text or "⠉" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--metric", "accuracy"], "--metric 'accuracy' is none of loss, acc, lr, train_loss"),
        (["--x", "hours"], "--x 'hours' is none of epoch, step, time"),
        (["--smooth", "a lot"], "--smooth 'a lot' is none of off, light, medium, strong"),
        (["--csv", "--json"], "--csv and --json cannot both be printed; take one"),
    ],
)
def test_mistakes_name_the_value_and_the_choices(store, capsys, words, sentence):
    trained(store)
    assert main(["curves", FIRST, *words, "--runs", str(store.root)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_comparison_has_only_what_differs_and_what_was_reached(store, capsys):
    runs = [trained(store, FIRST), with_test(trained(store, SECOND, epochs=6, lr=0.05))]
    out = json.loads(said(store, capsys, "compare", FIRST, SECOND, "--json"))
    assert out["differing"] == {"lr": ["0.1", "0.05"]}
    assert [row["id"] for row in out["runs"]] == [FIRST, SECOND]
    for run, row in zip(runs, out["runs"], strict=True):
        series, info = read_series(run), status.describe(run)
        assert row["best_val_acc"] == info.best_val_acc
        assert row["final_val_loss"] == series.curve("val_loss").y[-1]
        assert row["elapsed_s"] == info.elapsed_s
    assert out["runs"][1]["test"]["top1"] == 0.972
    table = said(store, capsys, "compare", FIRST, SECOND)
    assert "0.05" in table
    assert "weight_decay" not in table
    assert "97.20%" in table


def test_the_device_is_named_by_its_card(store, capsys):
    run = launched(make_run(store, FIRST), device="cuda:0")
    card = records.Device(time=1.0, name="cuda:0 NVIDIA H200")
    write(run, phase("running"), card)
    trained(store, SECOND)
    host = liveness.host_name()
    assert f"device  NVIDIA H200 (cuda:0) on {host}\n" in said(store, capsys, "runs", "show", FIRST)
    assert f"device  cpu on {host}\n" in said(store, capsys, "runs", "show", SECOND)
    assert json.loads(said(store, capsys, "runs", "show", FIRST, "--json"))["device"] == "NVIDIA H200"
    assert "NVIDIA H200" in said(store, capsys, "compare", FIRST, SECOND)
    found = json.loads(said(store, capsys, "compare", FIRST, SECOND, "--json"))["runs"]
    assert [row["device"] for row in found] == ["NVIDIA H200", "cpu"]


def test_an_imported_run_is_compared_in_what_is_known_of_it(store, capsys):
    run, other = trained(store, FIRST), trained(store, SECOND, lr=0.05)
    same, vgg = imported(store), imported(store, model="vgg16_bn")

    def apart(*runs: Run) -> dict[str, list[str]]:
        return json.loads(said(store, capsys, "compare", *(run.id for run in runs), "--json"))["differing"]

    assert apart(same, run) == {}
    assert apart(vgg, run) == {"model": ["vgg16_bn", "resnet20"]}
    assert apart(run, other, same) == {"lr": ["0.1", "0.05", "?"]}


def test_one_run_twice_is_no_comparison(store, capsys):
    trained(store)
    assert main(["compare", FIRST, "last", "--runs", str(store.root)]) == 2
    assert "name two runs or more to compare" in capsys.readouterr().err


def test_runs_show_tells_what_is_wrong_and_what_helps(store, capsys):
    run = live(make_run(store, FIRST))
    write(run, step(1.0), step(2.0, loss=None))
    out = said(store, capsys, "runs", "show", FIRST)
    assert "alarm  the training loss is not a number any more: stop it and train again with a lower lr than 0.1" in out
    (alarm,) = json.loads(said(store, capsys, "runs", "show", FIRST, "--json"))["alarms"]
    assert (alarm["severity"], alarm["name"]) == ("error", "nan")


def test_runs_show_has_no_alarm_of_a_run_that_ended(store, capsys):
    finished(make_run(store, FIRST), state="failed", detail="loss is NaN")
    assert "alarm  " not in said(store, capsys, "runs", "show", FIRST)
    assert json.loads(said(store, capsys, "runs", "show", FIRST, "--json"))["alarms"] == []


def test_who_watches_is_told_once_when_an_alarm_begins(store):
    run = live(make_run(store, FIRST))
    watchman = Watchman(run)

    def heard(*lines) -> list[str]:
        for line in lines:
            watchman.hear(line)
        return [alarm.name for alarm in watchman.begun(status.describe(run))]

    starved = records.Device(time=0.0, name="cuda:0 NVIDIA H100", busy=0.1)
    assert heard(step(1.0), device(), epoch_record(1)) == []
    assert heard(*[starved] * 10) == ["starved"]
    assert heard(step(2.0, loss=None)) == ["nan"]
    assert heard(step(3.0, loss=None), *[starved] * 10) == []


def test_watch_prints_an_alarm_when_it_begins(store):
    trainer = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        import psutil
        from folders import launched_by

        run = launched_by(make_run(store, FIRST), psutil.Process(trainer.pid))
        write(run, step(1.0))
        command = [sys.executable, "-m", "cockpit", "watch", FIRST, "--runs", str(store.root)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stderr is not None
            assert "running" in watching.stderr.readline()
            write(run, step(2.0, loss=None))
            assert watching.stderr.readline().startswith("error: the training loss is not a number any more: stop it")
            trainer.kill()
            trainer.wait()
            assert "error: the trainer is lost" in watching.stderr.read()
    finally:
        trainer.kill()
        trainer.wait()


def test_the_end_of_a_log_is_printed_harmlessly(store, capsys):
    run = finished(make_run(store, FIRST))
    assert main(["log", FIRST, "--runs", str(store.root)]) == 0
    assert "printed nothing yet" in capsys.readouterr().err
    run.log_path.write_text("first\nsecond\n\x1b[31mthird\n")
    assert said(store, capsys, "log", FIRST, "--lines", "2") == "second\n\N{REPLACEMENT CHARACTER}[31mthird\n"
    assert json.loads(said(store, capsys, "log", FIRST, "--json"))["lines"] == ["first", "second", "\x1b[31mthird"]
    assert main(["log", FIRST, "--lines", "0", "--runs", str(store.root)]) == 2
    assert "--lines 0 prints nothing; take 1 or more" in capsys.readouterr().err
