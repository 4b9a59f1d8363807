"""The test report on the screen: its sections at every size, its keys, and what stands there when there is none."""

import json
import re

import msgspec
import numpy as np
import pytest
from folders import finished, make_run, screen_text, settle, toasts, with_test
from predicted import make_predictions, with_predictions

from cockpit import datasets
from cockpit.tui.actions import KeyBar
from cockpit.tui.ask_path import AskPathScreen
from cockpit.tui.classify import ClassifyScreen
from cockpit.tui.mistakes import Mistakes
from cockpit.tui.pictures import Picture
from cockpit.tui.report import ReportScreen
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen

RUN_ID = "20251123-141000-resnet20-digits-0001"
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def run(store, digits):
    """A run on the digits whose guesses are random, on the labels of the real test images."""
    labels = datasets.load_packed("digits", "test").labels
    predictions = make_predictions(0, len(labels), tuple("0123456789"), labels)
    return with_predictions(finished(make_run(store, RUN_ID)), predictions, "digits")


@pytest.fixture
def run100(store):
    """A run on CIFAR-100 with random guesses; its images are not here."""
    predictions = make_predictions(0, 2_000, datasets.DATASETS["cifar100"].classes)
    return with_predictions(finished(make_run(store, RUN_ID)), predictions, "cifar100")


async def opened(app, pilot, run, expected: str = "top-1"):
    app.open_report(run)
    await settle(pilot, lambda: isinstance(app.screen, ReportScreen) and expected in screen_text(app), expected)


async def test_v_opens_the_report_from_runs_and_run_and_escape_returns(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: app.screen._look.complete)
        await pilot.press("v")
        await settle(pilot, lambda: "top-1" in screen_text(app) and isinstance(app.screen, ReportScreen))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "finished" in screen_text(app))
        await pilot.press("v")
        await settle(pilot, lambda: isinstance(app.screen, ReportScreen) and "ECE" in screen_text(app))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("1", "1 classes"),
        ("2", " → "),
        ("3", "the better calibrated"),
        ("4", "taken for"),
        ("5", "another class of it"),
    ],
)
async def test_each_section_has_a_number_and_fits_80_columns(app, run100, key, expected):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run100)
        await pilot.press(key)
        await pilot.press("end")
        await settle(pilot, lambda: expected in screen_text(app), expected)


@pytest.mark.parametrize("grouped", [True, False])
async def test_superclasses_are_offered_where_there_are_any(app, request, grouped):
    run = request.getfixturevalue("run100" if grouped else "run")
    async with app.run_test(size=(200, 45)) as pilot:
        await opened(app, pilot, run)
        keys = str(app.screen.query_one(KeyBar).content)
        assert "4 mistakes" in keys
        assert ("5 superclasses" in keys) == grouped


async def test_tab_goes_round_the_sections(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        seen = []
        for _ in range(4):
            await pilot.press("tab")
            await pilot.pause()
            seen.append(app.screen._chosen)
        assert seen == ["confusion", "calibration", "mistakes", "classes"]
        await pilot.press("shift+tab")
        await pilot.pause()
        assert app.screen._chosen == "mistakes"
        await pilot.press("5")
        assert "digits has no superclasses" in toasts(app)


async def test_the_order_of_classes_is_remembered(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, " 9     ━")
        by_accuracy = screen_text(app)
        await pilot.press("o")
        await settle(pilot, lambda: screen_text(app) != by_accuracy)
        firsts = [line[1] for line in screen_text(app).splitlines()[4:14]]
        assert firsts == list("0123456789")
        assert app.remembered.get("report lowest first", True) is False


async def test_the_confusion_reads_without_colour(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("2")
        predictions = run.predictions(run.test_report())
        of_zero = predictions.guesses[predictions.labels == 0, 0]
        shares = [(of_zero == guess).mean() for guess in range(10)]
        expected = ["·" if not share else "<1" if share < 0.01 else f"{100 * share:.0f}" for share in shares]
        await settle(pilot, lambda: "% of the class ↓ taken for →" in screen_text(app))
        row = next(line for line in screen_text(app).splitlines() if line.startswith(" 0 "))
        assert row.split()[1:11] == expected


async def test_left_and_right_turn_the_mistakes(app, run):
    predictions = run.predictions(run.test_report())
    num_mistakes = int((predictions.guesses[:, 0] != predictions.labels).sum())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("right")
        await settle(pilot, lambda: f"mistake 1 of {num_mistakes}" in screen_text(app))
        first = [strip.text for strip in app.screen.query_one("#mistake-picture", Picture)._strips]
        assert len(first) == 16
        await pilot.press("right")
        await settle(pilot, lambda: f"mistake 2 of {num_mistakes}" in screen_text(app))
        await pilot.press("left", "left")
        await settle(pilot, lambda: f"mistake 1 of {num_mistakes}" in screen_text(app))
        assert "✓" in screen_text(app) or "not among the five" in screen_text(app)


@SIZES
async def test_room_is_used(app, run100, size):
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, run100)
        await settle(pilot, lambda: size[0] < 140 or "not on this machine" in screen_text(app))
        shown = [section.id for section in app.screen.query(".section") if section.display]
        four = ["classes", "confusion", "calibration", "mistakes"]
        assert shown == {80: ["classes"], 160: four, 200: [*four, "groups"]}[size[0]]
        await pilot.press("2")
        await settle(pilot, lambda: [s.id for s in app.screen.query(".section") if s.display] == ["confusion"])
        await pilot.press("2" if size[0] > 80 else "1")
        await settle(pilot, lambda: "accuracy" in screen_text(app))


async def test_several_mistakes_are_seen_where_there_is_room(app, run):
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("4")
        await settle(pilot, lambda: len(app.screen.query("Thumb")) == 16)
        await pilot.press("right", "right")
        await settle(pilot, lambda: "mistake 3 of" in screen_text(app))
        await pilot.click(app.screen.query("Thumb")[5])
        await settle(pilot, lambda: "mistake 6 of" in screen_text(app))
        assert "▸" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: not app.screen.query("Thumb"))
        assert app.screen.query_one(Mistakes).display


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda run: run.test_path.unlink(), "is not tested yet."),
        (with_test, "kept no result of each image"),
        (lambda run: run.predictions_path.write_bytes(b"\xff" * 100), "is not of the test in test.json"),
        (lambda run: run.predictions_path.unlink(), "cannot be read"),
        (lambda run: run.test_path.write_text("[]"), "is not a test result"),
    ],
    ids=["untested", "older", "stale", "gone", "damaged"],
)
async def test_a_run_without_a_report_says_why_and_that_t_tests_it(app, run, spoil, sentence):
    spoil(run)
    async with app.run_test(size=(120, 24)) as pilot:
        await opened(app, pilot, run, "t tests its best checkpoint")
        assert sentence in " ".join(screen_text(app).split())
        for key in ("1", "2", "3", "4", "5", "tab", "left", "right", "o", "up", "down"):
            await pilot.press(key)
        assert "t tests its best checkpoint" in screen_text(app)
        await pilot.press("x")
        await settle(pilot, lambda: "no report to export yet" in toasts(app))


