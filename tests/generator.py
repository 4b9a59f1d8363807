"""Makes folders full of runs, as trainers leave them, to see how the cockpit holds under load.

By hand: `python tests/generator.py FOLDER --runs 2000 --live 8`, and `--help` for more. Nothing is trained.
"""

import argparse
import contextlib
import itertools
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from folders import write

from cockpit import liveness, records, results
from cockpit.datasets import DATASETS
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe, to_json, usual_recipe
from cockpit.schedule import make_schedule
from cockpit.store import Run, RunStore
from nets.catalog import MODELS

NEWEST = 1_763_900_000.0
"""When the newest made run was launched, unix seconds; the others before it, an hour apart."""
SAMPLE_S = 2.0
STEPS_PER_SAMPLE = 5
FATES = {"finished": 60, "stopped": 9, "failed": 9, "lost": 9, "created": 4, "stale": 2, "damaged": 7}
"""How many runs of a hundred come to which end."""
FAILURES = ("loss is NaN at step 40", "out of memory; a batch of 64 would fit", "No space left on device")
DAMAGES = (("recipe.json", b'{"model": "resn'), ("recipe.json", bytes(99)), ("metrics.jsonl", b"\x00\xff\n[1]\n{"))
"""What a damaged run's files may hold; a run without readable metrics is listed as lost."""


class Trainer:
    """Says what a trainer says: phases, samples and epochs, of a network that learns as networks do."""

    def __init__(self, recipe: Recipe, *, started: float = NEWEST, samples_per_epoch: int = 8, seed: int = 0) -> None:
        self.recipe = recipe
        self.samples_per_epoch = samples_per_epoch
        self._random = random.Random(seed)
        self._schedule = make_schedule(recipe, samples_per_epoch * STEPS_PER_SAMPLE)
        self._started = started
        self._attempt = 0
        self.num_samples = 0
        self._best: tuple[float, int] = (0.0, 0)

    @property
    def planned_samples(self) -> int:
        """Samples of the whole run."""
        return self.recipe.num_epochs * self.samples_per_epoch

    def launch(self, *, pid: int = 1, process_start_s: float = 0.0, host: str = "") -> records.Launch:
        """Begin an attempt, at the end of the newest epoch; by default its process is gone."""
        self._attempt += 1
        self.num_samples -= self.num_samples % self.samples_per_epoch
        return records.Launch(
            attempt=self._attempt,
            time=self._time(),
            argv=["python", "-m", "cockpit.engine", "run", "train", "--device", "cpu"],
            host=host or liveness.host_name(),
            boot_id=liveness.boot_id(),
            pid=pid,
            process_start_s=process_start_s,
            device="cpu",
            versions={"cockpit": "0.1.0", "python": "3.11.7", "torch": "2.14.0"},
            git_commit="0123456789abcdef0123456789abcdef01234567",
        )

    def phase(self, state: str, detail: str = "") -> records.Phase:
        """Pass into a state."""
        return records.Phase(
            time=self._time(),
            state=state,
            detail=detail,
            attempt=self._attempt,
            step=self.num_samples * STEPS_PER_SAMPLE,
            elapsed_s=self.num_samples * SAMPLE_S,
        )

    def sample(self) -> Iterator[records.Step | records.Device | records.Epoch]:
        """Train for two seconds; yield a live sample, and at the end of an epoch its record."""
        self.num_samples += 1
        epoch = self.num_samples / self.samples_per_epoch
        step, now, elapsed_s = self.num_samples * STEPS_PER_SAMPLE, self._time(), self.num_samples * SAMPLE_S
        lr, loss = self._schedule.lr(step - 1), self._loss(0.15)
        img_per_s = self._random.gauss(1500, 20)
        yield records.Step(
            time=now,
            epoch=epoch,
            step=step,
            loss=loss,
            acc=math.exp(-loss),
            lr=lr,
            img_per_s=img_per_s,
            elapsed_s=elapsed_s,
        )
        busy, memory_bytes = self._random.uniform(0.9, 1.0), self._random.randrange(3 << 29, 2 << 30)
        yield records.Device(time=now, name="cpu", busy=busy, memory_bytes=memory_bytes, memory_total_bytes=24 << 30)
        if self.num_samples % self.samples_per_epoch == 0:
            val_loss = 1.1 * self._loss(0.05)
            val_acc = math.exp(-val_loss)
            self._best = max(self._best, (val_acc, -round(epoch)))
            yield records.Epoch(
                time=now,
                epoch=round(epoch),
                step=step,
                train_loss=loss,
                train_acc=math.exp(-loss),
                val_loss=val_loss,
                val_acc=val_acc,
                lr=lr,
                epoch_s=self.samples_per_epoch * SAMPLE_S,
                img_per_s=img_per_s,
                elapsed_s=elapsed_s,
                best_val_acc=self._best[0],
                best_epoch=-self._best[1],
            )

    def test(self, run: Run) -> results.TestReport:
        """Test the best weights."""
        return results.TestReport(
            run=run.id,
            checkpoint=run.best_path.name,
            sha256="0" * 64,
            epoch=-self._best[1],
            dataset=self.recipe.dataset,
            images=DATASETS[self.recipe.dataset].test_images,
            top1=max(0.0, self._best[0] - 0.005),
            top5=self._best[0] ** 0.2,
            loss=-math.log(self._best[0]),
            time=self._time(),
        )

    def _time(self) -> float:
        return self._started + self.num_samples * SAMPLE_S

    def _loss(self, noise: float) -> float:
        """Fall from the loss of guessing, faster once the learning rate falls, with a noise in per cent of itself."""
        share = self.num_samples / self.planned_samples
        drops = sum(share > drop for drop in (0.35, 0.65, 0.95))
        fallen = math.exp(-2 * share - 0.7 * drops)
        guessing = math.log(DATASETS[self.recipe.dataset].num_classes)
        return max(1e-4, guessing * fallen * (1 + self._random.gauss(0, noise)))


