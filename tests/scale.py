"""Measures how far the cockpit goes: `python tests/scale.py`, or with the names of cases, `--json` for a program.

Where tests/load.py holds the screens to their targets, this tells what grows with the number of runs, of jobs in a
real Slurm, of those that wait, and what a run takes on the disk and in memory. The other load of the machine is in it.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import generator
import psutil
from cluster import Cluster, find, missing_programs
from load import Cockpit, Row, going_on, table
from terminal import cockpit_words
from waiting import wait_for

from cockpit import datasets, dispatch, ingest, launch, places, records, slurm_call, squeue, status
from cockpit.dispatch import order
from cockpit.recipe import Recipe, usual_recipe
from cockpit.settings import read_settings
from cockpit.store import Run, RunStore
from nets.catalog import MODELS

NUM_ENDED = 1000
"""Runs that are over, beside those that a case is about."""
JOBS = (0, 100, 1000)
LIVE = (8, 64, 256, 1000)
WAITING = (1, 1000)
_WINDOW_S = 20.0
_MINUTE_S = 60.0


def measure_slurm(folder: Path) -> Iterator[Row]:
    """Jobs that wait in a real Slurm: to submit them, to ask for them, and to have a cockpit open on them."""
    if missing := missing_programs():
        raise SystemExit(f"Slurm is not installed here: no {', '.join(missing)}")
    with _cluster(folder) as cluster, _counted(folder, "squeue", "sbatch") as calls:
        store = RunStore(folder / "jobs")
        generator.make_runs(store, NUM_ENDED)
        jobs = 0
        for goal in JOBS:
            spent, asked = [], calls("squeue")
            for number in range(jobs, goal):
                begun = time.monotonic()
                _submit(store, number)
                spent.append(time.monotonic() - begun)
            if spent:
                yield Row(f"job {jobs + 1:,} to {goal:,}: a submission", [1000 * value for value in spent], "ms", None)
                yield Row(f"job {jobs + 1:,} to {goal:,}: squeue calls", [calls("squeue") - asked], "", None)
            jobs = goal
            yield from _ask(cluster, jobs)
        yield from _open(store, jobs, calls)
        yield from _stop_all(store, calls)


def _stop_all(store: RunStore, calls: Callable[[str], int]) -> Iterator[Row]:
    """Stop all that wait as Runs does with marked ones: each in a thread, so many at once."""
    waiting = [run for run in store.list() if run.submissions()]
    asked, begun = calls("squeue"), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(64) as threads:
        stopped = sum(threads.map(lambda run: places.send(run, "stop"), waiting))
    yield Row(f"{stopped:,} jobs cancelled at once", [time.monotonic() - begun], "s", None)
    yield Row(f"{stopped:,} jobs cancelled at once: squeue calls", [calls("squeue") - asked], "", None)


def _submit(store: RunStore, seed: int) -> Run:
    run = store.create(Recipe(seed=seed).complete())
    places.start(run, "slurm", device="cpu", settings=read_settings(["time=60"]))
    return run


def _ask(cluster: Cluster, jobs: int) -> Iterator[Row]:
    """Ask as the cockpit does."""
    controller = psutil.Process(cluster.controller_pid)
    spent, sizes, before, asked = [], [], _cpu_s(controller), 0
    for _ in range(20):
        begun = time.monotonic()
        sizes.append(len(slurm_call.call(squeue.question())) / 1000)
        spent.append(1000 * (time.monotonic() - begun))
        asked += 1
    yield Row(f"{jobs:,} jobs: a squeue", spent, "ms", None)
    yield Row(f"{jobs:,} jobs: what it prints", sizes[-1:], "kB", None)
    yield Row(f"{jobs:,} jobs: slurmctld's CPU for it", [1000 * (_cpu_s(controller) - before) / asked], "ms", None)


def _open(store: RunStore, jobs: int, calls: Callable[[str], int]) -> Iterator[Row]:
    """Open the cockpit on them, then for a minute with a watcher and somebody who asks for the queue and the list."""
    newest = store.list()[0].id
    yield from _watch(store.root, newest, f"{jobs:,} jobs waiting among {NUM_ENDED + jobs:,} runs")
    spent = []
    for _ in range(3):
        begun = time.monotonic()
        subprocess.run(cockpit_words(store.root, "runs"), check=True, stdout=subprocess.DEVNULL)
        spent.append(time.monotonic() - begun)
    yield Row(f"{jobs:,} jobs: `cockpit runs`", spent, "s", None)
    with Cockpit(store.root) as cockpit:
        cockpit.seconds_to("pending")
        cockpit.settle(1.0)
        before, begun = calls("squeue"), time.monotonic()
        time.sleep(_MINUTE_S)
        asked = _MINUTE_S * (calls("squeue") - before) / (time.monotonic() - begun)
        yield Row(f"{jobs:,} jobs: squeue calls a minute, a cockpit", [asked], "", 60 / squeue.INTERVAL_S)
        watch = subprocess.Popen(
            cockpit_words(store.root, "watch", newest, "--plain"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before, begun = calls("squeue"), time.monotonic()
        time.sleep(_MINUTE_S)
        asked = _MINUTE_S * (calls("squeue") - before) / (time.monotonic() - begun)
        watch.terminate()
        watch.wait()
        yield Row(f"{jobs:,} jobs: … and a `cockpit watch`", [asked], "", 2 * 60 / squeue.INTERVAL_S)


def measure_files(folder: Path) -> Iterator[Row]:
    """Runs that go on, a record every two seconds each, among others."""
    store = RunStore(folder / "files")
    generator.make_runs(store, NUM_ENDED)
    ended = {run.id for run in store.list()}
    for live in LIVE:
        with going_on(store.root, live, "--hertz", "0.5", "--records", "200") as root:
            newest = store.list()[0].id
            yield from _watch(root, newest, f"{live:,} going on among {NUM_ENDED + live:,} runs")
        for run in store.list():
            if run.id not in ended:
                shutil.rmtree(run.path)


def _watch(root: Path, newest: str, what: str) -> Iterator[Row]:
    """Open the cockpit, then leave it alone: what it uses, reads and writes."""
    painted, complete, cpu, written, read, calls, peaks = ([] for _ in range(7))
    total = len(RunStore(root).list())
    for _ in range(3):
        with Cockpit(root) as cockpit:
            painted.append(cockpit.seconds_to(newest))
            complete.append(cockpit.seconds_to(f"{total:,} runs"))
            time.sleep(3.0)
            before, begun = cockpit.process.io_counters(), time.monotonic()
            bytes_a_second, cpu_percent = cockpit.watch(_WINDOW_S)
            after, spent_s = cockpit.process.io_counters(), time.monotonic() - begun
            cpu.append(cpu_percent)
            written.append(bytes_a_second / 1000)
            read.append((after.read_chars - before.read_chars) / 1000 / spent_s)
            calls.append((after.read_count - before.read_count) / spent_s)
            peaks.append(cockpit.peak_mb())
    yield Row(f"{what}: start to the list", painted, "s", 1.0)
    yield Row(f"{what}: start to all of them read", complete, "s", None)
    yield Row(f"{what}: CPU", cpu, "% of a core", 5)
    yield Row(f"{what}: reads", calls, "/s", None)
    yield Row(f"{what}: read", read, "kB/s", None)
    yield Row(f"{what}: written to the terminal", written, "kB/s", 2.0)
    yield Row(f"{what}: peak memory", peaks, "MB", 200)


def measure_queue(folder: Path) -> Iterator[Row]:
    """Runs that wait for a device of this box."""
    store = RunStore(folder / "queue")
    generator.make_runs(store, NUM_ENDED)
    order.set_slots(store, "cpu", 0)
    waiting = 0
    for goal in WAITING:
        recipes = [Recipe(seed=seed).complete() for seed in range(waiting, goal)]
        begun = time.monotonic()
        order.enqueue(store, recipes, device="cpu")
        spent = 1000 * (time.monotonic() - begun) / len(recipes)
        yield Row(f"run {waiting + 1:,} to {goal:,} of the queue: to put one in", [spent], "ms", None)
        waiting = goal
        ticks = []
        for _ in range(9):
            begun = time.monotonic()
            assert dispatch.tick(store) == []
            ticks.append(1000 * (time.monotonic() - begun))
        yield Row(f"{waiting:,} waiting among {NUM_ENDED + waiting:,} runs: a tick", ticks, "ms", None)


def measure_run(folder: Path) -> Iterator[Row]:
    """One run of resnet18 on a CPU: what starting it, its processes and its folder take."""
    dataset = _small_dataset()
    store = RunStore(folder / "run")
    starts, sizes = [], {}
    for devices in ("cpu", "cpu,cpu"):
        run = store.create(usual_recipe("resnet18", dataset, "seed", epochs=2).complete())
        begun = time.monotonic()
        launch.start(run, device=devices, sample_s=0)
        starts.append(time.monotonic() - begun)
        peak: dict[str, float] = {}
        wait_for(lambda run=run: run.tail().step, 120, "a step")
        while status.describe(run).status in status.LIVE:
            with contextlib.suppress(psutil.Error):
                trainer = psutil.Process(run.launches()[-1].pid)
                family = [trainer, *trainer.children(recursive=True)]
                memory = [process.memory_full_info() for process in family]
                peak["pss"] = max(peak.get("pss", 0.0), sum(one.pss for one in memory) / 1e6)
            time.sleep(0.1)
        assert status.describe(run).status == "finished", run.log_tail(5)
        yield Row(f"resnet18 on {devices}, batches of 128: memory of all its processes", [peak["pss"]], "MB", None)
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(run.path)}
    yield Row("a launch, to the trainer's first line", starts, "s", None)
    yield Row("files of a tested run", [len(sizes) + 1], "inodes", None)
    params = MODELS["resnet18"].params
    for name in ("last.pt", "best.safetensors", "predictions.safetensors"):
        yield Row(f"resnet18: {name}", [sizes[name] / 1e6], "MB", None)
    yield Row("bytes a parameter, kept", [(sizes["last.pt"] + sizes["best.safetensors"]) / params], "", None)
    yield from _records(folder)


def _records(folder: Path) -> Iterator[Row]:
    """What an epoch and a sample add to the records."""
    recipe = usual_recipe("resnet18", "cifar10", "seed").complete()
    trainer = generator.Trainer(recipe)
    found: dict[type, list[float]] = {}
    for _ in range(800):
        for record in trainer.sample():
            found.setdefault(type(record), []).append(len(records.encode(record)) + 1.0)
    for kind, values in found.items():
        yield Row(f"a record of the kind {kind.__name__.lower()}", values, "bytes", None)


CASES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "slurm": measure_slurm,
    "files": measure_files,
    "queue": measure_queue,
    "run": measure_run,
}


def _small_dataset() -> str:
    """Pack 160 training and 40 test images of the digits."""
    import msgspec

    ingest.pack_digits()
    train, test = datasets.load_packed("digits", "train"), datasets.load_packed("digits", "test")
    spec = msgspec.structs.replace(datasets.DATASETS["digits"], name="tiny", train_images=160, test_images=40)
    datasets.write_packed(
        spec, *(datasets.Packed(part.images[:n], part.labels[:n]) for part, n in ((train, 160), (test, 40)))
    )
    return spec.name


@contextlib.contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    """A real Slurm whose cores are taken, so that every other job waits; the commands of this process speak to it."""
    home = folder / "slurm"
    home.mkdir()
    cluster = Cluster(home)
    os.environ["SLURM_CONF"] = str(cluster.conf)
    try:
        cluster.start()
        cluster.run("sbatch", "--job-name=blocker", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 3600")
        wait_for(lambda: cluster.jobs("RUNNING") == ["blocker"], what="the blocker")
        yield cluster
    finally:
        cluster.close()


@contextlib.contextmanager
def _counted(folder: Path, *programs: str) -> Iterator[Callable[[str], int]]:
    """Have the calls of commands counted; the function that is had tells how many there were of one."""
    home = folder / "counted"
    home.mkdir()
    for program in programs:
        path = home / program
        path.write_text(f'#!/bin/bash\necho >> {home}/{program}.calls\nexec {find(program)} "$@"\n')
        path.chmod(0o755)
        (home / f"{program}.calls").touch()
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{home}:{before}"
    try:
        yield lambda program: (home / f"{program}.calls").stat().st_size
    finally:
        os.environ["PATH"] = before


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Measure the cases named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Measure how far the cockpit goes.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--json", action="store_true", help="a line of JSON a figure, with all values")
    words = parser.parse_args()
    sys.setswitchinterval(1e-4)  # what arrives is stamped at once, also while a screen is drawn
    with tempfile.TemporaryDirectory(prefix="scale-") as home:
        folder = Path(home)
        os.environ |= {"COCKPIT_DATA": f"{home}/data", "COCKPIT_CONFIG": f"{home}/none", "COCKPIT_STATE": f"{home}/ui"}
        rows = (row for name in words.cases or CASES for row in CASES[name](folder))
        for line in (json.dumps(row._asdict()) for row in rows) if words.json else table(rows):
            print(line, flush=True)


if __name__ == "__main__":
    main()
