"""What Slurm says of the user's jobs: one squeue for all runs, at most every five seconds; every wait has an end."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cockpit.errors import CockpitError

INTERVAL_S = 5.0
"""Least seconds between two questions: a controller serves thousands of users."""
_PATIENCE_S = 10.0
"""A client gives up on a silent controller after as long (measured with Slurm 22.05: 9 s refused, 10 s silent)."""
_FIRST_WAIT_S = 2.0
"""How long a listing waits for the first answer; a healthy controller gives it in milliseconds."""
_NEXT_S = 0.5
"""How long the next question waits for one that is under way."""
_STALE_S = 3 * INTERVAL_S + _PATIENCE_S
"""An answer of that age says nothing any more."""
_MOST_BYTES = 64 << 20
"""The most that a command may say: half a million jobs."""
_WORDS = 400
"""Characters of a command's complaint that are told."""
_FORMAT = "%i|%T|%r|%N|%M|%j|%l"
_LIMIT = re.compile(r"(?P<name>.*?)(?:\|(?P<limit>[0-9:-]+|[A-Z_]+))?", re.DOTALL)
"""The end of a line: a name may have strokes in it, too."""
_KEPT = frozenset({"SLURM_CONF", "SLURM_CLUSTERS"})
_WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
)
_OVER = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)


class SlurmError(CockpitError):
    """One of Slurm's commands failed, or did not end in time; the message is its own."""

    @property
    def verdict(self) -> str:
        """The end of it: the lines before tell of the steps that failed on the way to it."""
        return str(self).rpartition("; ")[2]


class Job(NamedTuple):
    """A job as squeue shows it."""

    id: str
    """Its number."""
    state: str
    """For example PENDING, RUNNING, TIMEOUT."""
    reason: str
    """Why it waits, or how it ended; empty when there is none."""
    node: str
    """The nodes that it has or had."""
    elapsed_s: float | None
    """Seconds since it began."""
    limit_s: float | None = None
    """Seconds that it may take; None when it may take as long as it likes, or Slurm does not say."""

    @property
    def waits(self) -> bool:
        """Whether it has yet to begin, also once more."""
        return self.state in _WAITING

    @property
    def over(self) -> bool:
        """Whether it will do nothing more. A state that we do not know is not over: nothing is submitted again then."""
        return self.state in _OVER


class Answer(NamedTuple):
    """What squeue said."""

    jobs: Mapping[str, Job]
    """The user's jobs by name: those that wait, those that run, and those that ended a few minutes ago."""
    trouble: str = ""
    """Why there is no answer; empty when there is one."""
    installed: bool = True
    """Whether this machine has Slurm's commands at all."""


class _Question:
    """A question that is about to be asked, and its answer."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.over = threading.Event()


class Queue:
    """Asks squeue, for all who want to know in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without an answer; the clock gives seconds and never goes back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._answered = 0.0
        self._newest = -float("inf")
        self._under_way = threading.Lock()
        self._next: _Question | None = None
        self._heard: tuple[float, Answer] | None = None
        self._asking: threading.Thread | None = None
        self._awaited: threading.Thread | None = None

    def answer(self) -> Answer:
        """Return the last answer, and fetch a newer one in the background when it is old.

        Only who finds none at all, or a stale one, waits for it, two seconds at most.
        """
        with self._lock:
            if self._age_s() >= INTERVAL_S and not (self._asking and self._asking.is_alive()):
                self._asking = threading.Thread(target=self.ask, name="squeue", daemon=True)
                self._asking.start()
            asking = self._asking
        if self._age_s() > _STALE_S and asking and asking is not self._awaited:
            asking.join(_FIRST_WAIT_S)
            self._awaited = asking  # nobody else waits for it: a listing has many runs
        with self._lock:
            if self._answer is None or self._age_s() > _STALE_S:
                return Answer({}, "Slurm has not answered yet")
            return self._answer

    def ask(self) -> Answer:
        """Ask now, wait for the answer as long as Slurm's own clients do, and return it.

        Of those who come while a question is under way the first asks the next one, for all of them: who stops a
        thousand jobs at once asks some dozen times.
        """
        while True:
            with self._lock:
                question, first = self._next, self._next is None
                if question is None:
                    question = self._next = _Question()
            if not first:
                question.over.wait()
                if question.answer:  # else who asked was interrupted
                    return question.answer
                continue
            try:
                question.answer = self._ask_next()
                return question.answer
            finally:
                with self._lock:
                    if self._next is question:  # it was interrupted before it began
                        self._next = None
                question.over.set()

    def _ask_next(self) -> Answer:
        alone = self._under_way.acquire(timeout=_NEXT_S)  # a question that hangs keeps nobody
        try:
            with self._lock:
                self._next = None  # who comes from now on may know of something that this question does not
            return self._ask_now()
        finally:
            if alone:
                self._under_way.release()

    def _ask_now(self) -> Answer:
        begun = self._clock()
        answer = _ask()
        with self._lock:
            self._heard = None if answer.trouble else (begun, answer)
            if begun >= self._newest:  # or an answer to a later question overtook it
                self._answer, self._answered, self._newest = answer, self._clock(), begun
        return answer

    def heard(self) -> Answer:
        """Return an answer to a question of the last five seconds, also one that is forgotten; else ask now.

        For who wants to know whether Slurm answers, and nothing of a particular job.
        """
        with self._lock:
            heard = self._heard
        recent = heard is not None and self._clock() - heard[0] < INTERVAL_S
        return heard[1] if heard and recent else self.ask()

    def forget(self) -> None:
        """Make the next to want to know ask afresh: the queue has just been changed from here."""
        with self._lock:
            self._answer, self._newest = None, self._clock()

    def _age_s(self) -> float:
        return float("inf") if self._answer is None else self._clock() - self._answered