def make_runs(store: RunStore, num_runs: int, *, seed: int = 0) -> list[Run]:
    """Make runs of many networks and datasets that came to every end, the oldest first; none of them is going on."""
    choice = random.Random(seed)
    fates = choice.choices([*FATES], [*FATES.values()], k=num_runs)
    return [
        _make_run(store, fate, NEWEST - 3600 * (num_runs - place), choice) for place, fate in enumerate(fates, start=1)
    ]


def _make_run(store: RunStore, fate: str, started: float, choice: random.Random) -> Run:
    dataset = choice.choice(("digits", "cifar10", "cifar100"))
    preset = choice.choice(("seed", "seed", "seed", "fast"))
    chosen = choice.choice(({}, {}, {"lr": 0.05}, {"augment": "cutout", "label_smoothing": 0.1}))
    recipe = usual_recipe(choice.choice([*MODELS]), dataset, preset, epochs=choice.randint(3, 12), **chosen)
    trainer = Trainer(recipe.complete(), started=started, seed=choice.randrange(2**31))
    run = make_folder(store, trainer.recipe, started, choice.randrange(2**16))
    if fate == "created":
        return run
    host = "another-host" if fate == "stale" else ""
    ends = sorted(choice.randrange(trainer.planned_samples) for _ in range(choice.choice((1, 1, 1, 2, 3))))
    for end in ends[:-1]:
        train(run, trainer, trainer.launch(host=host), end)
        say(run, trainer.phase("stopped", "stopped by a signal"))
    train(run, trainer, trainer.launch(host=host), trainer.planned_samples if fate == "finished" else ends[-1])
    match fate:
        case "finished":
            report = trainer.test(run)
            run.test_path.write_bytes(records.encode(report))
            say(run, trainer.phase("testing", f"epoch {report.epoch} on the test images of {dataset}"))
            say(run, trainer.phase("finished", f"test top-1 {report.top1:.2%}"))
        case "failed":
            say(run, trainer.phase("failed", choice.choice(FAILURES)))
        case "stopped":
            say(run, trainer.phase("stopped", "stopped by a signal"))
        case "stale":  # its last word is old
            os.utime(run.metrics_path, (started, started))
        case "damaged":
            name, content = choice.choice(DAMAGES)
            (run.path / name).write_bytes(content)
    return run


