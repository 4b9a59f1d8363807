"""A Slurm of the tests' own: a controller and two nodes of two cores on loopback, without accounting.

The second node is this machine too, and only jobs that ask for the partition `pair` get it.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil
from waiting import wait_for

from cockpit import places, squeue, status
from cockpit.settings import read_settings
from cockpit.store import Run

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
"""What the Debian packages slurmctld, slurmd, slurm-client and munge bring."""
_CONF = """\
ClusterName=lab
MailProg=/bin/true
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge.sock
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool/%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
ReturnToService=2
KillWait=10
MinJobAge=300
MessageTimeout=2
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={first_port} CPUs=2 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={second_port} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=n1 Default=YES MaxTime=INFINITE State=UP
PartitionName=pair Nodes=n[1-2] MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """The programs that this machine lacks."""
    return [program for program in PROGRAMS if find(program) is None]


def find(program: str) -> str | None:
    """Where a program is; daemons lie beside the PATH of ordinary users."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Cluster:
    """A Slurm in a folder; its daemons are children of the test.

    Attributes:
        conf: The file that SLURM_CONF names.
        host: The node of the usual partition; this machine, like the other one.
    """

    def __init__(self, home: Path) -> None:
        self.conf = home / "slurm.conf"
        self._home = home
        self._environment = os.environ | {"SLURM_CONF": str(self.conf)}
        self.host = "n1"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for folder in ("state", "spool"):
            (home / folder).mkdir()
        key = home / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        ports = dict(zip(("controller_port", "first_port", "second_port"), _free_ports(3), strict=True))
        host = socket.gethostname().split(".")[0]
        self.conf.write_text(_CONF.format(home=home, host=host, user=getpass.getuser(), **ports))

    def start(self) -> None:
        """Start the daemons and wait until the nodes are idle."""
        files = {name: self._home / f"munge.{name}" for name in ("pid", "log", "seed")}
        socket_path = self._home / "munge.sock"
        self._start(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={self._home / 'munge.key'}",
            f"--socket={socket_path}",
            *(f"--{name}-file={path}" for name, path in files.items()),
        )
        wait_for(socket_path.exists, 20, "munged")
        self.start_controller()
        for node in ("n1", "n2"):
            self._start("slurmd", "-D", "-f", str(self.conf), "-N", node, name=f"slurmd {node}")
        wait_for(self.is_idle, 30, "idle nodes")

    def start_controller(self, *, afresh: bool = False) -> None:
        """Start the controller and wait until it answers; afresh, it has forgotten every job."""
        self._start("slurmctld", "-D", *["-c"] * afresh, "-f", str(self.conf))
        wait_for(lambda: "UP" in self.run("scontrol", "ping"), 30, "slurmctld")

    def stop_controller(self) -> None:
        """End the controller, as when it is down for a while; its jobs go on."""
        self._end("slurmctld")

    def freeze_controller(self) -> None:
        """Let the controller take calls and not answer them."""
        self._daemons["slurmctld"].send_signal(signal.SIGSTOP)

    def thaw_controller(self) -> None:
        """Let it go on."""
        self._daemons["slurmctld"].send_signal(signal.SIGCONT)

    @property
    def controller_pid(self) -> int:
        """The controller's process."""
        return self._daemons["slurmctld"].pid

    def run(self, *words: str) -> str:
        """Run one of Slurm's commands and return what it printed; a failure prints nothing."""
        return subprocess.run(words, capture_output=True, text=True, timeout=60, env=self._environment).stdout

    def jobs(self, *states: str) -> list[str]:
        """The names of the jobs in these states, or in any."""
        chosen = f"--states={','.join(states) or 'all'}"
        return self.run("squeue", "--noheader", chosen, "--format=%j").split()

    def cancel_all(self) -> None:
        """End every job, and wait until the nodes are idle."""
        if not self.jobs("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            return
        self.run("scancel", f"--user={getpass.getuser()}")
        wait_for(self.is_idle, 40, "idle nodes")

    def is_idle(self) -> bool:
        """Tell whether both nodes are there and do nothing."""
        return set(self.run("sinfo", "--noheader", "--format=%T").split()) == {"idle"}

    def close(self) -> None:
        """End everything that was started, the trainers of jobs too."""
        with contextlib.suppress(AssertionError):
            self.cancel_all()
        for name in reversed(self._daemons):
            self._end(name)

    def _start(self, program: str, *words: str, name: str = "") -> None:
        path = find(program)
        assert path is not None
        with open(self._home / f"{name or program}.log", "ab") as log:
            self._daemons[name or program] = subprocess.Popen(
                [path, *words], stdout=log, stderr=log, start_new_session=True
            )

    def _end(self, program: str) -> None:
        process = self._daemons[program]
        if process.poll() is not None:
            return
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if program.startswith("slurmd "):
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


def submit(run: Run, *flags: str, device: str = "cpu") -> None:
    """Submit a run that trains on the CPU and records every step."""
    places.start(run, "slurm", device=device, sample_s=0, settings=read_settings(["time=60", *flags]))


def job_of(run: Run) -> str:
    """The number of the run's job, as its folder has it."""
    return run.submissions()[-1].job


def now(run: Run) -> status.RunInfo:
    """The run's status by an answer of this moment."""
    squeue.QUEUE.forget()
    return status.describe(run)


def jobs_of(cluster: Cluster, run: Run) -> list[str]:
    """The names of all jobs that a run has or had."""
    return [name for name in cluster.jobs() if name.startswith(run.id)]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
