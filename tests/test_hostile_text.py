"""Text that would rather be a command: wherever it comes from, a terminal shows it and obeys nothing of it.

Every place has a name of its own in what it says, so that a test knows what was shown and what leaked. The terminals
are real, and all bytes that reach them are looked at.
"""

import json
import os
import re
import sys
import unicodedata
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from terminal import Terminal, cockpit_words
from waiting import wait_for

from cockpit import datasets, records
from cockpit.cli import main
from cockpit.cli.common import say
from cockpit.lines import LineWriter
from cockpit.store import Run, RunStore

COMMANDS = {
    "title": "\x1b]0;{}\x07",
    "clipboard": "\x1b]52;c;{}\x1b\\",
    "link": "\x1b]8;;http://{}\x1b\\",
    "device control": "\x1bP{}\x1b\\",
    "colour": "\x1b[58;5;99m{}",
    "erase": "\x1b[3J{}",
    "answerback": "\x05\x1b[21t{}",
    "C1 colour": "\x9b58;5;99m{}",
    "C1 title": "\x9d0;{}\x9c",
    "right to left": "\u202e{}\u2066",
    "no width": "\u200b{}\ufeff",
    "line": "\r\n\x0b\x08{}\x7f",
}
"""What a terminal would obey, around the name of a place."""
ALLOWED = re.compile(r"\x1b(?:\[[<>?=]?[\d;]*(?:\$p|[A-HJKhlmsu])|\]22;default\x07)|[\r\n]")
"""The sequences that Textual and rich write: colours, places, modes, the shape of the mouse's pointer."""
CLI = """
import json, sys
from cockpit.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit:
        pass
print("the end")
"""


def hostile(place: str) -> str:
    """A text that begins with markup and then tries every command."""
    return f"[/x][bold]{place}[/bold]" + "".join(form.format(place) for form in COMMANDS.values())


