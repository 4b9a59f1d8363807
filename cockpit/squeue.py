"""What Slurm says of the user's jobs: one squeue for all runs, at most every five seconds; every wait has an end."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cockpit.slurm_call import PATIENCE_S, SlurmError, call

INTERVAL_S = 5.0
"""Least seconds between two questions: a controller serves thousands of users."""
_FIRST_WAIT_S = 2.0
"""How long a listing waits for the first answer; a healthy controller gives it in milliseconds."""
_NEXT_S = 0.5
"""How long the next question waits for one that is under way."""
_STALE_S = 3 * INTERVAL_S + PATIENCE_S
"""An answer of that age says nothing any more."""
_FORMAT = "%i|%T|%r|%N|%M|%j|%l"
_LIMIT = re.compile(r"(?P<name>.*?)(?:\|(?P<limit>[0-9:-]+|[A-Z_]+))?", re.DOTALL)
"""The end of a line: a name may have strokes in it, too."""
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
        self._listeners: list[Callable[[Answer], None]] = []

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
            self._heard = (self._clock() if answer.trouble else begun, answer)  # to give up takes longer than it holds
            if begun >= self._newest:  # or an answer to a later question overtook it
                self._answer, self._answered, self._newest = answer, self._clock(), begun
        return answer

    def heard(self) -> Answer:
        """Return an answer to a question of the last five seconds, also one that is forgotten; else ask now.

        For who wants to know whether Slurm answers, and nothing of a particular job.
        """
        heard = self._heard_lately()
        return heard if heard and not heard.trouble else self.ask()

    def listen(self, tell: Callable[[Answer], None]) -> None:
        """Tell somebody whether Slurm answers: what was heard lately, trouble too, at once; else later. It never waits.

        Args:
            tell: Called with the answer to one question for all who listen, from a thread that keeps nobody from
                leaving. Who listens already is told once.
        """
        heard = self._heard_lately()
        if heard:
            tell(heard)
            return
        with self._lock:
            first = not self._listeners
            if tell not in self._listeners:
                self._listeners.append(tell)
        if first:
            threading.Thread(target=self._ask_for_listeners, name="squeue for listeners", daemon=True).start()

    def _ask_for_listeners(self) -> None:
        answer = Answer({}, "Slurm has not answered yet")
        try:
            answer = self.ask()
        finally:
            with self._lock:
                listeners, self._listeners = self._listeners, []
            for tell in listeners:
                tell(answer)

    def _heard_lately(self) -> Answer | None:
        with self._lock:
            heard = self._heard
        return heard[1] if heard and self._clock() - heard[0] < INTERVAL_S else None

    def forget(self) -> None:
        """Make the next to want to know ask afresh: the queue has just been changed from here."""
        with self._lock:
            self._answer, self._newest = None, self._clock()
            if self._heard and self._heard[1].trouble:
                self._heard = None  # it has answered since

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
