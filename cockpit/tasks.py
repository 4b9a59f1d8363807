"""Processes that do something with a run beside its training: a test, a classification, an export, a preflight.

None of them is loaded into the process that starts it: they import torch.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cockpit import files, interpreter
from cockpit.device_names import first_of
from cockpit.forms import LOG_NAME
from cockpit.launch import TRAINER_ENVIRONMENT, check_checkpoint, check_testable, spawn
from cockpit.store import Run


def start_test(run: Run, *, device: str = "auto") -> subprocess.Popen[bytes]:
    """Start a test of a run's best checkpoint in a session of its own; its result is the run's test.json.

    Raises:
        CockpitError: When there is no checkpoint yet, its result could not be kept, or its log cannot be written.
    """
    check_testable(run)
    argv = [
        sys.executable,
        *interpreter.module("cockpit.engine"),
        str(run.path.resolve()),
        "test",
        "--device",
        first_of(device),
    ]
    try:
        run.test_log_path.unlink(missing_ok=True)
    except OSError as error:
        raise files.unwritable(run.test_log_path, error) from error
    return spawn(argv, run.test_log_path)


def start_classify(run: Run, paths: Sequence[Path], *, device: str = "auto") -> subprocess.Popen[bytes]:
    """Start a process that writes what a run's best network takes image files for to its stdout, `Classified` as JSON.

    Raises:
        CockpitError: When there is no checkpoint yet.
    """
    check_checkpoint(run)
    images = [os.path.abspath(os.path.expanduser(path)) for path in paths]
    argv = [
        sys.executable,
        *interpreter.module("cockpit"),
        "test",
        *images,
        "--run",
        run.id,
        "--runs",
        str(run.path.absolute().parent),
    ]
    argv += ["--device", first_of(device), "--json"]
    env = TRAINER_ENVIRONMENT | os.environ
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def start_export(run: Run, formats: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that exports a run into a folder, and goes on without us; what it says is in the folder's log.

    Nothing that is there is written over.

    Raises:
        CockpitError: When the log cannot be written.
    """
    argv = [sys.executable, *interpreter.module("cockpit"), "export", run.id, "--to", ",".join(formats)]
    argv += ["--out", f"{folder}{os.sep}", "--runs", str(run.path.absolute().parent)]
    return spawn(argv, folder / LOG_NAME)


def start_preflight(run: Run, *, device: str = "auto", seconds: float = 5.0) -> subprocess.Popen[bytes]:
    """Start a rehearsal in a run's folder, which is to be thrown away; its result is the folder's estimate.json.

    When this process dies, the rehearsal ends and removes the folder that the run lies in.
    """
    argv = [sys.executable, *interpreter.module("cockpit.engine"), str(run.path.resolve()), "preflight"]
    argv += ["--device", first_of(device), "--starter", str(os.getpid())]
    return spawn([*argv, "--seconds", str(seconds)], run.log_path)
