"""Run folders as trainers leave them, for the screens to show."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit import liveness, records, results
from cockpit.lines import LineWriter
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore

STARTED = 1_763_900_000.0


def make_run(store: RunStore, run_id: str = "", recipe: Recipe | None = None) -> Run:
    """Create a run that was never launched, under an id of our choice."""
    run = store.create((recipe or Recipe()).complete())
    if run_id:
        run.path.rename(store.root / run_id)
        run = Run(store.root / run_id)
    return run


def imported(store: RunStore, *, model: str = "resnet20", dataset: str = "digits") -> Run:
    """Create a run of foreign weights, without them."""
    said = results.Imported(
        model=model, dataset=dataset, source="net.safetensors", sha256="0" * 64, normalization="theirs", time=STARTED
    )
    return store.create_imported(said, lambda _: None)


def launched(run: Run, *, pid: int = 1, process_start_s: float = 0.0, attempt: int = 1, device: str = "cpu") -> Run:
    """Add a launch; the process it names by default is not a trainer, so the run is lost unless it says its end."""
    run.append_launch(
        records.Launch(
            attempt=attempt,
            time=STARTED,
            argv=["trainer"],
            host=liveness.host_name(),
            boot_id=liveness.boot_id(),
            pid=pid,
            process_start_s=process_start_s,
            device=device,
        )
    )
    return run


def launched_by(run: Run, process: psutil.Process) -> Run:
    """Add a launch that names a living process, so the run is live."""
    launched(run, pid=process.pid, process_start_s=liveness.since_boot(process))
    write(run, phase("running"))
    return run


def live(run: Run) -> Run:
    """Make the test's own process the trainer."""
    return launched_by(run, psutil.Process(os.getpid()))


def finished(
    run: Run,
    *,
    epochs: int = 3,
    val_acc: float = 0.9,
    best_epoch: int = 1,
    state: str = "finished",
    detail: str = "",
) -> Run:
    """Add a launch and its records, up to a final phase; there is a file in the place of the best weights."""
    launched(run)
    lines: list = [phase("running")]
    for epoch in range(1, epochs + 1):
        lines += [step(epoch - 0.5), device(), epoch_record(epoch, val_acc=val_acc, best_epoch=min(epoch, best_epoch))]
    write(run, *lines, phase(state, detail=detail, step=11 * epochs))
    run.best_path.write_bytes(b"not weights")
    return run


def write(run: Run, *lines) -> None:
    with LineWriter(run.metrics_path) as file:
        for line in lines:
            file.append(records.encode(line))


def phase(state: str, **fields) -> records.Phase:
    return records.Phase(time=STARTED, state=state, **fields)


def step(epoch: float, *, loss: float | None = 1.25) -> records.Step:
    return records.Step(
        time=STARTED,
        epoch=epoch,
        step=round(11 * epoch),
        loss=loss,
        acc=0.5,
        lr=0.1,
        img_per_s=1540.0,
        elapsed_s=2.0 * epoch,
    )


def epoch_record(epoch: int, *, val_acc: float = 0.9, best_epoch: int = 1) -> records.Epoch:
    return records.Epoch(
        time=STARTED,
        epoch=epoch,
        step=11 * epoch,
        train_loss=0.8,
        train_acc=0.7,
        val_loss=0.6,
        val_acc=val_acc,
        lr=0.1,
        epoch_s=2.0,
        img_per_s=1540.0,
        elapsed_s=2.0 * epoch,
        best_val_acc=val_acc,
        best_epoch=best_epoch,
    )


def device(name: str = "cpu") -> records.Device:
    return records.Device(time=STARTED, name=name, busy=0.97, memory_bytes=2**30, memory_total_bytes=2**34)


def with_test(run: Run, *, top1: float = 0.972, epoch: int = 1) -> Run:
    """Add a test report."""
    run.write_test_report(
        results.TestReport(
            run=run.id,
            checkpoint=run.best_path.name,
            sha256="0" * 64,
            epoch=epoch,
            dataset="digits",
            images=359,
            top1=top1,
            top5=0.999,
            loss=0.103,
            time=time.time(),
        )
    )
    return run


def said(app: App) -> str:
    """What the texts of the open screen say, however they wrap and whatever stands beside them."""
    return " ".join(" ".join(str(static.content) for static in app.screen.query(Static)).split())


async def settle(pilot: Pilot, predicate: Callable[[], object], what: str = "", timeout_s: float = 60.0) -> None:
    """Let the app work until the predicate holds."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, f"waited in vain for {what or predicate}\n{screen_text(pilot.app)}"
        await pilot.pause(0.02)
    await pilot.pause()


def screen_text(app) -> str:
    """Return what is on the screen, as text."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def toasts(app) -> str:
    """Return the texts of all toasts."""
    return "\n".join(note.message for note in app._notifications)


def log(run: Run, text: str) -> Path:
    """Write what the trainer printed."""
    run.log_path.write_text(text)
    return run.log_path
