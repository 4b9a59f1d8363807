"""Every screen with much to show: generated runs, what leads from the list of runs to each screen, and its picture."""

from pathlib import Path

import generator
import numpy as np
from folders import screen_text, settle, write
from predicted import make_predictions, with_predictions
from textual.pilot import Pilot

from cockpit import datasets, records
from cockpit.recipe import usual_recipe
from cockpit.store import Run, RunStore

NUM_RUNS = 3
CHOSEN = ({"lr": 0.2}, {"lr": 0.05, "schedule": "cosine"}, {"lr": 0.1})
EPOCHS = 30
WAYS: dict[str, list[tuple[list[str], str]]] = {
    "run": [(["enter"], "learning rate")],
    "log": [(["enter"], "learning rate"), (["l"], "preparing")],
    "compare": [(["a"], "3 marked"), (["c"], "3 runs")],
    "learn": [(["enter"], "learning rate"), (["p"], "right")],
    "report": [(["v"], "ECE")],
    "dataset": [(["n"], "cockpit train"), (["ctrl+o"], "training images")],
    "ask": [(["m"], "Note on")],
    "classify": [(["i"], "enter classify")],
    "get": [(["n"], "cockpit train"), (["ctrl+g"], "Takes <class>")],
    "path": [(["v"], "ECE"), (["x"], "Write report.json")],
}
"""Keys from the list of runs, each with a text by which it is known where they led."""


def make_screens_runs(store: RunStore) -> list[Run]:
    """Make three runs on the digits, which are packed, the last of which has been tested and watched."""
    runs = []
    for index, chosen in enumerate(CHOSEN):
        recipe = usual_recipe("resnet20", "digits", "seed", epochs=EPOCHS, seed=index, **chosen)
        trainer = generator.Trainer(
            recipe.complete(), started=generator.NEWEST + 3600 * index, samples_per_epoch=4, seed=index
        )
        run = generator.make_folder(store, trainer.recipe, generator.NEWEST + 3600 * index, index)
        generator.train(run, trainer, trainer.launch(host="desk"), trainer.planned_samples)
        generator.say(run, trainer.phase("finished", f"epoch {EPOCHS}"))
        runs.append(run)
    newest = runs[-1]
    write(newest, *(_guesses(epoch) for epoch in range(1, EPOCHS + 1)))
    labels = datasets.load_packed("digits", "test").labels
    predictions = make_predictions(0, len(labels), tuple("0123456789"), labels, sure=7.0)
    with_predictions(newest, predictions, "digits", epoch=EPOCHS)
    newest.write_remarks(note="the warm-up made the difference; try cutout next", tags=["baseline", "good"])
    return runs


def _guesses(epoch: int) -> records.Guesses:
    """Return what twelve pictures are taken for: one more becomes right every other epoch."""
    rng = np.random.default_rng(epoch)
    labels = datasets.load_packed("digits", "train").labels
    found = []
    for place in range(12):
        image = 7 * place + place // 3
        label = int(labels[image])
        right = 2 * place < epoch - 2
        share = float(rng.uniform(0.05, 0.3) if not right else min(0.999, 0.45 + (epoch - 2 * place) / 30))
        found.append(records.Guess(image, label, label if right else (label + 3) % 10, max(share, 0.3), share))
    return records.Guesses(epoch=epoch, step=20 * epoch, guesses=found)


async def open_screen(pilot: Pilot, name: str) -> str:
    """Go from the list of runs to a screen, and return a text by which it is known."""
    app = pilot.app
    await settle(pilot, lambda: f"{NUM_RUNS} runs" in screen_text(app), "the runs")
    text = ""
    for keys, text in WAYS[name]:
        await pilot.press(*keys)
        await settle(pilot, lambda text=text: text in screen_text(app), text)
        await settle(pilot, lambda: "reading…" not in screen_text(app), "what is read")
    return text


def link_digits(packed: Path, folder: Path) -> None:
    """Have the digits, and nothing else, in a folder of datasets."""
    folder.mkdir(exist_ok=True)
    (folder / "digits").symlink_to(packed)
