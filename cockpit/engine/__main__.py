"""The trainer's entry: `python -m cockpit.engine RUN train|rank|node|test|preflight|fit`.

It names itself before torch is loaded.
"""

import argparse
import contextlib
import errno
import faulthandler
import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import psutil

from cockpit import afterwards, causes, dispatch, interpreter, liveness, records
from cockpit.device_names import count
from cockpit.engine import site
from cockpit.engine.journal import SAMPLE_S, Journal, say
from cockpit.engine.member import PATIENCE_S, take_part
from cockpit.engine.stopping import BEFORE_STEPS, StopFlag, Stopped
from cockpit.errors import CockpitError
from cockpit.results import told_loss
from cockpit.store import Run, RunStore

_BEGUN = time.monotonic()
_LOOK_S = 0.5


def main() -> int:
    """Do what the verb says with a run folder; return 0, 1 when the run failed, 2 when it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine", description=__doc__)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("verb", choices=("train", "rank", "node", "test", "preflight", "fit"))
    parser.add_argument("--seconds", type=float, default=5.0, help="preflight, rank: how long to take steps")
    parser.add_argument("--threads", type=int, default=0, help="rank of a bench: threads of a process that is alone")
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, cuda, cuda:<n>; train: or several")
    parser.add_argument("--sample-s", type=float, default=SAMPLE_S, help="seconds between live samples; 0: every step")
    parser.add_argument("--lock-fd", type=int, help="descriptor of the writer lock that the launcher holds for us")
    parser.add_argument("--patience-s", type=float, default=PATIENCE_S, help="several devices: how long one waits")
    parser.add_argument("--nodes", type=int, default=1, help="how many; train, to try it out: process trees")
    parser.add_argument("--node", type=int, help="node: its ordinal, from 1; else srun has numbered it")
    parser.add_argument("--endpoint", default="", help="node: where the first node is")
    parser.add_argument("--attempt", type=int, default=1, help="rank, node: ordinal of the launch")
    parser.add_argument("--outbox", type=Path, default=Path(), help="rank: where its last word goes")
    parser.add_argument("--starter", type=int, default=0, help="rank, preflight: the process that it must not outlive")
    args = parser.parse_args()
    faulthandler.enable()  # a crash in native code leaves its stack in the log
    run = Run(args.run.resolve())
    try:
        if args.verb == "test":
            return _test(run, args.device)
        if args.verb == "preflight":
            return _preflight(run, args.device, args.seconds, args.starter)
        if args.verb == "fit":
            return _fit(run, args.device)
        timing = {"sample_s": args.sample_s, "patience_s": args.patience_s}
        if args.verb == "rank" and args.threads:
            from cockpit.engine.scaling import take_part as take_part_in_bench

            mine = {"outbox": args.outbox, "starter": args.starter, "patience_s": args.patience_s}
            take_part_in_bench(run, args.device, args.seconds, threads=args.threads, **mine)
        if args.verb == "rank":
            mine = {"attempt": args.attempt, "outbox": args.outbox, "starter": args.starter, "num_nodes": args.nodes}
            take_part(run, args.device, _explain, **mine, **timing)
        if args.verb == "node":
            return _be_node(run, args)
        return _train(run, args.device, args.lock_fd, args.nodes, **timing)
    except CockpitError as error:
        print(error, file=sys.stderr)
        return 2


def _be_node(run: Run, args: argparse.Namespace) -> int:
    from cockpit.engine.nodes import be_node

    node = args.node or site.own_number()
    rank = [
        *interpreter.module("cockpit.engine"),
        str(run.path),
        "rank",
        "--device",
        args.device,
        "--attempt",
        str(args.attempt),
    ]
    rank += ["--sample-s", str(args.sample_s), "--patience-s", str(args.patience_s), "--nodes", str(args.nodes)]
    rank += ["--starter", str(os.getpid())]
    return be_node(rank, count(args.device), run.path, node, args.nodes, args.endpoint, args.patience_s)


def _train(
    run: Run, device: str, lock_fd: int | None, num_nodes: int = 1, *, sample_s: float, patience_s: float
) -> int:
    environment = dict(os.environ)  # before a training sets anything for itself
    stop = StopFlag()
    stop.install()
    lock = run.lock() if lock_fd is None else lock_fd
    os.set_inheritable(lock, False)  # a child of ours that outlives us must not keep the run locked
    attempt = len(run.launches()) + 1
    journal = Journal(run, attempt, sample_s)
    _introduce(run, device, attempt)

    def begin_attempt() -> None:
        journal.attempt += 1
        _introduce(run, device, journal.attempt)

    try:
        with stop.at_once(BEFORE_STEPS):  # torch takes seconds to load, minutes from a slow disk
            nodes = site.find_site(num_nodes)
            if count(device) > 1 or nodes:
                from cockpit.engine.group import train_together

                timing = {"sample_s": sample_s, "patience_s": patience_s, "site": nodes}
                train = functools.partial(train_together, begin_attempt=begin_attempt, lock=lock, **timing)
            else:
                from cockpit.engine.train import train
        train(run, device, journal, stop)
    except Stopped as stopped:
        journal.phase("stopped", f"{stopped}{_kept_from_before(run, journal.attempt)}")
    except CockpitError as error:
        journal.phase("failed", str(error))
        return 1
    except Exception as error:  # the engine's edge: whatever it was, the run folder must say so
        with contextlib.suppress(OSError):  # the log may lie on a full disk
            traceback.print_exc()
        journal.phase("failed", _explain(error, run, device))
        return 1
    finally:
        journal.close()
        told = _prepare_to_tell(run, stop)
        os.close(lock)  # nothing is written any more, and a resume need not wait until torch is torn down
        if told:
            _tell(run, told, environment)
        dispatch.tick_when_gone(RunStore(run.path.parent), environment)
    return 0


def _kept_from_before(run: Run, attempt: int) -> str:
    """Return the end of a sentence about a stop, where that came before the training was taken up again."""
    with contextlib.suppress(CockpitError):
        last = run.tail().phase
        begun = last is not None and last.attempt == attempt and last.state in ("running", "testing")
        if not begun and (step := run.checkpoint_step()):
            return f"; the checkpoint of step {step:,} is kept"
    return ""


def _prepare_to_tell(run: Run, stop: StopFlag) -> dict[str, str]:
    """Return what the user's command is to know of this end; empty if it is none, or there is no command."""
    try:
        told = afterwards.prepare(run)
    except Exception as error:  # whatever it was, it must not change how the run ended
        _say_untold(error)
        return {}
    goes_on = "COCKPIT_SUBMISSION" in os.environ and stop.reason == "SIGUSR1"  # its job queues again
    return {} if goes_on and told.get("COCKPIT_STATUS") == "stopped" else told