def make_long_run(store: RunStore, num_records: int, *, live: bool = True) -> tuple[Run, Trainer]:
    """Make a run that has written so many records, and was taken up again on the way.

    Args:
        store: Where.
        num_records: Steps, devices and epochs in its metrics, not counting what a resume made void.
        live: It goes on, and this process is its trainer; else it has finished.
    """
    recipe = Recipe(model="vit_h", dataset="cifar10", epochs=240).complete()
    samples = num_records // 2
    trainer = Trainer(recipe, samples_per_epoch=max(1, samples // (120 if live else 240)), seed=num_records)
    run = make_folder(store, recipe, NEWEST, len(store.list()))
    train(run, trainer, trainer.launch(), samples // 2)
    myself = psutil.Process()
    train(run, trainer, trainer.launch(pid=myself.pid, process_start_s=liveness.since_boot(myself)), samples)
    if not live:
        say(run, trainer.phase("finished", "test top-1 93.10%"))
    return run, trainer


def append_for_ever(writers: list[tuple[Run, Trainer]], hertz: float) -> None:
    """Let each run write a sample so many times a second, not all at once, until its epochs are done."""
    due = time.monotonic()
    while True:
        for run, trainer in writers:
            if trainer.num_samples < trainer.planned_samples:
                write(run, *trainer.sample())
            due += 1 / hertz / len(writers)
            time.sleep(max(0.0, due - time.monotonic()))


def make_long_log(run: Run, num_bytes: int, *, last_line_bytes: int = 0) -> None:
    """Let a run have printed so much, nearly all of it a hole in the file, and at the end lines as a trainer prints."""
    with open(run.log_path, "wb") as file:
        file.truncate(num_bytes)
        file.seek(num_bytes)
        file.writelines(b"2025-11-23 14:43:01 running: epoch %d\n" % number for number in range(100))
        file.write(b"x" * last_line_bytes)


def insert_long_line(run: Run, num_bytes: int) -> None:
    """Put a line of so many bytes, that is no record, among the records of a run."""
    head, newline, tail = run.metrics_path.read_bytes().partition(b"\n")
    run.metrics_path.write_bytes(head + newline + b'{"kind":"step",' + b"x" * num_bytes + b"\n" + tail)


def make_folder(store: RunStore, recipe: Recipe, started: float, number: int) -> Run:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(started))
    run = Run(store.root / f"{stamp}-{recipe.model}-{recipe.dataset}-{number:04x}")
    run.path.mkdir(parents=True)
    (run.path / "recipe.json").write_bytes(to_json(recipe))
    return run


def train(run: Run, trainer: Trainer, launch: records.Launch, samples: int) -> None:
    """Let a trainer go on until so many samples are written; from the first epoch on there is a best checkpoint."""
    with LineWriter(run.launches_path) as file:
        file.append(records.encode(launch))
    say(run, trainer.phase("preparing", "reading the images"))
    say(run, trainer.phase("running", "cpu, fp32, 2 threads"))
    while trainer.num_samples < samples:
        portion = min(10_000, samples - trainer.num_samples)
        write(run, *itertools.chain.from_iterable(trainer.sample() for _ in range(portion)))
    if samples >= trainer.samples_per_epoch:
        run.best_path.write_bytes(b"not weights")


def say(run: Run, phase: records.Phase) -> None:
    write(run, phase)
    with open(run.log_path, "a") as log:
        log.write(f"{time.strftime('%F %T', time.gmtime(phase.time))} {phase.state}: {phase.detail}\n")


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description="Make folders full of runs, as trainers leave them.")
    parser.add_argument("folder", type=Path, help="folder of runs to fill")
    parser.add_argument("--runs", type=int, default=0, help="runs that came to all kinds of ends")
    parser.add_argument("--live", type=int, default=0, help="runs that go on as long as this does (Ctrl-C ends it)")
    parser.add_argument("--records", type=int, default=0, help="one run of so many; with --live, that each has so far")
    parser.add_argument("--hertz", type=float, default=0.5, help="samples a second of a run that goes on")
    words = parser.parse_args()
    store = RunStore(words.folder)
    make_runs(store, words.runs)
    if words.records and not words.live:
        make_long_run(store, words.records, live=False)
    writers = [make_long_run(store, words.records or 2000) for _ in range(words.live)]
    print(f"{len(store.list()):,} runs in {store.root}", flush=True)
    if writers:
        with contextlib.suppress(KeyboardInterrupt):
            append_for_ever(writers, words.hertz)


if __name__ == "__main__":
    main()
