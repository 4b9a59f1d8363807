"""The terminal shows what Textual would have written whole, for fewer bytes."""

import os
import random
import signal
from pathlib import Path

import psutil
import pyte
import pytest
from folders import finished, live, make_run, screen_text, settle, step, with_test, write
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from terminal import Terminal, cockpit_words
from textual._compositor import CompositorUpdate
from textual.strip import Strip
from waiting import wait_for

import cockpit.tui.app
from cockpit.tui.app import CockpitApp
from cockpit.tui.painter import Painter
from cockpit.tui.run import RunScreen
from cockpit.tui.runs import RunsScreen
from cockpit.tui.table import RunTable

CONSOLE = Console(force_terminal=True, color_system="truecolor")
RED, BOLD = Style(color="red"), Style(bold=True, bgcolor="blue")
STYLES = (RED, BOLD, Style(), Style(color="#123456", meta={"offset": (1, 2)}))


class Glass:
    """What a terminal shows."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)

    def write(self, text: str) -> None:
        self._stream.feed(text)

    def cells(self) -> list[list]:
        """Return the cells with their looks."""
        return [[self.screen.buffer[y][x] for x in range(self.screen.columns)] for y in range(self.screen.lines)]

    def row(self, y: int = 0) -> str:
        return self.screen.display[y]


def strip(*parts: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts])


def painted(painter: Painter, *pieces: tuple[int, int, Strip], width: int = 12, height: int = 1) -> str:
    return painter.write(pieces, width, height, CONSOLE)


def whole(*pieces: tuple[int, int, Strip]) -> str:
    """Return what is written when every piece is written whole."""
    return "".join(f"\x1b[{y + 1};{x + 1}H{content.render(CONSOLE)}" for y, x, content in pieces)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_pieces_shows_what_they_would_show_written_whole(seed):
    choice = random.Random(seed)
    painter, trimmed, reference = Painter(), Glass(30, 4), Glass(30, 4)
    for _ in range(40):
        pieces = []
        for _ in range(choice.randint(1, 5)):
            x = 2 * choice.randrange(14)  # all characters here stand on even columns, so that none is halved
            texts = [choice.choice(("ab", "日", "⣿─", "  ", "é·")) for _ in range(choice.randint(1, (30 - x) // 2))]
            pieces.append((choice.randrange(4), x, strip(*((text, choice.choice(STYLES)) for text in texts))))
        trimmed.write(painted(painter, *pieces, width=30, height=4))
        reference.write(whole(*pieces))
        assert trimmed.cells() == reference.cells()


def test_what_stands_there_already_is_not_written():
    painter = Painter()
    assert painted(painter, (0, 0, strip(("epoch 3 of 30", RED))))
    assert painted(painter, (0, 0, strip(("epoch 3 of 30", RED)))) == ""
    assert painted(painter, (0, 0, strip(("epoch 4 of 30", RED)))) == "\x1b[1;7H" + strip(("4", RED)).render(CONSOLE)


def test_another_look_of_the_same_text_is_written():
    painter = Painter()
    painted(painter, (0, 0, strip(("epoch", RED))))
    assert painted(painter, (0, 0, strip(("ep", RED), ("och", BOLD)))) == whole((0, 2, strip(("och", BOLD))))


def test_changes_far_apart_are_written_alone():
    painter = Painter()
    row = "a" + "-" * 60 + "b"
    painted(painter, (0, 0, strip((row, RED))), width=80)
    written = painted(painter, (0, 0, strip((row.replace("a", "c").replace("b", "d"), RED))), width=80)
    assert written == "\x1b[1;1H\x1b[31mc\x1b[62Gd\x1b[0m"


def test_of_a_look_only_what_differs_is_written():
    steps = [Style(color="red", bgcolor="blue"), Style(color="green", bgcolor="blue"), Style(bold=True, bgcolor="blue")]
    written = painted(Painter(), (0, 0, strip(*zip("abc", steps, strict=True), ("d", Style()))))
    assert written == "\x1b[1;1H\x1b[31;44ma\x1b[32mb\x1b[1;39mc\x1b[0md"


def test_a_halved_wide_character_leaves_a_blank():
    painter, glass = Painter(), Glass(6, 1)
    glass.write(painted(painter, (0, 0, strip(("日本a", RED))), width=6))
    glass.write(painted(painter, (0, 1, strip(("xy", RED))), width=6))
    assert glass.row() == " xy a "
    glass.write(painted(painter, (0, 0, strip(("日本a", RED))), width=6))
    assert glass.screen.buffer[0][0].data + glass.screen.buffer[0][2].data == "日本"


def test_what_terminals_divide_in_different_ways_is_written_whole_every_time():
    painter = Painter()
    flag = strip(("a👩‍🚀b", RED))
    assert painted(painter, (0, 0, flag)) == painted(painter, (0, 0, flag)) == whole((0, 0, flag))


@pytest.mark.parametrize("upset", [Painter.forget, lambda painter: painted(painter, (0, 0, strip()), height=2)])
def test_everything_is_written_again_after_a_resize_or_when_something_else_wrote(upset):
    painter = Painter()
    text = strip(("epoch", RED))
    painted(painter, (0, 0, text))
    upset(painter)
    assert painted(painter, (0, 0, text)) == whole((0, 0, text))


class TwoTerminals(CockpitApp):
    """A cockpit whose updates go to a terminal whole, and to another as the painter trims them."""

    CSS_PATH = Path(cockpit.tui.app.__file__).with_name("cockpit.tcss")

    def __init__(self, store) -> None:
        super().__init__(store)
        self.reference, self.trimmed, self.num_bytes = Glass(100, 30), Glass(100, 30), [0, 0]

    def _display(self, screen, renderable):
        size = (self.size.width, self.size.height)
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            for glass in (self.reference, self.trimmed):
                if (glass.screen.columns, glass.screen.lines) != size:
                    glass.screen.resize(size[1], size[0])
                    glass.screen.reset()
            trimmed = self._painter.trim(renderable, *size)
            assert isinstance(trimmed, CompositorUpdate)
            texts = renderable.render_segments(CONSOLE), trimmed.render_segments(CONSOLE)
            self.reference.write(texts[0])
            self.trimmed.write(texts[1])
            self.num_bytes = [sum(pair) for pair in zip(self.num_bytes, map(len, texts), strict=True)]
        super()._display(screen, renderable)


async def test_all_that_the_screens_do_looks_as_textual_writes_it(store):
    for number in range(1, 40):
        with_test(finished(make_run(store, f"20251123-14{number:02}00-resnet20-digits-0001"), val_acc=number / 50))
    run = live(make_run(store, "20251123-150000-resnet20-digits-0001"))
    write(run, *(step(number / 10) for number in range(1, 50)))
    app = TwoTerminals(store)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot, lambda: len(app.screen.query_one(RunTable).rows) == 40)
        for keys in ("down", "end", "pageup", "home", "question_mark", "escape", "slash", "1", "4", "escape", "d", "n"):
            await pilot.press(keys)
            await pilot.pause(0.05)
            assert app.trimmed.cells() == app.reference.cells()
        await pilot.press("home", "enter")
        await settle(pilot, lambda: isinstance(app.screen, RunScreen) and "epoch 0/30" in screen_text(app))
        write(run, *(step(number / 10) for number in range(50, 70)))
        await settle(pilot, lambda: "23 %" in screen_text(app))
        await pilot.resize_terminal(120, 40)
        await pilot.pause(0.1)
        assert app.trimmed.cells() == app.reference.cells()
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert app.trimmed.cells() == app.reference.cells()
    assert app.num_bytes[1] < app.num_bytes[0] / 2


def test_ctrl_l_and_a_return_from_the_background_write_the_whole_screen(store):
    make_run(store, "20251123-150000-resnet20-digits-0001")
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("not launched yet")

        def written_again() -> bool:
            return b"not launched yet" in terminal.raw[seen:]

        seen = len(terminal.raw)
        terminal.press("\x0c")
        wait_for(written_again, what="ctrl+l to write all again")
        os.kill(terminal.pid, signal.SIGTSTP)
        wait_for(lambda: psutil.Process(terminal.pid).status() == psutil.STATUS_STOPPED, what="the cockpit to stop")
        seen = len(terminal.raw)
        os.kill(terminal.pid, signal.SIGCONT)
        wait_for(written_again, what="the cockpit to come back")
