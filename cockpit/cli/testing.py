"""The command that tests: a run's best checkpoint on the test images, or its network on image files."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import launch, results, status
from cockpit.cli.common import open_store, print_json, say, show
from cockpit.cli.fields import DeviceName
from cockpit.device_names import first_of
from cockpit.devices import check_device, settled
from cockpit.errors import CockpitError
from cockpit.store import Run, RunStore

_BAR_WIDTH = 30
"""Characters of a certain guess."""


@dataclasses.dataclass(frozen=True)
class Test:
    """Test a run's best checkpoint on the test images: top-1, top-5 and loss; or let it say what image files show."""

    words: Annotated[Positional[tuple[str, ...]], arg(metavar="[RUN | IMAGE ...]")] = ()
    """A run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue; without
    it, the best run of --model and --dataset. With --run: image files to classify, of any format, size and mode."""
    run: str = ""
    """The run whose network classifies the images."""
    model: str = ""
    """Architecture of the best run to look for."""
    dataset: str = ""
    """Dataset of the best run to look for."""
    device: DeviceName = "auto"
    """auto, cpu, mps, cuda or cuda:<n>; of several the first tests."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the result as JSON."""

    def execute(self) -> int:
        """Test in this process and keep the result in the run; what is said of image files is kept nowhere."""
        store = open_store(self.runs)
        wanted = settled(check_device(self.device))
        device = first_of(wanted)
        if device != wanted:
            say(f"one device tests: {device}, the first of {wanted}")
        if self.run and self.words:
            return self._classify(store.get(self.run), device)
        if len(self.words) > 1:
            raise CockpitError("name one run to test, or say with --run RUN whose network is to classify the images")
        ref = self.run or "".join(self.words)
        if ref and not self.run and Path(ref).suffix and os.path.isfile(ref):
            raise CockpitError(f"{ref} is a file; say with --run RUN whose network is to classify it")
        if ref:
            run = store.get(ref)
        elif self.model and self.dataset:
            run = best_run(store, self.model, self.dataset)
        else:
            raise CockpitError("name a run, or --model and --dataset to test the best run of that pair")
        launch.check_testable(run)
        from cockpit.engine.evaluate import choose_test_backend, run_test

        report = run_test(run, choose_test_backend(run, device))
        if self.json:
            print_json(report)
        else:
            show(f"{run.id}  {results.weights_of(report.epoch)}  {report.images:,} test images of {report.dataset}")
            show(f"top-1 {report.top1:.2%}   top-5 {report.top5:.2%}   {results.told_loss(report.loss, 4)}")
            if report.predictions:
                say(f"cockpit runs report {run.id} tells more: by class, by pair, by confidence")
        return 0

    def _classify(self, run: Run, device: str) -> int:
        launch.check_checkpoint(run)
        from cockpit.engine.classify import classify

        found = classify(run, [Path(word) for word in self.words], device)
        if self.json:
            print_json(found)
        for one in found:
            if one.error:
                say(f"cockpit: {one.file} cannot be classified: {one.error}")
            elif not self.json:
                _show_guesses(one)
        return 2 if any(one.error for one in found) else 0


def _show_guesses(one: results.Classified) -> None:
    show(one.file)
    width = max(len(guess.name) for guess in one.guesses)
    for guess in one.guesses:
        done = round(_BAR_WIDTH * guess.probability)
        show(f"  {guess.name:{width}}  {'━' * done}{'─' * (_BAR_WIDTH - done)} {guess.probability:7.2%}")


def best_run(store: RunStore, model: str, dataset: str) -> Run:
    """Return the run of a pair with the highest validation accuracy; ties go to the older.

    Raises:
        CockpitError: When no run of the pair has a checkpoint.
    """
    rows = [
        (info.best_val_acc, run)
        for run in reversed(store.list())
        if (info := status.describe(run, number=False)).model == model and info.dataset == dataset
        if info.best_val_acc is not None and run.best_path.exists()
    ]
    if not rows:
        raise CockpitError(
            f"no run of {model} on {dataset} in {store.root} has a checkpoint; "
            f"`cockpit train --model {model} --dataset {dataset}` makes one"
        )
    return max(rows, key=lambda row: row[0])[1]
