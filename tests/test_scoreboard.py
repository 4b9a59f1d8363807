"""Own results beside the published ones: what counts, mean and spread, what beats what. Pure but for the last tests."""

import csv
import io
import json
import socket
import statistics
import sys
from pathlib import Path

import msgspec
import pytest
from boards import H200, board, run, scores
from reference import keep

from cockpit import liveness, provenance, scoreboard, scoreboard_text, status
from cockpit.provenance import Provenance
from cockpit.scoreboard import Board, judge, make_board
from cockpit.store import Run


def test_without_runs_all_of_the_tables_was_not_run():
    found = board(whole=True)
    assert len(found.rows) == 54
    assert {row.standing for row in found.rows} == {"not run"}
    assert [row.dataset for row in found.rows] == ["cifar10"] * 27 + ["cifar100"] * 27
    assert scoreboard_text.markdown(board()) == "No run was tested yet.\n"


def test_mean_and_spread_are_over_the_seeds():
    tops = [0.93, 0.94, 0.945]
    (row,) = board(*(run(seed=seed, top1=top1) for seed, top1 in enumerate(tops))).rows
    assert row.seeds == (0, 1, 2)
    assert row.top1 == pytest.approx(statistics.fmean(tops))
    assert row.top1_spread == pytest.approx(statistics.stdev(tops))
    assert row.elapsed_s == pytest.approx(3601)
    assert len(row.runs) == 3


def test_a_single_run_has_no_spread():
    (row,) = board(run()).rows
    assert (row.top1, row.top1_spread, row.seeds) == (0.93, None, (0,))
    assert "single run" in scoreboard_text.markdown(board(run()))


def test_of_two_runs_of_a_seed_the_first_counts_not_the_better():
    found = board(run(top1=0.92, number=1), run(top1=0.95, number=2))
    assert found.rows[0].top1 == 0.92
    assert [other.why_not for other in found.others] == [f"repeats seed 0 of {found.rows[0].runs[0]}"]


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [
        (0.9035, None, "above"),
        (0.9033, None, "below"),
        (0.90342, None, "level"),
        (0.9134, 0.005, "above"),
        (0.9064, 0.005, "level"),
        (0.8990, 0.005, "level"),
        (0.8900, 0.005, "below"),
    ],
)
def test_what_is_within_the_spread_is_level(mean, spread, verdict):
    assert judge(mean, spread, 0.9034) == verdict


def test_marks_stand_beside_both_published_figures():
    (row,) = board(run(top1=0.92)).rows
    assert row.seed_figure is not None
    assert row.peer_figure is not None
    assert (row.seed_figure.top1, row.seed_figure.verdict) == (0.9034, "above")
    assert (row.peer_figure.top1, row.peer_figure.verdict) == (0.9302, "below")
    text = scoreboard_text.markdown(board(run(top1=0.92)))
    assert "90.34 ▲" in text
    assert "93.02 ▼" in text


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"change": {"epochs": 3}}, "epochs 3"),
        ({"change": {"precision": "bf16"}}, "precision bf16"),
        ({"status": "stopped", "epoch": 150}, "stopped at epoch 150 of 200"),
        ({"test": scores(0.9, epoch=120)}, "tested at epoch 120, its best is 180"),
        ({"recipe": None}, "its recipe cannot be read"),
    ],
)
def test_what_does_not_count_stands_apart_with_the_reason(more, why):
    found = board(run(**more))
    assert found.rows == ()
    assert found.others[0].why_not.startswith(why)
    assert "▲" not in scoreboard_text.markdown(found)


def test_an_untested_run_counts_nowhere_and_is_told_of_in_its_row():
    infos = [
        run(status="running", epoch=12, test=None),
        run("resnet34", status="waiting", epoch=0, test=None),
        run("resnet101", test=None),
    ]
    rows = {row.model: row.standing for row in board(*infos, whole=True).rows if row.dataset == "cifar10"}
    assert rows["resnet18"] == "running, epoch 12 of 200"
    assert rows["resnet34"] == "waiting"
    assert rows["resnet101"] == "finished, its best checkpoint not tested"
    assert rows["resnet50"] == "not run"


def test_time_and_speed_are_of_one_kind_of_hardware_or_left_out():
    infos = [run(seed=0, number=2), run(seed=1, number=1)]
    a100 = msgspec.structs.replace(H200, devices=("NVIDIA A100",))
    (row,) = make_board(infos, {infos[0].id: H200, infos[1].id: a100}, whole=False).rows
    assert (row.elapsed_s, row.img_per_s, row.devices) == (None, None, ("NVIDIA A100", "NVIDIA H200"))
    (row,) = make_board(infos, {info.id: H200 for info in infos}, whole=False).rows
    assert row.img_per_s == 40_000


