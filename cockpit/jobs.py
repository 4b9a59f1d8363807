"""What a Slurm job means for its run: the queue's word beside what the run folder tells."""

import os
import time

import msgspec

from cockpit import records
from cockpit.errors import CockpitError
from cockpit.squeue import QUEUE, Answer, Job
from cockpit.store import Run

_FRESH_S = 15.0
"""So long after its submission a job may be missing in an answer that is older than it."""
_ENDS = {
    "BOOT_FAIL": "did not get its node to boot",
    "CANCELLED": "was cancelled",
    "COMPLETED": "ended",
    "DEADLINE": "missed its deadline",
    "FAILED": "failed",
    "NODE_FAIL": "lost its node",
    "OUT_OF_MEMORY": "ran out of the node's memory; ask for more with --slurm mem=SIZE",
    "PREEMPTED": "had to make room for another",
    "TIMEOUT": "reached its time limit",
}
"""What became of a job, by the state that Slurm leaves it in."""
_AS_ASKED = frozenset({"CANCELLED", "COMPLETED"})


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The Slurm job of a run, as a listing shows it."""

    id: str
    """Its number; empty while it is not known."""
    state: str = ""
    """What squeue calls its state; empty when it was not asked or did not say."""
    reason: str = ""
    """Why it waits, in Slurm's word."""
    node: str = ""
    """Where it runs."""
    elapsed_s: float | None = None
    """Seconds since it began there."""
    limit_s: float | None = None
    """Seconds that it may take; None when there is no limit, or it is not known."""


def current(run: Run, launches: list[records.Launch]) -> records.Submission | None:
    """Return the submission that the run lives by now; None when it was last launched without Slurm, or not at all."""
    submissions = run.submissions()
    if not submissions or submissions[-1].refused:
        return None
    newest = submissions[-1]
    moved_on = launches and launches[-1].attempt > newest.launches and launches[-1].submission != newest.name
    return None if moved_on else newest


def look(submission: records.Submission) -> Answer:
    """Return what Slurm says of its owner's jobs, if that is us."""
    if submission.uid != os.getuid():
        return Answer({}, f"its job is another user's (uid {submission.uid})")
    return QUEUE.answer()


def show(submission: records.Submission, *, live: bool) -> JobInfo:
    """Return what a listing shows of the job; of a run that is over, Slurm is not asked."""
    job = look(submission).jobs.get(submission.name) if live else None
    return JobInfo(id=submission.job) if job is None else _tell(job)


def _tell(job: Job) -> JobInfo:
    return JobInfo(
        id=job.id,
        state=job.state,
        reason=job.reason,
        node=job.node,
        elapsed_s=job.elapsed_s,
        limit_s=job.limit_s,
    )


def waits_as_told(run: Run, told: JobInfo) -> bool:
    """Tell whether a run's job waits in Slurm just as a listing told: only a file can change what is said of it then.

    A thousand jobs may wait, and to judge each anew twice a second is what a listing of them would take its time for.
    """
    try:
        submission = current(run, run.launches())
    except CockpitError:  # the row is to tell of it
        return False
    job = look(submission).jobs.get(submission.name) if submission else None
    return job is not None and job.waits and _tell(job) == told


def judge(
    run: Run,
    submission: records.Submission,
    launch: records.Launch | None,
    own: tuple[str, str],
    *,
    submitting: bool = False,
) -> tuple[str, str]:
    """Return the status of a run that was submitted to Slurm, and a sentence about it.

    Args:
        run: The run.
        submission: The one that it lives by.
        launch: Its newest launch, or None.
        own: What its folder and its process tell, without Slurm.
        submitting: Whether it is us who are `Run.submitting` it.
    """
    begun = launch is not None and launch.submission == submission.name
    has_turn = run.turn() == submission.name
    if begun and (own[0] in ("finished", "failed") or (own[0] == "stopped" and not has_turn)):
        return own
    answer = look(submission)
    job = answer.jobs.get(submission.name)
    if answer.trouble:
        return _unheard(submission, own if begun else None, answer)
    if job is None:
        if not submission.job and not begun and not submitting and run.is_being_submitted():
            return "pending", "it is being submitted to Slurm"
        return _unlisted(submission, own if begun else None, has_turn)
    if job.waits:
        before = f"; {own[1]}" if begun and own[0] == "stopped" else ""
        return "pending", f"job {job.id} waits in Slurm ({job.reason or job.state}){before}"
    if not job.over:
        return _under_way(job, own if begun else None)
    return _over(job, own if begun else None)


