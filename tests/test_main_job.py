"""The whole job, in a real terminal with the real program: choose, launch, watch, lose the cockpit, come back, test."""

import re
import signal

import psutil
import pytest
from terminal import Terminal, cockpit_words
from waiting import wait_for

from cockpit import liveness, status
from cockpit.store import RunStore

BRAILLE = re.compile("[\u2801-\u28ff]")


def dots(screen: str) -> int:
    """How many cells of a chart have something in them."""
    return len(BRAILLE.findall(screen))


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        for launch in run.launches():
            if liveness.find_life(launch, run.metrics_path) != "dead":
                psutil.Process(launch.pid).kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_keys_train_the_digits_and_one_key_tests_them(store, session_data_dir):
    with Terminal(*cockpit_words(store.root), columns=120, rows=40) as terminal:
        terminal.wait_for_text("No runs yet")
        terminal.press("n")
        terminal.wait_for_text("cockpit train --model resnet20 --dataset digits")
        terminal.press("\r")
        wait_for(lambda: store.list() and store.list()[0].launches(), what="a launch")
        run = store.list()[0]
        wait_for(lambda: (epoch := run.tail().epoch) and epoch.epoch >= 3, 120, "three epochs")
        terminal.wait_for_text("epoch 4/30", 60)
        early = dots(terminal.text())
        assert early > 0
        wait_for(lambda: dots(terminal.text()) > early, 60, "a chart to grow")
        seen = dots(terminal.text())
        terminal.kill()

    assert status.describe(run).status == "running"
    with Terminal(*cockpit_words(store.root), columns=120, rows=40) as terminal:
        terminal.wait_for_text("running")
        terminal.press("\r")
        terminal.wait_for_text("/30")
        wait_for(lambda: dots(terminal.text()) >= seen, 20, "the whole curve")
        wait_for(lambda: status.describe(run).status == "finished", 600, "the end of the run")
        terminal.wait_for_text("finished")
        report = run.test_report()
        assert report is not None
        assert report.top1 >= 0.97
        run.test_path.unlink()
        terminal.press("t")
        wait_for(run.test_report, 60, "the test's result")
        assert run.test_report().top1 == report.top1
        terminal.wait_for_text(f"{report.top1:.1%}".replace("%", " %"))
        terminal.press("q")
        assert terminal.wait() == 0
    assert [found.id for found in store.list()] == [run.id]


def test_quitting_says_what_goes_on(store, tiny):
    from cockpit import launch
    from cockpit.recipe import Recipe

    run = store.create(Recipe(dataset="tiny", epochs=5000, batch_size=16).complete())
    launch.start(run, device="cpu")
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("tiny")
        terminal.press("q")
        assert terminal.wait() == 0
        after = bytes(terminal.raw).split(b"\x1b[?1049l")[-1].decode()
        assert "goes on in the background" in after
        assert run.id in after
    assert status.describe(run).status in ("starting", "running")
    assert launch.send(run, "stop")
    wait_for(lambda: status.describe(run).status == "stopped")


def test_an_idle_screen_writes_nothing(store, data_dir):
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("No runs yet")
        settled = wait_for(lambda: _quiet(terminal, 1.0), what="the first paint to end")
        assert _quiet(terminal, 3.0) == settled
        terminal.press("?")
        wait_for(lambda: len(terminal.raw) > settled, what="a sign of life")


def _quiet(terminal: Terminal, seconds: float) -> int:
    """The bytes written so far if none came for some seconds, else 0."""
    before = len(terminal.raw)
    try:
        wait_for(lambda: len(terminal.raw) != before, seconds)
    except AssertionError:
        return before
    return 0


@pytest.mark.slow
def test_a_killed_cockpit_leaves_its_runs_alone(store, tiny):
    from cockpit import launch
    from cockpit.recipe import Recipe

    run = store.create(Recipe(dataset="tiny", epochs=5000, batch_size=16).complete())
    launch.start(run, device="cpu", sample_s=0)
    with Terminal(*cockpit_words(store.root)) as terminal:
        terminal.wait_for_text("tiny")
        terminal.kill()
    step = wait_for(lambda: run.tail().step).step
    wait_for(lambda: run.tail().step.step > step + 3, what="more steps")
    psutil.Process(run.launches()[-1].pid).send_signal(signal.SIGKILL)
