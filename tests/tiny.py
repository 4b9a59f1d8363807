"""A trainer that does nothing but be one, for queues of a thousand runs, and processes that tick.

It is real in what the queue can see: a process of its own that inherits the writer lock, writes its launch and lives
for a moment. A ticking process takes it for the Python interpreter of its trainers.
"""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cockpit import liveness
from cockpit.store import RunStore

_TRAINER = f"""\
#!{sys.executable} -IS
import json, os, socket, sys, time
begun, home = time.monotonic(), sys.argv[sys.argv.index("cockpit.engine") + 1]
device = sys.argv[sys.argv.index("--device") + 1]
ticks = open("/proc/self/stat").read().rpartition(")")[2].split()[19]
launch = dict(attempt=1, time=time.time(), argv=[], host=socket.gethostname(), pid=os.getpid(), device=device)
launch |= dict(boot_id={liveness.boot_id()!r}, process_start_s=int(ticks) / os.sysconf("SC_CLK_TCK"))
with open(home + "/launches.jsonl", "a") as file:
    file.write(json.dumps(launch) + "\\n")
time.sleep(int(home[-1], 16) / 1000)
line = json.dumps([os.path.basename(home), device, begun, time.monotonic()]) + "\\n"
os.write(os.open(os.path.dirname(home) + "/.ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), line.encode())
"""
HELD_TRAINER = _TRAINER.replace(
    "time.sleep(int(home[-1], 16) / 1000)",
    "while not os.path.exists(os.path.dirname(home) + '/.go'): time.sleep(0.01)",
)
"""One that lives until there is a file `.go` in the folder of the runs."""


def make_trainer(folder: Path, text: str = _TRAINER) -> Path:
    """Write the trainer as a program."""
    path = folder / "trainer"
    path.write_text(text)
    path.chmod(0o755)
    return path


def start_ticker(store: RunStore, trainer: Path) -> subprocess.Popen[str]:
    """Start a process that ticks until nothing waits; it says when it begins."""
    words = [sys.executable, __file__, str(store.root), str(trainer)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def kill_in_the_middle(ticker: subprocess.Popen[str], within_s: float) -> bool:
    """Kill -9 a ticking process at a random moment; False when it had ended before."""
    assert ticker.stdout is not None
    ticker.stdout.readline()
    try:
        ticker.wait(random.random() * within_s)
    except subprocess.TimeoutExpired:
        ticker.kill()
        ticker.wait()
    ticker.stdout.close()
    return ticker.returncode != 0


def ran(store: RunStore) -> list[tuple[str, str, float, float]]:
    """Return (run, device, begin, end) of every trainer that came to its end."""
    try:
        lines = (store.root / ".ran").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [tuple(json.loads(line)) for line in lines]


def most_at_once(trained: list[tuple[str, str, float, float]]) -> Counter[str]:
    """Return the most slots of each device that trainers ever had at once: one of several has as many."""
    most: Counter[str] = Counter()
    now: Counter[str] = Counter()
    moments = [(begun, 1, devices) for _, devices, begun, _ in trained]
    for _, change, devices in sorted([*moments, *((ended, -1, devices) for _, devices, _, ended in trained)]):
        for device in devices.split(","):
            now[device] += change
            most[device] = max(most[device], now[device])
    return most


def _main(root: Path, trainer: str) -> None:
    from cockpit import dispatch
    from cockpit.dispatch.standing import read_queue

    store = RunStore(root)
    sys.executable = trainer
    print("ticking", flush=True)
    while (queue := read_queue(store)).waiting or queue.launching or queue.broken or queue.void:
        dispatch.tick(store)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
