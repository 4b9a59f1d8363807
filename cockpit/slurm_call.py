"""Slurm's own commands, run from here: how long they may take and how much they may say is bounded."""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence

from cockpit.errors import CockpitError

PATIENCE_S = 10.0
"""A client gives up on a silent controller after as long (measured with Slurm 22.05: 9 s refused, 10 s silent)."""
_MOST_BYTES = 64 << 20
"""The most that a command may say: half a million jobs."""
_WORDS = 400
"""Characters of a command's complaint that are told."""
_KEPT = frozenset({"SLURM_CONF", "SLURM_CLUSTERS"})


class SlurmError(CockpitError):
    """One of Slurm's commands failed, or did not end in time; the message is its own."""

    @property
    def verdict(self) -> str:
        """The end of it: the lines before tell of the steps that failed on the way to it."""
        return str(self).rpartition("; ")[2]


def call(words: Sequence[str], patience_s: float = PATIENCE_S, keep: tuple[int, ...] = ()) -> str:
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
