"""Pictures in their own pixels: who is asked, who can, and what is then written."""

import base64
import io
import os
import re
import termios
import threading

import numpy as np
import pytest
from rich.console import Console
from textual.app import App, ComposeResult

from cockpit.tui.graphics import KittyPictures, speaks_kitty
from cockpit.tui.painter import Painter
from cockpit.tui.pictures import Picture

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
IDENTITY = b"\x1b[?62;c"
KITTY, GHOSTTY = b"\x1bP>|kitty(0.36.4)\x1b\\", b"\x1bP>|ghostty 1.1.3\x1b\\"
OK = b"\x1b_Gi=31;OK\x1b\\"


@pytest.fixture(autouse=True)
def kitty_terminal(monkeypatch):
    """What kitty sets, and nothing else that matters."""
    monkeypatch.setenv("TERM", "xterm-kitty")
    for name in ("TMUX", "STY", "NO_COLOR", "COCKPIT_PICTURES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal():
    """The two ends of a terminal: (ours, the program's)."""
    ours, program = os.openpty()
    yield ours, program
    os.close(ours)
    os.close(program)


def answering(ours: int, answer: bytes) -> threading.Thread:
    """Answer the probe as a terminal does."""

    def answer_probe() -> None:
        asked = b""
        while not asked.endswith(b"\x1b[c"):
            asked += os.read(ours, 1024)
        os.write(ours, answer)

    thread = threading.Thread(target=answer_probe)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "can"),
    [
        (KITTY + OK + IDENTITY, True),
        (GHOSTTY + OK + IDENTITY, True),
        (KITTY.replace(b"0.36.4", b"0.26.5") + OK + IDENTITY, False),
        (b"\x1bP>|WezTerm 20240203\x1b\\" + OK + IDENTITY, False),
        (OK + IDENTITY, False),
        (IDENTITY, False),
        (KITTY + IDENTITY, False),
        (KITTY + b"\x1b_Gi=31;EINVAL\x1b\\" + IDENTITY, False),
    ],
)
def test_a_terminal_is_believed_what_it_answers(terminal, answer, can):
    ours, program = terminal
    thread = answering(ours, answer)
    before = termios.tcgetattr(program)
    assert speaks_kitty(program, program) is can
    assert termios.tcgetattr(program) == before
    thread.join()


def test_a_terminal_that_does_not_answer_is_not_waited_for(terminal):
    _, program = terminal
    assert not speaks_kitty(program, program)


@pytest.mark.parametrize(
    "changes",
    [
        {"TERM": "xterm-256color"},
        {"TERM": "tmux-256color"},
        {"TMUX": "/tmp/tmux"},
        {"STY": "1.screen"},
        {"NO_COLOR": "1"},
        {"COCKPIT_PICTURES": "blocks"},
    ],
    ids=str,
)
def test_other_terminals_are_asked_nothing(terminal, monkeypatch, changes):
    ours, program = terminal
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert not speaks_kitty(program, program)
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)


def test_who_says_so_has_any_terminal_asked(terminal, monkeypatch):
    ours, program = terminal
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COCKPIT_PICTURES", "kitty")
    thread = answering(ours, KITTY + OK + IDENTITY)
    assert speaks_kitty(program, program)
    thread.join()


def test_nothing_is_written_to_a_pipe():
    reader, writer = os.pipe()
    assert not speaks_kitty(reader, writer)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)


def sent_image(sent: str) -> tuple[dict[str, str], np.ndarray]:
    """Return the keys and the pixels of what was sent."""
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    assert all(len(piece) <= 4096 for _, piece in pieces)
    assert [dict(part.split("=") for part in keys.split(","))["m"] for keys, _ in pieces] == [
        *["1"] * (len(pieces) - 1),
        "0",
    ]
    keys = dict(part.split("=") for part in pieces[0][0].split(","))
    data = base64.standard_b64decode("".join(piece for _, piece in pieces))
    return keys, np.frombuffer(data, np.uint8).reshape(int(keys["v"]), int(keys["s"]), 3)


@pytest.mark.parametrize("factor", [1, 3])
def test_every_pixel_is_sent_and_the_cells_name_it(factor):
    image = IMAGE.repeat(factor, 0).repeat(factor, 1)
    number, sent, strips = KittyPictures().make(image, 32, 16)
    keys, pixels = sent_image(sent)
    assert np.array_equal(pixels, image)
    assert {"a": "T", "U": "1", "q": "2", "c": "32", "r": "16", "i": str(number)}.items() <= keys.items()
    assert [strip.cell_length for strip in strips] == [32] * 16
    for strip in strips:
        for segment in strip:
            assert segment.style is not None
            assert segment.style.color is not None
            red, green, blue = segment.style.color.get_truecolor()
            assert (red << 16) + (green << 8) + blue == number


def test_the_painter_writes_the_cells_once():
    _, _, strips = KittyPictures().make(IMAGE, 16, 8)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=40)
    painter = Painter()
    pieces = [(y, 2, strip) for y, strip in enumerate(strips)]
    written = painter.write(pieces, 40, 10, console)
    assert written.count("\U0010eeee") == 16 * 8
    assert len(written) < 2_500
    assert painter.write(pieces, 40, 10, console) == ""


async def test_a_picture_is_sent_when_it_changes_and_forgotten_when_it_goes(monkeypatch):
    class Gallery(App):
        def __init__(self) -> None:
            super().__init__()
            self.kitty = KittyPictures()

        def compose(self) -> ComposeResult:
            yield Picture()

    app = Gallery()
    async with app.run_test() as pilot:
        written: list[str] = []
        monkeypatch.setattr(app._driver, "write", written.append)
        picture = app.query_one(Picture)
        picture.show(IMAGE)
        await pilot.pause()
        assert np.array_equal(sent_image("".join(written))[1], IMAGE)
        assert picture.render_line(0).text.startswith("\U0010eeee")
        written.clear()
        picture.show(IMAGE.copy())
        await pilot.pause()
        assert written == []
        await picture.remove()
        assert re.fullmatch(r"\x1b_Ga=d,d=I,i=\d+,q=2\x1b\\", "".join(written))
