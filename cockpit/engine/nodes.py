"""The other nodes of a run: what the first one knows of them and tells them, and what each of them does.

They meet in a store of torch.distributed in the first node's process, which their ranks use too. Whoever hears nothing
of it any more ends, ranks and all: nothing outlives the run's process, on any node.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
from torch.distributed import PrefixStore, Store, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from cockpit.engine.agent import START_S, Ends, Meeting, set_environment, tend
from cockpit.engine.site import Site, node_name
from cockpit.engine.stopping import BEFORE_STEPS, StopFlag, Stopped
from cockpit.errors import CockpitError

_LOOK_S = 0.1
_CALL_S = 0.5
_REPORT_S = 10.0
"""How long the first node waits for what became of the others' ranks when its own are gone."""
_LEAVE_S = 5.0
"""How long the others' processes may take to end once they are told that all is over."""
_MOST_BYTES = 1_000_000
"""The longest report that is read: a store on a network takes what anybody writes."""


class OtherNodes:
    """The other nodes of a run, while its ranks are there.

    Attributes:
        meeting: Where the first node's agent meets theirs.
    """

    def __init__(self, site: Site, store: Store, port: int) -> None:
        """Know where they come to, none being started yet."""
        host = f"[{site.address}]" if ":" in site.address else site.address
        self.meeting = Meeting(f"{host}:{port}", uuid.uuid4().hex, 0, len(site.names))
        self._store = store
        self._processes: list[subprocess.Popen[bytes]] = []
        self._names = list(site.names)

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start what starts their processes; they lie in this one's log.

        Raises:
            CockpitError: When there is no such program.
        """
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
        except OSError as error:
            raise CockpitError(f"{command[0]} cannot be started on this node: {error.strerror}") from error
        self._processes.append(process)

    def wait(self, stop: StopFlag) -> None:
        """Wait until there is a process on each of them, and let all begin.

        Raises:
            Stopped: When `stop` said so.
            CockpitError: When some do not come.
        """
        deadline = time.monotonic() + START_S
        missing = set(range(1, self.meeting.num_nodes))
        while missing:
            if stop():
                raise Stopped(f"{stop.how} {BEFORE_STEPS}")
            if gone := self.lost():
                raise CockpitError(f"{gone} before it could begin; log.txt may tell why")
            if time.monotonic() > deadline:
                names = ", ".join(self.name(node) for node in sorted(missing))
                raise CockpitError(f"no process came to be on {names} within {START_S} s; log.txt may tell why")
            for node in sorted(missing):
                if self._store.check([f"here/{node}"]):
                    self._names[node] = _readable(self._store.get(f"here/{node}")) or self._names[node]
                    missing.discard(node)
            time.sleep(_LOOK_S)
        self._store.set("go", self.meeting.id)

    def name(self, node: int) -> str:
        """Return what a node is called."""
        return self._names[node]

    def lost(self) -> str:
        """Return in a sentence which nodes' processes ended without a report, or nothing."""
        codes = [process.poll() for process in self._processes]
        if all(code is None for code in codes):
            return ""
        alone = len(codes) == 1
        silent = [
            self.name(node)
            for node in range(1, self.meeting.num_nodes)
            if (alone or codes[node - 1] is not None) and not self._store.check([f"end/{node}"])
        ]
        code = next(code for code in codes if code is not None)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"the process on {' and '.join(silent)} ended ({how})" if silent else ""

    def reports(self) -> list[Ends]:
        """Return how the ranks of the others ended, as far as it is told; it is waited for a while."""
        deadline = time.monotonic() + _REPORT_S
        missing, found = set(range(1, self.meeting.num_nodes)), []
        while True:
            gone = self.lost()  # before the look at what those that are gone may have left
            for node in sorted(missing):
                if self._store.check([f"end/{node}"]):
                    missing.discard(node)
                    report = self._store.get(f"end/{node}")
                    with contextlib.suppress(msgspec.DecodeError):
                        found.append(msgspec.json.decode(report[:_MOST_BYTES], type=Ends))
            if gone or not missing or time.monotonic() > deadline:
                break
            time.sleep(_LOOK_S)
        return found

    def end(self) -> None:
        """Tell them that all is over, and see that nothing of theirs is left that was started here."""
        with contextlib.suppress(RuntimeError):
            self._store.set("over", "")
        for process in self._processes:
            for let_go in (process.terminate, process.kill):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LEAVE_S)
                    break
                let_go()
            process.wait()