def test_a_cpu_is_that_of_a_machine_and_a_card_is_one_of_its_kind():
    assert Provenance(devices=("cpu",), hosts=("a",)).key != Provenance(devices=("cpu",), hosts=("b",)).key
    assert H200.key == msgspec.structs.replace(H200, hosts=("b",)).key
    assert provenance.title_of("cuda:1 NVIDIA H200") == "NVIDIA H200"
    assert provenance.title_of("cuda:0 NVIDIA H200", "cuda:0,cuda:1") == "2 × NVIDIA H200"
    assert provenance.title_of("cuda:0 NVIDIA H200 (1 of 4)", "cuda,cuda") == "4 × NVIDIA H200", "of two nodes"
    assert provenance.title_of("cpu (1 of 2)", "cpu,cpu") == "2 × cpu"


def test_csv_has_a_line_for_each_row_with_the_folders():
    infos = [run(seed=0), run(seed=1), run("resnet34", change={"epochs": 3})]
    rows = [*csv.DictReader(io.StringIO(scoreboard_text.encode(board(*infos, whole=True), "csv").decode()))]
    assert len(rows) == 55
    (counted,) = [row for row in rows if row["kind"] == "counted"]
    assert counted["runs"].split() == [infos[0].id, infos[1].id]
    assert (counted["n"], counted["seed_verdict"], counted["commit"]) == ("2", "above", "0123456789ab+")
    assert rows[-1]["kind"] == "other"
    assert rows[-1]["recipe"] == "epochs 3 · warmup_epochs 10.0"
    assert rows[-1]["runs"] == infos[2].id


def test_json_reads_back():
    made = board(run(), run("vgg16_bn", change={"epochs": 3}), whole=True)
    assert msgspec.json.decode(scoreboard_text.encode(made, "json"), type=Board) == made
    assert json.loads(scoreboard_text.encode(made, "json"))["results"][0]["made"]["devices"] == ["NVIDIA H200"]


def test_text_from_outside_stays_text_in_markdown():
    hostile = "a|b\n# big [x](javascript:1) <script> `c` \x1b[31m"
    made = msgspec.structs.replace(H200, devices=(hostile,), versions=(hostile,), commits=(hostile,))
    text = scoreboard_text.markdown(board(run(model="resnet18"), run("vgg16_bn", change={"epochs": 3}), made=made))
    assert "\x1b" not in text
    assert "\n# big" not in text
    assert "<script>" not in text.replace("\\<", "")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {12, 10}
    assert "vgg16_bn" in text


def test_the_standing_of_a_real_run(tiny_run):
    info, made = status.describe(tiny_run), provenance.trace(tiny_run)
    assert made.devices == ("cpu",)
    assert made.hosts == (liveness.host_name(),)
    assert made.img_per_s
    assert any(version.startswith("torch ") for version in made.versions)
    found = scoreboard.make_board([info], {info.id: made})
    (result,) = found.others
    assert result.run == tiny_run.id
    assert "batch_size 16" in result.why_not


def test_a_run_that_is_kept_for_good_tells_the_same_and_nothing_of_its_machine(tiny_run, tmp_path):
    before, after = status.describe(tiny_run), status.describe(Run(keep(tiny_run.path, tmp_path)))
    assert before.test is not None
    assert before.test.of_weights is True
    told = msgspec.structs.replace(before.test, of_weights=None)
    assert (after.status, after.test, after.recipe) == ("finished", told, before.recipe)
    files = [*Path(after.path).iterdir()]
    assert sorted(file.name for file in files) == ["launches.jsonl", "metrics.jsonl", "recipe.json", "test.json"]
    whole = b"".join(file.read_bytes() for file in files).decode()
    for secret in (str(tiny_run.path.parent), f'"{socket.gethostname()}"', sys.executable, liveness.boot_id(), "/"):
        assert secret not in whole
    made = provenance.trace(Run(Path(after.path)))
    assert made == msgspec.structs.replace(provenance.trace(tiny_run), hosts=())


def test_what_cannot_be_read_is_unknown(tmp_path):
    home = tmp_path / "20261126-120000-resnet18-cifar10-0000"
    home.mkdir()
    (home / "launches.jsonl").write_bytes(b"\xff\n[[[\n")
    assert provenance.trace(Run(home)) == Provenance()
