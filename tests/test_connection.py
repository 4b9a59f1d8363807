"""The connection is cut under the cockpit and under a followed run, twenty times: the run goes on, nothing is lost."""

import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from sshd import Sshd, find_sshd
from terminal import Terminal
from waiting import wait_for

from cockpit import launch, records, status
from cockpit.store import RecordTail, Run, RunStore

EPOCHS = 50_000
Cut = Callable[[Sshd, Terminal], None]


def _signal_client(number: signal.Signals) -> Cut:
    def cut(_server: Sshd, terminal: Terminal) -> None:
        psutil.Process(terminal.pid).send_signal(number)

    return cut


def _kill_server(server: Sshd, _terminal: Terminal) -> None:
    for process in server.sessions():
        if process.name().startswith("sshd"):
            process.kill()


CUTS = (_signal_client(signal.SIGKILL), _signal_client(signal.SIGTERM), _signal_client(signal.SIGHUP), _kill_server)
"""By turns."""
FOLLOWED = range(1, 5)
"""The cuts that strike a run followed by `cockpit resume`, one of each kind; the others strike the cockpit."""


@pytest.fixture
def sshd(tmp_path, monkeypatch, path_without_slurm) -> Iterator[Sshd]:
    monkeypatch.setenv("PATH", path_without_slurm)  # with it the form has one pane more
    program = find_sshd()
    if program is None:
        pytest.skip("sshd or ssh is not installed")
    with Sshd(program, tmp_path) as server:
        yield server


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "runs")
    yield store
    for run in store.list():
        launch.send(run, "kill")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_cuts_hurt_no_run_and_the_next_cockpit_shows_all_of_it(sshd, store, tiny):
    terminal = sshd.connect()
    run = _launch_from_the_cockpit(terminal, store)
    for turn in range(20):
        if turn in FOLLOWED:
            _follow_a_resume(terminal, run)
        trainer = psutil.Process(run.launches()[-1].pid)
        epoch = _epochs(run)
        CUTS[turn % len(CUTS)](sshd, terminal)
        wait_for(lambda: not sshd.sessions(), what="the end of the session")
        wait_for(lambda trainer=trainer: _processes_at(store) <= {trainer.pid}, what="the end of all but the trainer")
        wait_for(lambda epoch=epoch: _epochs(run) > epoch, what="another epoch")
        assert trainer.is_running()
        assert status.describe(run).status == "running"
        terminal.kill()
        terminal = sshd.connect()
        _open(terminal, store)
        _check_history(terminal, run, epoch)
    assert len(run.launches()) == 1 + len(FOLLOWED)
    _leave(terminal)
    _type(terminal, "stop", run.id, "--runs", str(store.root))
    _type(terminal, "watch", run.id, "--runs", str(store.root), then=" 2>&1 | cat")
    terminal.wait_for_text(f"cockpit resume {run.id} continues it", 60)
    told = [int(epoch) for epoch in re.findall(rb"\nepoch (\d+)/\d+  train", bytes(terminal.raw))]
    assert told == list(range(1, _epochs(run) + 1))
    terminal.kill()


def _type(terminal: Terminal, *words: str, then: str = "") -> None:
    """Type a command of the cockpit into the shell."""
    terminal.press(shlex.join([sys.executable, "-m", "cockpit", *words]) + f"{then}\n")


def _open(terminal: Terminal, store: RunStore) -> None:
    _type(terminal, "--runs", str(store.root))
    terminal.wait_for_text("1 run")
    terminal.press("\r")
    terminal.wait_for_text("learning rate")


def _leave(terminal: Terminal) -> None:
    terminal.press("q")
    terminal.wait_for_text("goes on in the background")


def _launch_from_the_cockpit(terminal: Terminal, store: RunStore) -> Run:
    """Choose `tiny` and a long training in the form, launch it, and return the run once it has an epoch."""
    _type(terminal, "--runs", str(store.root))
    for keys, answer in (
        ("", "No runs yet"),
        ("n", "cockpit train --model resnet20"),
        ("\t", "Handwritten digits"),
        ("\x1b[F", "--dataset tiny"),
        ("\t", "the best there is"),
        ("\t", "--preset  What"),
        ("\x1b[B", "--epochs  Passes"),
        (str(EPOCHS), f"--epochs {EPOCHS}"),
        ("\x1b[B", "--batch-size  Images"),
        ("16", "--batch-size 16"),
        ("\r", "● running"),
    ):
        terminal.press(keys)
        terminal.wait_for_text(answer, 60)
    (run,) = store.list()
    wait_for(lambda: _epochs(run), what="the first epoch")
    return run


def _follow_a_resume(terminal: Terminal, run: Run) -> None:
    """Leave the cockpit, stop the run, and resume it in the foreground, where its progress is shown."""
    _leave(terminal)
    attempts = len(run.launches())
    for verb in ("stop", "resume"):
        _type(terminal, verb, run.id, "--runs", str(run.path.parent))
    wait_for(lambda: len(run.launches()) > attempts and status.describe(run).status == "running", 120, "the resume")
    terminal.wait_for_text("img/s")


def _epochs(run: Run) -> int:
    """The epochs done, as the newest record says."""
    epoch = run.tail().epoch
    return epoch.epoch if epoch else 0


def _processes_at(store: RunStore) -> set[int]:
    """The processes that have the folder of the runs in their command line."""
    found = psutil.process_iter(["pid", "cmdline"])
    return {one.pid for one in found if any(str(store.root) in word for word in one.info["cmdline"] or ())}


def _check_history(terminal: Terminal, run: Run, epoch: int) -> None:
    """Every epoch since the first is in the records, and the screen counts them and draws their curves."""

    def shown() -> int:
        found = re.search(rf"epoch (\d+)/{EPOCHS} ", terminal.text())
        return int(found[1]) if found else 0

    wait_for(lambda: shown() > epoch, what=f"more than {epoch} epochs on the screen")
    epochs = [record.epoch for record in RecordTail(run).read() if isinstance(record, records.Epoch)]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= shown()
    assert re.search("[\u2801-\u28ff]", terminal.text())