QUEUE = Queue()
"""The one that this process asks."""


def _ask() -> Answer:
    if shutil.which("squeue") is None:
        return Answer({}, "this machine has no squeue to ask Slurm with", installed=False)
    try:
        lines = call(question()).splitlines()
    except SlurmError as error:
        return Answer({}, f"Slurm does not answer: {error.verdict}")
    jobs: dict[str, Job] = {}
    for line in lines:
        fields = line.split("|", 5)
        if len(fields) == 6 and fields[0].isdecimal():  # an array of jobs, say, is none of ours
            number, state, reason, node, elapsed, rest = fields
            end = _LIMIT.fullmatch(rest)
            name, limit = (end["name"], end["limit"]) if end else (rest, "")
            reason = "" if reason == "None" else reason
            job = Job(number, state, reason, node, _seconds(elapsed), _seconds(limit or ""))
            if name not in jobs or jobs[name].over:
                jobs[name] = job
    return Answer(jobs)


def question() -> list[str]:
    """Return the command line of the one question: the controller picks the user's jobs itself, however many others."""
    return ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", f"--format={_FORMAT}"]


def _seconds(text: str) -> float | None:
    """Read squeue's [days-][hours:]minutes:seconds."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((24.0 * days + hours) * 60 + minutes) * 60 + seconds


def call(words: Sequence[str], patience_s: float = _PATIENCE_S, keep: tuple[int, ...] = ()) -> str:
    """Run one of Slurm's commands and return what it printed.

    Args:
        words: The command line.
        patience_s: Seconds after which it is killed, with whatever it started.
        keep: File descriptors that it inherits.

    Raises:
        SlurmError: When it cannot be run, fails, says too much, or was killed.
    """
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=keep,
            env=_environment(),
        )
    except OSError as error:
        raise SlurmError(f"{words[0]} cannot be run: {error.strerror}") from error
    with process:
        try:
            out, err = _outputs(process, patience_s)
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{words[0]} did not end within {patience_s:g} s") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise SlurmError(_last_words(err) or f"{words[0]} ended with {process.returncode}")
    return out


def _outputs(process: subprocess.Popen[bytes], patience_s: float) -> tuple[str, str]:
    """Return all that a process writes to its two pipes; how long that may take and how much it may be is bounded."""
    deadline = time.monotonic() + patience_s
    out, err = bytearray(), bytearray()
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, patience_s)
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(key.data) > _MOST_BYTES:
                    raise SlurmError(f"a command said more than {_MOST_BYTES:,} bytes")
    return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """Return the environment without what would filter squeue's list or stems from a job that we are in ourselves."""
    strange = ("SLURM_", "SQUEUE_", "SCANCEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange) or name in _KEPT}


def _last_words(text: str) -> str:
    """Return Slurm's complaints without the program's name before each."""
    lines = [re.sub(r"^\w+: (error|fatal): |^slurm_load_jobs error: ", "", line) for line in text.splitlines()]
    return "; ".join(line.strip() for line in lines if line.strip())[:_WORDS]
