"""Exports: every figure of a listing in a row a run, nothing replaced by chance, harmless to who opens it."""

import csv
import io
import json

import pytest
from folders import epoch_record, finished, make_run, phase, with_test, write

from cockpit import card, export, status
from cockpit.cli import main
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe, options
from cockpit.results import Exported
from cockpit.store import RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def table(store: RunStore) -> export.Table:
    runs = {run.id: run for run in store.list()}
    return export.export_runs(map(status.describe, runs.values()), lambda row: runs[row.id])


def read_csv(data: bytes) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(data.decode()))]


def test_a_row_a_run_has_the_listing_the_recipe_and_the_last_figures(store):
    run = with_test(finished(make_run(store, recipe=Recipe(lr=0.05, nesterov=True)), val_acc=0.912))
    run.write_remarks(note="a, b", tags=["x", "y"])
    (row,) = table(store)
    assert {option.name for option in options()} <= {*row}
    assert {*status.RunInfo.__struct_fields__} - {"test", "recipe", "ticket", "job"} <= {*row}
    expected = {"id": run.id, "status": "finished", "best_val_acc": 0.912, "lr": 0.05, "nesterov": True}
    expected |= {"test_top1": 0.972, "last_val_loss": 0.6, "last_train_acc": 0.7, "note": "a, b", "tags": ("x", "y")}
    assert expected.items() <= row.items()
    (cells,) = read_csv(export.encode([row], ".csv"))
    assert {"best_val_acc": "0.912", "nesterov": "yes", "note": "a, b", "tags": "x y", "last_lr": "0.1"}.items() <= (
        cells.items()
    )
    (decoded,) = json.loads(export.encode([row], ".json"))
    assert decoded == json.loads(json.dumps(row))


def test_runs_that_never_began_or_are_damaged_have_rows_too(store):
    make_run(store)
    (make_run(store).path / "recipe.json").write_bytes(b"{")
    rows = table(store)
    assert {row["status"] for row in rows} == {"created", "damaged"}
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert len(read_csv(export.encode(rows, ".csv"))) == 2
    assert export.encode([], ".csv") == b""


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_text_is_a_formula_to_a_spreadsheet(text):
    (row,) = read_csv(export.encode([{"note": text, "value": -1.5}], ".csv"))
    assert row["note"][0] in "'\N{REPLACEMENT CHARACTER}"
    assert row["value"] == "-1.5"


def test_no_text_commands_a_terminal():
    data = export.encode([{"note": "a\x1b[2J\u202eb\r\nc"}], ".csv").decode()
    assert data.replace("\N{REPLACEMENT CHARACTER}", "?") == "note\na?[2J?b??c\n"


def test_epochs_that_a_resume_made_void_are_left_out(store):
    run = make_run(store)
    write(run, phase("running"), *(epoch_record(number, val_acc=0.1) for number in (1, 2, 3)))
    write(run, phase("running", step=22), epoch_record(3, val_acc=0.5))
    rows = export.export_epochs(run)
    assert [(row["epoch"], row["val_acc"]) for row in rows] == [(1, 0.1), (2, 0.1), (3, 0.5)]
    write(run, phase("running", step=11))
    assert [row["epoch"] for row in export.export_epochs(run)] == [1]


def test_a_file_is_not_replaced_unless_it_is_meant(tmp_path):
    path = tmp_path / "runs.csv"
    export.check_free(path)
    export.write(path, [{"a": 1}])
    with pytest.raises(CockpitError, match="is there already"):
        export.write(path, [{"a": 2}])
    with pytest.raises(CockpitError, match="is there already"):
        export.check_free(path)
    assert path.read_text() == "a\n1\n"
    export.write(path, [{"a": 2}], replace=True)
    assert path.read_text() == "a\n2\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("runs.txt", r"ends neither in \.csv nor in \.json"), ("none/runs.csv", "cannot be written"), ("d.csv", "d.csv")],
)
def test_what_cannot_be_written_is_a_sentence(tmp_path, name, sentence):
    (tmp_path / "d.csv").mkdir()
    for replace in (False, True):
        with pytest.raises(CockpitError, match=sentence):
            export.write(tmp_path / name, [], replace=replace)


def test_the_command_exports_chosen_runs(store, tmp_path, capsys):
    first, second = finished(make_run(store)), finished(make_run(store), val_acc=0.5)
    runs = ["--runs", str(store.root)]
    target = tmp_path / "out.csv"
    assert main(["runs", "export", "--filter", "val>0.8", "--to", str(target), *runs]) == 0
    assert [row["id"] for row in read_csv(target.read_bytes())] == [first.id]
    assert main(["runs", "export", first.id, second.id, "--to", str(target), *runs]) == 2
    assert "is there already; `--replace` writes over it" in capsys.readouterr().err
    assert main(["runs", "export", first.id, second.id, "--to", str(target), "--replace", *runs]) == 0
    assert {row["id"] for row in read_csv(target.read_bytes())} == {first.id, second.id}
    capsys.readouterr()
    assert main(["runs", "export", "--to", "-", *runs]) == 0
    assert len(read_csv(capsys.readouterr().out.encode())) == 2
    assert main(["runs", "export", "--to", "-", "--json", *runs]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert main(["runs", "export", first.id, "--epochs", "--to", "-", *runs]) == 0
    assert [row["epoch"] for row in read_csv(capsys.readouterr().out.encode())] == ["1", "2", "3"]
    assert main(["runs", "export", "--epochs", "--to", "-", *runs]) == 2
    assert "--epochs is of one run" in capsys.readouterr().err


def test_a_card_names_the_folder_of_event_files(tmp_path):
    made = {
        form: Exported(run="r1", format=form, path=str(tmp_path / "r1" / path), size_bytes=1)
        for form, path in (("tensorboard", "tensorboard/r1"), ("csv", "r1.csv"))
    }
    assert [card._made(one)[0] for one in made.values()] == ["`tensorboard/r1`", "`r1.csv`"]
