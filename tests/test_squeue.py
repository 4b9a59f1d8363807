"""The reader of Slurm's queue, with commands of our own in squeue's place: it asks seldom, and never waits for ever."""

import threading
from collections.abc import Callable

import psutil
import pytest
from waiting import wait_for

from cockpit import slurm_call, squeue
from cockpit.slurm_call import SlurmError, call
from cockpit.squeue import Job, Queue

LINES = """\
17|RUNNING|None|node[01-02]|1-02:03:04|one
18|PENDING|Resources||0:00|two
19|TIMEOUT|TimeLimit|node01|1:00:05|three
20|COMPLETED|None|node01|INVALID|odd | name
21|CANCELLED|None||0:00|two
22_1|PENDING|None||0:00|one
--all|PENDING|None||0:00|one
garbage
"""


def test_one_question_serves_everybody_for_five_seconds(fake, tmp_path):
    asked = tmp_path / "asked"
    fake("squeue", f"echo $@ >> {asked}; cat <<'END'\n{LINES}END")
    now = [0.0]
    queue = Queue(clock=lambda: now[0])
    answer = queue.answer()
    assert answer.trouble == ""
    assert answer.jobs["one"] == Job("17", "RUNNING", "", "node[01-02]", 93_784.0)
    assert answer.jobs["two"] == Job("18", "PENDING", "Resources", "", 0.0)  # what lives hides what is over
    assert answer.jobs["three"].over
    assert answer.jobs["odd | name"].elapsed_s is None
    for _ in range(100):
        queue.answer()
    now[0] += squeue.INTERVAL_S - 0.1
    assert queue.answer() is answer
    assert len(asked.read_text().splitlines()) == 1
    now[0] += 0.2
    queue.answer()  # what is known is told at once, and asked for again behind it
    wait_for(lambda: queue.answer() is not answer)
    assert len(asked.read_text().splitlines()) == 2


def test_a_squeue_that_fails_is_told_in_its_own_words(fake):
    fake("squeue", "printf 'slurm_load_jobs error: Unable to \\e[31mcontact slurm controller\\n' >&2; exit 1")
    answer = Queue().answer()
    assert answer.jobs == {}
    assert (
        answer.trouble == "Slurm does not answer: Unable to \x1b[31mcontact slurm controller"
    )  # the screens make it harmless


def test_a_machine_without_squeue_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    answer = Queue().answer()
    assert not answer.installed
    assert "no squeue" in answer.trouble


