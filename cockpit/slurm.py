"""The verbs of `launch` through Slurm: submit a run, stop it, end it. Nothing is submitted twice, and this is why:

- Who submits holds the lock of submissions.jsonl, and so does its sbatch by inheritance: if the one is killed, nobody
  else gets the lock before the other has ended.
- With the lock held, Slurm must answer, and the run's earlier submission must be known to be over; a silence refuses.
  For a run without an earlier one an answer of the last five seconds will do: a thousand submissions in a row ask a
  dozen times, not a thousand.
- The intention, with a name that no other job has, is on the disk before sbatch begins. Whatever cuts that off, the
  name tells afterwards, in Slurm's own list, whether there is a job: sbatch may fail although Slurm took it
  (measured: a controller that is stopped for 10 s takes the job when it goes on, long after sbatch gave up).
- Should a controller take a job later still, it does nothing: the run's turn, a file that holds the name of one job,
  is given before sbatch and taken away by a stop and by a new submission, and job.sh looks at it first of all.
"""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence

import msgspec

from cockpit import durable, jobs, liveness, records, slurm_call, status
from cockpit.config import config_path
from cockpit.device_names import CARD, MOST, count, names_of, normal
from cockpit.errors import CockpitError
from cockpit.jobscript import job_options, write_script
from cockpit.settings import Settings
from cockpit.slurm_call import SlurmError
from cockpit.squeue import QUEUE
from cockpit.store import Run

_PATIENCE_S = 60.0
"""How long sbatch may take: a busy controller has it try again for a while."""
DEVICES = (("auto", "Slurm's choice"), ("cuda", "a GPU, by gres"), ("cpu", "its cores"))
"""The devices that a job can be asked for: what a node has is not known here."""


class UndecidedError(CockpitError):
    """Whether Slurm took a job is not known yet."""


def is_here() -> bool:
    """Tell whether this machine can submit."""
    return shutil.which("sbatch") is not None


def check(device: str, settings: Settings | None = None) -> str:
    """Return the normal form of a node's devices, if this machine can submit and a job can be asked for them.

    Args:
        device: One of `DEVICES`, or several cards or CPUs, see `cockpit.device_names`.
        settings: What else is asked for; None while that is not known.

    Raises:
        CockpitError: When it cannot.
    """
    if not is_here():
        raise CockpitError("this machine has no sbatch to submit to Slurm with; add --where local, or go where it is")
    wanted = _wanted(device)
    granted = settings.num_gpus() if settings else None
    cards = [name for name in names_of(wanted) if name.startswith(CARD)]
    needed = max([len(cards), *(int(name.partition(":")[2]) + 1 for name in cards if name != CARD)])
    if settings and granted is not None and needed > granted:
        remedy = f"gres={re.sub(r'(:[0-9]+)?$', f':{needed}', settings.gres)}"
        raise CockpitError(
            f"device {wanted!r} takes {needed} GPUs of a node, but gres={settings.gres} asks for {granted}; "
            + (f"add --slurm {remedy}" if "," not in settings.gres else "ask for more with --slurm gres=")
        )
    return wanted


def offer(granted: int | None) -> list[tuple[str, str]]:
    """Return `DEVICES`, and all the GPUs of a node together where gres grants several.

    Args:
        granted: See `Settings.num_gpus`.
    """
    several = [(",".join([CARD] * granted), "all that gres grants")] if granted and 1 < granted <= MOST else []
    *cards, cpu = DEVICES
    return [*cards, *several, cpu]


def _wanted(device: str) -> str:
    """Return the normal form of what a job's ranks may have of a node; raise CockpitError when they cannot."""
    wanted = normal(device)
    if count(wanted) == 1 and wanted not in dict(DEVICES):
        known = ", ".join(value for value, _ in DEVICES)
        raise CockpitError(
            f"device {wanted!r} cannot be asked of a Slurm job; choose one of {known}, or several: cuda,cuda"
        )
    return wanted


def can_ask(device: str) -> bool:
    """Tell whether a job can be asked for a node's devices."""
    with contextlib.suppress(CockpitError):
        _wanted(device)
        return True
    return False


def all_devices(device: str, settings: Settings) -> str:
    """Return the devices of all nodes that a job may get, when each is asked for these."""
    return ",".join([device] * settings.most_nodes())


def script(run: Run, trainer: Sequence[str], environment: Mapping[str, str], settings: Settings, name: str = "") -> str:
    """Return the script that submitting a run would leave in its folder."""
    name = name or f"{run.id}.{len(run.submissions()) + 1}"
    options = job_options(name, run.log_path.resolve(), settings)
    return write_script(name, run.path.resolve(), trainer, environment, options)