async def test_an_older_test_shows_its_figures(app, run):
    with_test(run, top1=0.972)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run, "t tests its best checkpoint")
        assert "top-1 97.2 % · top-5 99.9 % · epoch 1 · loss 0.103 · 359 images" in screen_text(app)


async def test_hostile_predictions_are_refused_on_the_screen(app, run):
    predictions = make_predictions(0, 40, tuple("0123456789"))
    with_predictions(run, predictions._replace(guesses=np.full((40, 5), 60_000)), "digits")
    async with app.run_test(size=(120, 24)) as pilot:
        await opened(app, pilot, run, "classes without a name")


async def test_hostile_class_names_are_shown_literally(app, run):
    names = ("[/x]", "\x1b[2J", "[red]a[/red]", "\u202eb", "名" * 300, *"56789")
    with_predictions(run, make_predictions(0, 400, names), "digits")
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(app, pilot, run)
        await settle(pilot, lambda: "[red]a[/red]" in screen_text(app))
        for key in "12345":
            await pilot.press(key)
            await pilot.pause()
        assert "\x1b" not in screen_text(app)
        assert app.is_running


async def test_images_of_another_dataset_are_not_shown_for_these(app, run):
    with_predictions(run, make_predictions(0, 400, tuple("0123456789")), "digits")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("4")
        await settle(pilot, lambda: "are others than those of this test" in " ".join(screen_text(app).split()))
        assert not app.screen.query_one("#mistake-picture").display


async def test_x_writes_everything_into_a_folder(app, run, tmp_path):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("x")
        await settle(pilot, lambda: isinstance(app.screen, AskPathScreen))
        await pilot.press("ctrl+u", *str(tmp_path / "out"), "enter")
        await settle(pilot, lambda: "report.png" in toasts(app))
    found = json.loads((tmp_path / "out/report.json").read_text())
    assert found["top1"] == run.test_report().top1
    assert len(found["classes"]) == 10
    lines = (tmp_path / "out/confusion.csv").read_text().splitlines()
    assert sum(int(line.rpartition(",")[2]) for line in lines[1:]) == 359
    assert (tmp_path / "out/report.png").read_bytes().startswith(b"\x89PNG")


async def test_what_is_there_already_is_not_written_over(app, run, tmp_path):
    (tmp_path / "classes.csv").write_text("mine")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("x")
        await settle(pilot, lambda: isinstance(app.screen, AskPathScreen))
        await pilot.press("ctrl+u", *str(tmp_path), "enter")
        await settle(pilot, lambda: "classes.csv already" in toasts(app))
    assert (tmp_path / "classes.csv").read_text() == "mine"
    assert not (tmp_path / "report.json").exists()


async def test_a_path_that_cannot_be_written_is_said(app, run, tmp_path):
    (tmp_path / "file").write_text("")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("x")
        await settle(pilot, lambda: isinstance(app.screen, AskPathScreen))
        await pilot.press("ctrl+u", *str(tmp_path / "file"), "enter")
        await settle(pilot, lambda: "is no folder; choose another place" in toasts(app))
        await pilot.press("x", "escape")
        await settle(pilot, lambda: isinstance(app.screen, ReportScreen))


async def test_i_opens_the_question_for_an_image(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, ClassifyScreen))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, ReportScreen))


async def test_a_network_that_has_diverged_has_figures_and_says_so(app, store):
    run = with_test(finished(make_run(store, RUN_ID)), top1=0.0975)
    report = run.test_report()
    assert report is not None
    run.write_test_report(msgspec.structs.replace(report, loss=None))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "test 9.8 %, outputs not finite" in screen_text(app))
        await opened(app, pilot, run, "The network has diverged.")
        assert "outputs not finite" in screen_text(app)


async def test_the_confusion_has_units_and_the_figures_are_whole_at_80_columns(app, run):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, run)
        await pilot.press("2")
        await settle(pilot, lambda: "% of the class ↓ taken for →" in screen_text(app))
        assert "…" not in "".join(screen_text(app).splitlines()[1:4])
        assert "359 images" in screen_text(app).splitlines()[1]
        await pilot.resize_terminal(160, 45)
        await settle(pilot, lambda: re.search(r"images class +→ taken for +of class", screen_text(app)))