def _tell(run: Run, told: dict[str, str], environment: dict[str, str]) -> None:
    try:
        afterwards.start(run, told, environment)
    except Exception as error:  # see above
        _say_untold(error)


def _say_untold(error: Exception) -> None:
    with contextlib.suppress(OSError):  # the log may lie on a full disk
        print(f"the command of [notify] was not started: {error}", flush=True)


def _test(run: Run, device: str) -> int:
    from cockpit.engine.evaluate import choose_test_backend, run_test

    report = run_test(run, choose_test_backend(run, device))
    loss = told_loss(report.loss, 4)
    print(f"top-1 {report.top1:.2%}  top-5 {report.top5:.2%}  {loss}  ({report.images:,} images)")
    return 0


def _preflight(run: Run, device: str, seconds: float, starter: int) -> int:
    if starter:
        threading.Thread(target=_leave_with, args=(starter, run.path.parent), daemon=True).start()
    from cockpit.engine.preflight import rehearse

    try:
        run.write_estimate(rehearse(run, device, seconds, begun=_BEGUN))
    except CockpitError:
        raise
    except Exception as error:
        traceback.print_exc()
        with contextlib.suppress(OSError, CockpitError):  # the disk may be full
            Journal(run, attempt=1).phase("preparing", "looking for what fits or helps")  # it may take half a minute
        raise CockpitError(_explain(error, run, device)) from None
    return 0


def _leave_with(starter: int, folder: Path) -> None:
    """End with the process that started this one, however that ends, and take away what would be left."""
    while os.getppid() == starter:
        time.sleep(_LOOK_S)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _fit(run: Run, device: str) -> int:
    from cockpit.engine.fitting import answer_trials

    answer_trials(run, device)
    return 0


def _introduce(run: Run, device: str, attempt: int) -> None:
    """Write this process as a line of launches.jsonl."""
    launch = records.Launch(
        attempt=attempt,
        time=time.time(),
        argv=sys.orig_argv,
        host=liveness.host_name(),
        boot_id=liveness.boot_id(),
        pid=os.getpid(),
        process_start_s=liveness.since_boot(psutil.Process()),
        device=device,
        oom_kills=causes.oom_kills(),
        versions={
            "python": platform.python_version(),
            **{name: _version(name) for name in ("cockpit", "torch", "torchvision", "numpy")},
        },
        git_commit=_git_commit(),
        submission=os.environ.get("COCKPIT_SUBMISSION", ""),
    )
    # First the log: the trace that an earlier attempt left in it must not be taken for the end of this one.
    say("launched", f"attempt {attempt}, pid {launch.pid} on {launch.host}")
    run.append_launch(launch)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git_commit() -> str:
    """Return the commit of the checkout that this code runs from, "+" behind it when files differ, else nothing."""
    home = Path(__file__).resolve().parents[2]
    if not (home / ".git").exists():
        return ""
    try:
        query = ["git", "-C", str(home), "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"]
        return subprocess.run(query, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _explain(error: Exception, run: Run, device: str) -> str:
    from cockpit.engine.fitting import advise
    from cockpit.engine.memory import is_out_of_memory, let_go

    if is_out_of_memory(error):
        let_go(error)
        return advise(run, device)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk of {run.path} is full; make room, then resume the run"
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