def hanging(fake, tmp_path) -> Callable[[], None]:
    """Let squeue hang; the function that is returned ends it."""
    pid = tmp_path / "pid"
    fake("squeue", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")

    def end() -> None:
        wait_for(pid.exists)
        psutil.Process(int(pid.read_text())).kill()

    return end


def test_a_squeue_that_hangs_keeps_nobody(fake, tmp_path, monkeypatch):
    end = hanging(fake, tmp_path)
    monkeypatch.setattr(squeue, "_FIRST_WAIT_S", 0.1)
    queue = Queue()
    assert queue.answer().trouble == "Slurm has not answered yet"
    monkeypatch.setattr(squeue, "_FIRST_WAIT_S", 600)
    assert queue.answer().trouble == "Slurm has not answered yet"  # a listing of many runs waits once
    end()
    wait_for(lambda: "Slurm does not answer" in queue.answer().trouble)


def test_an_answer_of_long_ago_is_none(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(squeue, "_FIRST_WAIT_S", 0.1)
    fake("squeue", f"cat <<'END'\n{LINES}END")
    now = [0.0]
    queue = Queue(clock=lambda: now[0])
    assert "one" in queue.answer().jobs
    end = hanging(fake, tmp_path)
    now[0] += 3600
    assert queue.answer().trouble == "Slurm has not answered yet"
    end()


def test_an_answer_to_an_earlier_question_does_not_replace_a_later_one(fake, tmp_path, monkeypatch):
    go_on = tmp_path / "go on"
    monkeypatch.setattr(squeue, "_FIRST_WAIT_S", 0.0)
    fake("squeue", f"until [ -e '{go_on}' ]; do sleep 0.01; done; echo '1|PENDING|None||0:00|of an earlier time'")
    queue, others = Queue(), set(threading.enumerate())
    queue.answer()
    (earlier,) = set(threading.enumerate()) - others
    fake("squeue", "echo '2|PENDING|None||0:00|of now'")
    assert list(queue.ask().jobs) == ["of now"]
    go_on.touch()
    earlier.join()
    assert list(queue.answer().jobs) == ["of now"]


def test_many_who_ask_at_once_share_the_next_question(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(squeue, "_NEXT_S", 600.0)
    asked, go_on = tmp_path / "asked", tmp_path / "go on"
    fake("squeue", f"echo >> {asked}; until [ -e '{go_on}' ]; do sleep 0.01; done; echo '1|PENDING|None||0:00|one'")
    queue = Queue()
    answers: list[squeue.Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(queue.ask())) for _ in range(40)]
    threads[0].start()
    wait_for(lambda: asked.exists(), what="the first question")
    for thread in threads[1:]:
        thread.start()
    go_on.touch()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    assert all("one" in answer.jobs for answer in answers)
    assert len(asked.read_text()) <= 10  # the first, the next for nearly all, and few for who came late


def test_all_who_listen_to_a_silent_slurm_are_told_after_one_question(fake, tmp_path):
    asked, go_on = tmp_path / "asked", tmp_path / "go on"
    fake("squeue", f"echo >> {asked}; until [ -e '{go_on}' ]; do sleep 0.01; done; exit 1")
    now = [0.0]
    queue = Queue(clock=lambda: now[0])
    told: list[squeue.Answer] = []
    for _ in range(40):
        queue.listen(told.append)
    others: list[squeue.Answer] = []
    queue.listen(lambda answer: others.append(answer))
    wait_for(asked.exists)
    assert told == []
    now[0] += 2 * squeue.INTERVAL_S  # which is how long it takes to give up
    go_on.touch()
    wait_for(lambda: told and others, what="the answer")
    assert ["Slurm does not answer" in answer.trouble for answer in told] == [True]
    queue.listen(told.append)
    assert told[1:] == told[:1], "at once, and not asked again"
    assert len(asked.read_text()) == 1
    now[0] += squeue.INTERVAL_S
    fake("squeue", "")
    queue.listen(told.append)
    wait_for(lambda: len(told) == 3)
    assert told[-1].trouble == ""


def test_who_is_interrupted_while_asking_keeps_nobody(fake, monkeypatch):
    fake("squeue", "echo '1|PENDING|None||0:00|one'")
    queue = Queue()

    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(squeue, "_ask", interrupt)
        with pytest.raises(KeyboardInterrupt):
            queue.ask()
    assert "one" in queue.ask().jobs


def test_a_command_that_hangs_is_killed_with_what_it_started(fake, tmp_path):
    pid = tmp_path / "pid"
    fake("sbatch", f"sleep 600 & echo $! > {pid}; wait")
    with pytest.raises(SlurmError, match=r"sbatch did not end within 0\.3 s"):
        call(["sbatch"], 0.3)
    child = int(pid.read_text())
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_squeue_that_never_ends_its_list_is_ended(fake, monkeypatch):
    monkeypatch.setattr(slurm_call, "_MOST_BYTES", 1 << 20)
    fake("squeue", "exec yes '17|RUNNING|None|node01|1:00|one'")
    assert Queue().answer().trouble == "Slurm does not answer: a command said more than 1,048,576 bytes"


def test_what_would_narrow_the_list_is_kept_from_it(fake, monkeypatch):
    monkeypatch.setenv("SQUEUE_PARTITION", "another")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    fake("squeue", "env | grep -E '^(SQUEUE|SLURM)_'; exit 0")
    assert call(["squeue"]) == "SLURM_CONF=/etc/slurm.conf\n"


def test_a_command_that_is_not_there_is_an_error():
    with pytest.raises(SlurmError, match="no-such-command cannot be run: No such file"):
        call(["no-such-command"])