def submit(
    run: Run,
    trainer: Sequence[str],
    environment: Mapping[str, str],
    settings: Settings,
    *,
    device: str = "auto",
    force: bool = False,
) -> records.Submission:
    """Submit a run to Slurm, to train from wherever it stands.

    Args:
        run: A run that nobody trains.
        trainer: Command line of the trainer.
        environment: What to set for it where the job has it not.
        settings: What to ask of Slurm.
        device: What a node's ranks train on, see `check`, as the trainer's command line has it.
        force: Also when it is not known what its job does. Somebody must have seen that it is gone.

    Raises:
        RunBusyError: When another process is submitting it.
        UndecidedError: When Slurm fell silent; the run must be kept.
        CockpitError: When the run is not over, or Slurm refuses; nothing was submitted then.
    """
    device = check(device, settings)
    try:
        with run.submitting() as lock:
            _refuse_unless_over(run, force=force)
            name = f"{run.id}.{len(run.submissions()) + 1}-{secrets.token_hex(3)}"
            text = script(run, trainer, environment, settings, name)
            intent = records.Submission(
                name=name,
                time=time.time(),
                host=liveness.host_name(),
                uid=os.getuid(),
                launches=len(run.launches()),
                device=device,
                settings=msgspec.to_builtins(settings),
            )
            run.append_submission(intent)
            durable.write_atomically(run.job_script_path, text.encode())
            run.give_turn(name)
            options = job_options(name, run.log_path.resolve(), settings)
            submission = msgspec.structs.replace(intent, job=_sbatch(run, name, options, lock))
            if submission.job:
                run.append_submission(submission)
    except OSError as error:
        raise CockpitError(
            f"run {run.id} cannot be submitted: {run.path} cannot be written: {error.strerror}"
        ) from error
    finally:
        QUEUE.forget()
    return submission


def _refuse_unless_over(run: Run, *, force: bool) -> None:
    answer = QUEUE.ask() if run.submissions() else QUEUE.heard()  # a first job has no earlier one to be known of
    if answer.trouble:
        raise CockpitError(f"{answer.trouble}; nothing was submitted")
    launches = run.launches()
    state, detail = status.judge(run, launches, run.tail(), submitting=True)
    if state not in status.RESUMABLE and not (force and state == "unknown"):
        raise CockpitError(f"run {run.id} is {state}, {detail}; nothing was submitted")
    before = jobs.current(run, launches)
    leftover = before and answer.jobs.get(before.name)
    if leftover and leftover.waits:  # a stop took its turn away, and Slurm was not there to cancel it
        with contextlib.suppress(SlurmError):
            slurm_call.call(["scancel", leftover.id])


def _sbatch(run: Run, name: str, options: list[str], lock: int) -> str:
    """Submit job.sh and return the job's number, or nothing where sbatch hid it; squeue tells it then."""
    try:
        said = slurm_call.call(
            ["sbatch", "--parsable", *options, str(run.job_script_path.resolve())], _PATIENCE_S, keep=(lock,)
        )
    except SlurmError as error:
        return _resolve(run, name, error)
    found = re.search(r"^(\d+)(?:;|$)", said, re.MULTILINE)
    return found[1] if found else ""


def _resolve(run: Run, name: str, error: SlurmError) -> str:
    """Return the number of the job that Slurm took although sbatch failed; else say why there is none."""
    answer = QUEUE.ask()
    job = answer.jobs.get(name)
    if job is not None and (job.node or not job.over):
        return job.id
    if answer.trouble:
        raise UndecidedError(
            f"Slurm fell silent while run {run.id} was submitted ({error}), so whether it has the job is not known; "
            f"the run is kept: `cockpit runs show {run.id}` tells once Slurm answers, and resume never submits twice"
        )
    intent = run.submissions()[-1]
    run.take_turn()
    run.append_submission(msgspec.structs.replace(intent, refused=str(error)))
    raise CockpitError(f"Slurm refuses the job: {error}; change it with --slurm KEY=VALUE or in {config_path()}")


def stop(run: Run, *, kill: bool = False) -> bool:
    """Have a run's job end, with a checkpoint, and not begin again. False when it was over already.

    A job that waits is cancelled. A kill leaves the trainer the seconds that the cluster grants (KillWait).

    Raises:
        CockpitError: When Slurm does not answer or does not obey; the job will not begin or queue again all the same.
    """
    submission = jobs.current(run, run.launches())
    if submission is None or status.judge(run, run.launches(), run.tail())[0] not in status.LIVE:
        return False
    run.take_turn()
    answer = QUEUE.ask()
    job = answer.jobs.get(submission.name)
    if job is None or job.over:
        if answer.trouble:
            raise _disobeyed(run, answer.trouble)
        return False
    try:
        slurm_call.call(["scancel", *([] if kill or job.waits else ["--batch", "--signal=TERM"]), job.id])
    except SlurmError as error:
        raise _disobeyed(run, str(error)) from error
    finally:
        QUEUE.forget()
    return True


def _disobeyed(run: Run, why: str) -> CockpitError:
    return CockpitError(
        f"the job of run {run.id} was not told to stop ({why}); it will not begin or queue again; try again"
    )