def leaks(raw: bytearray) -> list[str]:
    """What came from data and would be obeyed, in all that reached the terminal."""
    text = bytes(raw).decode("utf-8", "surrogateescape")
    found = [name for name, form in COMMANDS.items() if form.partition("{")[0] in text]
    rest = ALLOWED.sub("", text)
    return found + sorted({ascii(char) for char in rest if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")})


@pytest.fixture
def store(tmp_path) -> RunStore:
    """Runs whose every text is hostile, under names that are no runs' too."""
    store = RunStore(tmp_path / "runs")
    store.root.mkdir()

    def make(run_id: str, recipe: bytes, **launch: object) -> Run:
        run = Run(store.root / run_id)
        run.path.mkdir()
        (run.path / "recipe.json").write_bytes(recipe)
        told = {"attempt": 1, "time": 0.0, "boot_id": "", "pid": 1, "process_start_s": 0.0} | launch
        if launch:
            run.launches_path.write_bytes(json.dumps(told).encode() + b"\n")
        return run

    def write(run: Run, *lines: records.Record) -> None:
        with LineWriter(run.metrics_path) as file:
            for line in lines:
                file.append(records.encode(line))

    def recipe(model: str, dataset: str) -> bytes:
        return json.dumps({"model": model, "dataset": dataset, "epochs": 3}).encode()

    names = recipe(hostile("Qmodel"), hostile("Qdataset"))
    texts = {"host": hostile("Qhost"), "argv": [hostile("Qargv")], "device": hostile("Qchosen")}
    failed = make("1-failed", names, **texts)
    write(failed, records.Phase(time=0.0, state="failed", detail=hostile("Qdetail")))
    failed.log_path.write_bytes(hostile("Qlog").encode() + b"\xff\x9b31m\x1b]0;Qbytes\x07\n")
    report = {
        "run": hostile("Qrun"),
        "checkpoint": hostile("Qfile"),
        "dataset": hostile("Qset"),
        "sha256": "",
        "epoch": 1,
    }
    failed.test_path.write_text(json.dumps(report | {"images": 1, "top1": 0.5, "top5": 0.5, "loss": 0.5, "time": 0.0}))
    failed.remarks_path.write_text(json.dumps({"note": hostile("Qnote")}))
    live = make("2-live", names, **texts)
    gpu = records.Device(time=0.0, name=hostile("Qgpu"), busy=0.5)
    write(live, records.Phase(time=0.0, state=hostile("Qstate"), detail=hostile("Qpresent")), gpu)
    best = make("0-best", recipe("resnet20", hostile("Qown")), **texts)
    scores = {"train_loss": 1.0, "train_acc": 0.5, "val_loss": 1.0, "val_acc": 0.5, "best_val_acc": 0.5}
    pace = {"epoch": 1, "step": 1, "lr": 0.1, "epoch_s": 1.0, "img_per_s": 1.0, "elapsed_s": 1.0, "best_epoch": 1}
    write(best, records.Epoch(time=0.0, **scores, **pace), records.Phase(time=0.0, state="finished"))
    make("3-silent", names, **texts)
    make("4-preset", json.dumps({"preset": hostile("Qpreset")}).encode())
    make("5-bytes", b'{"model": "\xffQ\x1b]0;Q\x07"}')
    make("6-surrogate", b'{"model": "\\ud800Q"}')
    make("7-long", recipe("Qlong" * 2_000, "Qwide" * 2_000))
    make(hostile("Qname").replace("/", "|"), names)
    make(os.fsdecode(b"Qraw\xff\x1b]0;Qraw\x07"), names)
    return store


@pytest.fixture
def evil(data_dir) -> Path:
    """An imported dataset whose every text is hostile, beside a folder whose name is."""
    part = datasets.Packed(np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) % 2)
    spec = msgspec.structs.replace(
        datasets.DATASETS["digits"],
        name="evil",
        title=hostile("Qtitle"),
        source=hostile("Qsource"),
        classes=(hostile("Qclass"), "Qlong" * 2_000),
        train_images=20,
        test_images=20,
    )
    home = datasets.write_packed(spec, part, part)
    twin = home.with_name(hostile("Qfolder").replace("/", "|"))
    twin.mkdir()
    (twin / "dataset.json").write_bytes((home / "dataset.json").read_bytes())
    return home


def test_the_command_line_obeys_no_text_that_it_prints(store, evil):
    word = hostile("Qword") + "\udcff"  # a byte that is not UTF-8
    commands = [
        ["runs"],
        ["runs", "--json"],
        ["runs", "--runs", str(store.root / hostile("Qroot").replace("/", "|"))],
        *(["runs", "show", run.id, *more] for run in store.list() for more in ([], ["--json"])),
        ["runs", "note", "1-failed"],
        ["runs", "list", "--filter", word],
        ["runs", "list", "--filter", f"model:{word}"],
        ["runs", "list", "--filter", f"Qfield:{word}"],
        ["runs", "list", "--sort", word],
        ["runs", "tag", "1-failed", word],
        ["runs", "restore", word],
        ["runs", "export", "--to", "-"],
        ["runs", "export", "--to", "-", "--json"],
        ["runs", "export", "--to", word],
        ["watch", "1-failed"],
        ["stop", "2-live"],
        ["data"],
        ["data", "--json"],
        ["data", "import", "birds", word],
        ["models"],
        ["models", "show", word],
        ["resume", word],
        ["test", "--model", word, "--dataset", word],
        ["train", "--model", word],
        ["train", "--epochs", word],
        ["train", "--dataset", word, "--runs", word],
        ["train", word],
        ["train", f"--{word}"],
        [word],
        ["ui", word],
        ["ui", f"--{word}"],
    ]
    words = [
        [*line, *(["--runs", str(store.root)] if line[0] != "data" and "--runs" not in line else [])]
        for line in commands
    ]
    with Terminal(sys.executable, "-c", CLI, json.dumps(words), columns=160, rows=50) as terminal:
        terminal.wait_for_text("the end", 60)
        assert leaks(terminal.raw) == []
        shown = bytes(terminal.raw).decode()
    for place in (
        "model",
        "dataset",
        "host",
        "argv",
        "detail",
        "chosen",
        "preset",
        "title",
        "source",
        "class",
        "word",
        "note",
    ):
        assert f"[/x][bold]Q{place}[/bold]" in shown, place
    assert "Traceback" not in shown


def test_the_cockpit_obeys_no_text_that_it_shows(store, evil):
    literally = "[/x][bold]Q{}[/bold]".format
    with Terminal(*cockpit_words(store.root), columns=200, rows=50) as terminal:
        terminal.wait_for_text("8 runs")
        # model and dataset of three rows, dataset of a fourth, a note
        wait_for(lambda: terminal.text().count("[/x][bo") == 8, what="every name as it is written")
        for keys, place in (("jjj", "preset"), ("j", "host"), ("j", "present")):
            terminal.press(keys)
            terminal.wait_for_text(literally(place))
        terminal.press("s")  # it runs on another host
        terminal.wait_for_text(literally("host"))
        terminal.press("\r")
        terminal.wait_for_text(literally("gpu")[:23])
        terminal.press("\x1b")
        terminal.wait_for_text("8 runs")
        terminal.press("j\r")
        terminal.wait_for_text("learning rate")
        terminal.wait_for_text(literally("detail"))
        for place in ("model", "dataset", "log", "note"):
            assert literally(place) in terminal.text()
        terminal.press("\x1b")
        terminal.wait_for_text("8 runs")
        terminal.press("n")
        terminal.wait_for_text("cockpit train --model resnet20")
        assert literally("own") in terminal.text()
        terminal.press("\t")
        terminal.wait_for_text("Handwritten digits")
        terminal.press("\x1b[F")
        terminal.wait_for_text(literally("title"))
        for place in ("source", "class"):
            assert literally(place)[:19] in terminal.text()
        assert "Qfolder" not in terminal.text()  # no recipe could name it
        terminal.press("\x1b")
        terminal.wait_for_text("8 runs")
        terminal.press("/")
        terminal.wait_for_text("model:resnet*")
        terminal.press("\x1b[200~[/x]\x9b58;5;99m\u202eQpasted\x05\u200b\x1b[201~")  # a terminal pastes no ESC
        terminal.wait_for_text("No run contains [/x]58;5;99mQpasted.")
        terminal.wait_for_text("cockpit  0 of 8 runs")  # so that it tells below that escape was heeded
        terminal.press("\x1b")
        terminal.wait_for_text("cockpit  8 runs")
        terminal.press("q")
        assert terminal.wait() == 0
        assert "2 runs go on in the background: 3-silent, 2-live." in terminal.text()
        assert leaks(terminal.raw) == []


def test_json_tells_hostile_text_whole_and_escaped(store, data_dir, capsys):
    assert main(["runs", "--json", "--runs", str(store.root)]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    rows = {row["id"]: row for row in json.loads(out)}
    assert rows["1-failed"]["detail"] == hostile("Qdetail")
    assert rows["7-long"]["model"] == "Qlong" * 2_000


def test_narration_keeps_to_its_line(capsys):
    say(hostile("Qsaid"))
    say("x" * 10_000)
    said, long = capsys.readouterr().err.splitlines()
    assert said.isprintable()
    assert said.startswith("[/x][bold]Qsaid[/bold]\ufffd]0;Qsaid\ufffd")
    assert long == "x" * 1_999 + "…"


def test_a_runs_folder_whose_name_is_not_utf_8_is_refused(tmp_path, data_dir, capsys):
    folder = os.fsdecode(bytes(tmp_path) + b"/V\xf6gel")
    for words in (["runs", "--json"], ["train", "--detach"]):
        assert main([*words, "--runs", folder]) == 2
        said = capsys.readouterr().err
        assert said.endswith("V\\udcf6gel' is not named in UTF-8; choose another with --runs\n")
    assert os.listdir(tmp_path) == []


def test_images_are_imported_from_a_folder_whose_name_is_not_utf_8(tmp_path, data_dir, capsys):
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/V\xf6gel"))
    for name in ("crow", "finch"):
        (folder / name).mkdir(parents=True)
        for shade in (0, 255):
            Image.new("RGB", (32, 32), (shade, 0, len(name))).save(folder / name / f"{shade}.png")
    assert main(["data", "import", "birds", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == f"imported from {tmp_path}/V\ufffdgel"