def _unheard(submission: records.Submission, own: tuple[str, str] | None, answer: Answer) -> tuple[str, str]:
    """Judge by the folder alone: what it proves counts, and nothing is concluded from Slurm's silence."""
    number = f"job {submission.job}" if submission.job else "its job"
    if own and own[0] in ("starting", "running"):
        return own[0], f"{own[1]} · {answer.trouble}"
    if own and own[0] != "lost" and not answer.installed:
        return own
    last = f"; its last word: {own[1]}" if own and own[0] == "stopped" else ""
    return "unknown", f"{answer.trouble}, so what {number} does is not known{last}"


def _unlisted(submission: records.Submission, own: tuple[str, str] | None, has_turn: bool) -> tuple[str, str]:
    """Judge a run whose job Slurm does not list: it forgets a job some minutes after its end."""
    if own and own[0] in ("starting", "running", "stopped"):
        return own
    if own:
        return "lost", _without_last_word(f"Slurm has no job {submission.job or 'of it'} any more", own)
    if not submission.job:
        return "created", "its submission was cut off and Slurm has no job of it; resume submits it"
    if not has_turn:
        return "stopped", f"job {submission.job} was cancelled before it began"
    if abs(time.time() - submission.time) < _FRESH_S:  # another host's clock may be ahead
        return "pending", f"job {submission.job} is submitted"
    return "lost", f"Slurm has no job {submission.job} any more, and it never began; resume submits it again"


def _under_way(job: Job, own: tuple[str, str] | None) -> tuple[str, str]:
    state = "" if job.state == "RUNNING" else f" is {job.state}"
    place = f"job {job.id} on {job.node or '?'}{state}, {span(job.elapsed_s)}"
    if own is None:
        return "starting", f"{place}: the trainer starts"
    if own[0] in ("starting", "running", "stale"):
        return own[0], f"{place} · {own[1]}"
    if job.state == "COMPLETING":
        return "pending", f"job {job.id} ends · {own[1]}"
    return "starting", f"{place} · the trainer ends or begins again"


def _over(job: Job, own: tuple[str, str] | None) -> tuple[str, str]:
    end = f"job {job.id} {_ENDS.get(job.state, f'is {job.state}')}"
    if job.state == "FAILED" and job.reason:
        end += f" ({job.reason})"
    if own and own[0] == "stopped":
        return own if job.state in _AS_ASKED else (own[0], f"{own[1]} · {end}")
    if own and own[0] in ("starting", "running"):  # a shared folder may show the trainer's last word late
        return own[0], f"{end} · {own[1]}"
    if own is None:
        state = "stopped" if job.state == "CANCELLED" else "failed"
        return state, f"{end} before the trainer began"
    return "lost" if job.state in _AS_ASKED else "failed", _without_last_word(end, own)


def _without_last_word(end: str, own: tuple[str, str]) -> str:
    """Return a sentence on a trainer that is gone with its job: what is known of its end where that can be told."""
    if own[0] == "lost":
        return f"{end}: {own[1]}"
    return f"{end}, and its trainer left no last word; resume continues it"


def span(seconds: float | None) -> str:
    """Return a duration in minutes: seconds would be painted again all the time."""
    minutes = round(seconds or 0.0) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02}"
