"""The cockpit is killed in a real terminal: the terminal is as it was, and the history is there on reopening."""

import os
import shutil
import signal
import sys
from pathlib import Path

import psutil
import pytest
from terminal import Terminal, behind_a_connection, cockpit_words
from waiting import wait_for

from cockpit import records
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.store import RunStore

BASH = shutil.which("bash")
LAST_WORDS = "The cockpit was killed; runs go on."
CRASHING = """
import sys
from cockpit.cli import main
from cockpit.tui.app import CockpitApp

def crash(app):
    raise RuntimeError("a mistake of ours")

CockpitApp.on_key = crash
sys.exit(main(["--runs", sys.argv[1]]))
"""


@pytest.fixture
def runs(tmp_path) -> Path:
    """A folder with a run of 12 epochs whose trainer is not here."""
    run = RunStore(tmp_path / "runs").create(Recipe(epochs=30).complete())
    with LineWriter(run.metrics_path) as file:
        for epoch in range(1, 13):
            scores = {"train_loss": 2 / epoch, "val_loss": 2.2 / epoch, "train_acc": 1 - 1 / epoch, "val_acc": 0.8}
            pace = {"step": 11 * epoch, "lr": 0.1, "epoch_s": 2.0, "img_per_s": 1540.0, "elapsed_s": 2.0 * epoch}
            best = {"best_val_acc": 0.8, "best_epoch": 1}
            file.append(records.encode(records.Epoch(time=0.0, epoch=epoch, **scores, **pace, **best)))
    return run.path.parent


def in_a_shell(*programs: list[str]) -> Terminal:
    """A shell without job control, which leaves the terminal alone; it waits for enter before each program."""
    script = "".join(f"read line; {' '.join(words)}; " for words in programs)
    return Terminal("/bin/sh", "-c", f"echo earlier text; {script}")


def only_child(pid: int) -> psutil.Process:
    """The one process that a process has started."""
    (child,) = wait_for(lambda: psutil.Process(pid).children(), what="a child")
    return child


def test_after_kill_9_the_terminal_is_as_it_was_and_the_history_is_equal_on_reopening(runs):
    with in_a_shell(cockpit_words(runs), ["cat"], cockpit_words(runs)) as terminal:
        before = terminal.wait_for_text("earlier text"), terminal.modes(), terminal.settings()
        terminal.press("\n")
        terminal.wait_for_text("1 run")
        terminal.press("\r")
        terminal.wait_for_text("learning rate")
        history = terminal.wait_for_text("epoch 12/30")
        cockpit = only_child(terminal.pid)
        guard = only_child(cockpit.pid)
        assert terminal.settings() != before[2]
        assert len(terminal.modes() - before[1]) > 5
        cockpit.kill()
        shown = terminal.wait_for_text(LAST_WORDS)
        assert "earlier text" in shown
        assert "epoch 12/30" not in shown
        assert (terminal.modes(), terminal.settings()) == before[1:]
        wait_for(lambda: not guard.is_running(), what="the guard's end")
        terminal.press("\nechoed\n")
        wait_for(lambda: terminal.text().count("echoed") == 2, what="the terminal's echo and cat's")
        terminal.press("\x04\n")
        terminal.wait_for_text("1 run")
        terminal.press("\r")
        wait_for(lambda: terminal.text() == history, what="the same screen")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_shell_that_edits_its_lines_goes_on(runs, number):
    with Terminal(str(BASH), "--norc", "--noprofile", "-i", env={"PS1": "> "}) as terminal:
        terminal.wait_for_text("> ")
        terminal.press("echo earl''ier\n")
        terminal.wait_for_text("earlier")
        before = terminal.settings()
        terminal.press(" ".join(cockpit_words(runs)) + "\n")
        terminal.wait_for_text("1 run")
        only_child(terminal.pid).send_signal(number)
        terminal.wait_for_text(LAST_WORDS)
        wait_for(lambda: terminal.settings() == before, what="the settings of the prompt")
        terminal.press("echo la''ter\n")
        assert "earlier" in terminal.wait_for_text("later")


def test_quitting_leaves_no_guard_and_it_holds_only_the_terminal_and_a_pipe(runs):
    with Terminal(*cockpit_words(runs)) as terminal:
        terminal.wait_for_text("1 run")
        guard = only_child(terminal.pid)
        assert guard.num_fds() == 3
        assert os.getsid(guard.pid) == guard.pid
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            guard.send_signal(number)
        assert guard.is_running()
        terminal.press("q")
        assert terminal.wait() == 0
        assert not guard.is_running()
        assert LAST_WORDS.encode() not in terminal.raw


def test_a_crash_is_told_by_its_traceback_alone(runs):
    with in_a_shell([sys.executable, "-c", f"'{CRASHING}'", str(runs)], ["cat"]) as terminal:
        before = terminal.settings()
        terminal.press("\n")
        terminal.wait_for_text("1 run")
        guard = only_child(only_child(terminal.pid).pid)
        terminal.press("x")
        terminal.wait_for_text("a mistake of ours")
        wait_for(lambda: not guard.is_running(), what="the guard's end")
        wait_for(lambda: terminal.settings() == before, what="the settings")
        assert LAST_WORDS.encode() not in terminal.raw


def test_a_terminal_that_is_gone_takes_the_cockpit_and_its_guard_with_it(runs):
    with Terminal(*behind_a_connection(cockpit_words(runs))) as terminal:
        terminal.wait_for_text("1 run")
        cockpit = only_child(terminal.pid)
        guard = only_child(cockpit.pid)
        os.kill(terminal.pid, signal.SIGKILL)
        wait_for(lambda: not cockpit.is_running() and not guard.is_running(), what="the end of both")