@contextlib.contextmanager
def other_nodes(site: Site, words: Sequence[str], environment: Mapping[str, str]) -> Iterator[OtherNodes]:
    """Start a process on every other node; none is left at the end.

    Args:
        site: The nodes.
        words: Command line of such a process, but for where they meet.
        environment: What they find; this process has set more, for itself.
    """
    family = socket.AF_INET6 if ":" in site.address else socket.AF_INET
    with socket.socket(family) as listening:  # on that address alone, and on no port that somebody else gets meanwhile
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((site.address, 0))
        listening.listen()
        port = listening.getsockname()[1]
        store = TCPStore(
            site.address,
            port,
            is_master=True,
            timeout=timedelta(seconds=START_S),
            wait_for_workers=False,
            multi_tenant=True,  # torchrun's agent asks for one at that port, and gets this
            master_listen_fd=os.dup(listening.fileno()),
        )
    others = OtherNodes(site, PrefixStore("cockpit", store), port)
    try:
        for command in site.commands([*words, "--endpoint", others.meeting.endpoint]):
            others.start(command, environment)
        yield others
    finally:
        others.end()


def be_node(
    argv: Sequence[str], num_ranks: int, folder: Path, node: int, num_nodes: int, endpoint: str, patience_s: float
) -> int:
    """Train with the ranks of this node, which is not the first, until they or the first node end.

    Args:
        argv: Command line of a rank, behind Python's.
        num_ranks: How many ranks every node has.
        folder: The run's.
        node: Ordinal of this node.
        num_nodes: How many there are.
        endpoint: Where the first one's store is.
        patience_s: Seconds of the first node's silence after which it counts as gone.
    """
    stop = StopFlag()
    stop.install()
    host, _, port = endpoint.rpartition(":")
    host = host.strip("[]")
    store = TCPStore(host, int(port), is_master=False, timeout=timedelta(seconds=START_S), wait_for_workers=False)
    line = _Line(PrefixStore("cockpit", store), patience_s)
    set_environment(num_ranks, host)
    line.tell(f"here/{node}", node_name())
    while not line.is_over():
        if line.begun:
            meeting = Meeting(endpoint, line.begun, node, num_nodes)
            ends = tend(argv, num_ranks, stop, folder, meeting, line.is_over)
            line.tell(f"end/{node}", msgspec.json.encode(ends).decode())
            break
        time.sleep(_LOOK_S)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # at once, whatever the agent still waits for


class _Line:
    """What this node hears of the first one: asked in a thread, since an answer of a machine that is gone never comes.

    Attributes:
        begun: What the meeting is called, once all nodes may begin.
    """

    def __init__(self, store: Store, patience_s: float) -> None:
        self.begun = ""
        self._store, self._patience_s = store, patience_s
        self._over = False
        self._heard = time.monotonic()
        threading.Thread(target=self._listen, name="line", daemon=True).start()

    def is_over(self) -> bool:
        return self._over or time.monotonic() - self._heard > self._patience_s

    def tell(self, key: str, value: str) -> None:
        with contextlib.suppress(RuntimeError):  # the first node is gone, which is noticed elsewhere
            self._store.set(key, value)

    def _listen(self) -> None:
        with contextlib.suppress(RuntimeError):
            while not self._store.check(["over"]):
                if not self.begun and self._store.check(["go"]):
                    self.begun = self._store.get("go").decode()
                self._heard = time.monotonic()
                time.sleep(_CALL_S)
        self._over = True


def _readable(name: bytes) -> str:
    text = name[:64].decode("utf-8", "replace")
    return text if text.isprintable() else repr(text)
