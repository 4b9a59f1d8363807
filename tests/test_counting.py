"""What counts in a mean: the first launched run of a seed, with a test of its own weights; what is missing is told."""

import csv
import io
import json
import os

import msgspec
import pytest
from boards import H200, board, run, scores
from folders import finished, make_run, with_test

from cockpit import durable, scoreboard_text, seed_tables, status
from cockpit.kept import KeptRun
from cockpit.scoreboard import make_board
from cockpit.store import RunStore
from cockpit.suite.cost import Pace
from cockpit.suite.plan import Entry, make_plan

FAILED = {"status": "failed", "epoch": 12, "test": None}


def entry(*infos: status.RunInfo) -> Entry:
    """How the row of seed 0 stands in a suite."""
    (found,) = make_plan([seed_tables.seeds_recipe("resnet18", "cifar10")], infos, {}, Pace({}))[0].entries
    return found


def test_a_seed_that_failed_is_told_of_in_row_notes_csv_and_json():
    failed = run(seed=3, **FAILED)
    found = board(run(seed=0), run(seed=1), failed)
    (row,) = found.rows
    assert (row.seeds, scoreboard_text.remarks(row)) == ((0, 1), "1 of 3 seeds failed")
    text = scoreboard_text.markdown(found)
    assert "| 1 of 3 seeds failed |" in text
    assert f"not in the mean: seed 3 failed, epoch 12 of 200 ({failed.id})" in text.replace("\\", "")
    (line,) = csv.DictReader(io.StringIO(scoreboard_text.encode(found, "csv").decode()))
    assert (line["remarks"], line["absent_seeds"], line["absent_runs"]) == ("1 of 3 seeds failed", "3", failed.id)
    (absent,) = json.loads(scoreboard_text.encode(found, "json"))["rows"][0]["absent"]
    assert (absent["run"], absent["seed"], absent["standing"]) == (failed.id, 3, "failed, epoch 12 of 200")


def test_every_run_that_does_not_count_is_counted_once():
    infos = [
        run(seed=0, number=1, **FAILED),
        run(seed=0, number=2),
        run(seed=1, status="running", epoch=5, test=None),
        run(seed=2, test=None),
        run(seed=3, number=3, status="lost", epoch=2, test=None),
        run(seed=3, number=4, **FAILED),
    ]
    found = board(*infos)
    assert scoreboard_text.remarks(found.rows[0]).split(", ") == [
        "1 of 4 seeds running",
        "1 of 4 seeds not tested",
        "1 of 4 seeds failed",
        "1 more run failed",
        "1 more run lost",
    ]
    assert len(found.rows[0].absent) == 5


def test_a_network_that_has_diverged_counts_and_is_told_of():
    found = board(
        run(seed=0), run(seed=1), run(seed=2, top1=0.1, test=scores(0.1, loss=None, run="x", of_weights=True))
    )
    (row,) = found.rows
    assert (row.seeds, row.diverged) == ((0, 1, 2), (2,))
    assert row.top1 == pytest.approx((0.93 + 0.93 + 0.1) / 3)
    assert scoreboard_text.remarks(row) == "outputs not finite (seed 2)"
    assert "has diverged" in scoreboard_text.markdown(found)


def test_the_first_launched_counts_whatever_its_folder_is_called():
    first, lucky = run(top1=0.91, number=1), run(top1=0.96, number=2, id="0-lucky")
    found = board(lucky, first)
    assert found.rows[0].runs == (first.id,)
    assert [(other.run, other.why_not) for other in found.others] == [("0-lucky", f"repeats seed 0 of {first.id}")]
    assert entry(first, lucky).run == entry(lucky, first).run == first.id


def test_naming_a_run_does_not_make_it_the_first():
    first, second = run(top1=0.91, number=1), run(top1=0.96, number=2)
    found = make_board([second, first], {}, shown={second.id}, whole=False)
    assert found.rows == ()
    assert [other.why_not for other in found.others] == [f"repeats seed 0 of {first.id}"]


def test_a_mean_of_some_seeds_says_that_others_were_left_out():
    infos = [run(seed=0), run(seed=1, top1=0.2)]
    (row,) = make_board(infos, {}, shown={infos[0].id}, whole=False).rows
    assert (row.seeds, scoreboard_text.remarks(row)) == ((0,), "1 of 2 seeds left out")


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ({"dataset": "digits"}, "its test is on digits"),
        ({"images": 359}, "its test is of 359 images, cifar10 has 10,000"),
        ({"run": "someone-elses"}, "its test is of run someone-elses"),
        ({"of_weights": False}, "its test is of other weights"),
    ],
)
def test_a_test_that_is_not_of_these_weights_and_images_does_not_count(of, told):
    info = run()
    assert info.test is not None
    info = msgspec.structs.replace(info, test=msgspec.structs.replace(info.test, **of))
    found = make_board([info], {info.id: H200}, whole=False)
    assert (found.rows, [other.why_not for other in found.others]) == ((), [told])
    assert (entry(info).state, entry(info).detail.partition(";")[0]) == ("untested", told)


def test_weights_prove_their_test_in_a_renamed_folder():
    info = run(id="kept-of-old", test=scores(0.93, run="20251123-141000-resnet18-cifar10-0001", of_weights=True))
    assert board(info).rows[0].runs == ("kept-of-old",)
    assert entry(info).state == "done"


def test_a_listing_compares_the_weights_of_a_test_with_those_that_are_there(tmp_path):
    run = with_test(finished(make_run(RunStore(tmp_path), "20251123-141000-resnet20-digits-0001")))

    def of_weights(of: status.Run = run) -> bool | None:
        test = status.describe(of).test
        assert test is not None
        return test.of_weights

    kept = KeptRun(run.path)
    assert of_weights() is of_weights(kept) is None
    digest = durable.write_checked(run.best_path, b"weights")
    assert of_weights() is of_weights(kept) is False
    report = run.test_report()
    assert report is not None
    run.write_test_report(msgspec.structs.replace(report, sha256=digest))
    assert of_weights() is of_weights(kept) is True
    os.unlink(durable.sidecar_of(run.best_path))
    assert of_weights() is of_weights(kept) is None
