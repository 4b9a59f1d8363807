"""The commands that measure before anything is launched: a preflight of one run, and the bench of networks."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from tyro.conf import OmitArgPrefixes, arg

from cockpit import interpreter, launch
from cockpit.cli.common import duration, open_store, print_facts, print_json, print_table, printable, say, show
from cockpit.cli.fields import DeviceName, Seconds
from cockpit.datasets import DATASETS, EMBEDDED, find_dataset, is_ready
from cockpit.device_names import count
from cockpit.devices import check_device, settled
from cockpit.recipe import Recipe, options
from cockpit.rehearsal import SECONDS, misgivings, rehearse
from nets.catalog import MODELS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preflight:
    """Take a few real steps of a run that is not launched, and say what all of it would need."""

    recipe: OmitArgPrefixes[Recipe]
    like: Annotated[str, arg(metavar="RUN")] = ""
    """Begin from the recipe of a run (its seed too), its device and its place; other flags override."""
    device: DeviceName = "auto"
    """auto (CUDA, else Apple's GPU, else the CPU), cpu, mps, cuda or cuda:<n>; of several the first is measured."""
    seconds: Seconds = SECONDS
    """How long to take steps."""
    runs: Path | None = None
    """Folder of the runs, whose disk is looked at. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Rehearse in a process of its own, so that its memory is the run's."""
        from cockpit.cli.progress import progress_bar

        root = open_store(self.runs).root
        if count(self.device) > 1:
            say(f"of {self.device} the first is measured, with the whole batch; each would have its share of it")
        with progress_bar() as progress:
            outlook = rehearse(self.recipe, self.device, root, seconds=self.seconds, progress=progress)
        if self.json:
            print_json(outlook)
            return 0
        has = room(outlook.memory_free_bytes, outlook.memory_total_bytes)
        left = "" if outlook.disk_free_bytes is None else f", {outlook.disk_free_bytes / 1e9:,.1f} GB are free"
        facts = [
            ("device", f"{outlook.device}, {outlook.precision}, {outlook.way}"),
            ("because", outlook.reason),
            ("speed", f"{outlook.img_per_s:,.0f} img/s"),
            ("epoch", duration(outlook.epoch_s)),
            ("whole run", duration(outlook.total_s)),
            ("memory", f"{outlook.peak_bytes / 2**30:.2f} GiB at its peak{has}"),
            ("disk", f"{outlook.disk_bytes / 1e6:,.1f} MB and the records{left}"),
            *(("but", sentence) for sentence in misgivings(outlook)),
        ]
        print_facts(facts)
        return 0


def room(free: int | None, total: int | None) -> str:
    """Return the free memory of a device in words, as the end of a sentence; nothing when it is not known."""
    return "" if free is None or total is None else f", {free / 2**30:.1f} of {total / 2**30:.1f} GiB are free"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure how fast networks train here, beside the bare step and the usual DataLoader."""

    model: Annotated[str, arg(metavar="NAME[,NAME]")] = "resnet18"
    """Architectures, a comma between them."""
    all: bool = False
    """Every network, in place of --model."""
    dataset: str = "cifar10"
    """Whose images; digits if they are not here."""
    device: DeviceName = "auto"
    """auto (CUDA, else Apple's GPU, else the CPU), cpu, mps, cuda or cuda:<n>; of several, for example 0,1, how
    fast they train together beside the first alone."""
    seconds: Seconds = 20.0
    """How long to measure each of the five arms; of several devices three."""
    batch_size: str = "128"
    """Images a step."""
    precision: str = "auto"
    """auto, fp32 or bf16; the DataLoader's arm is fp32 in any case."""
    way: str = "auto"
    """auto, eager, graph or compiled; the DataLoader's arm is eager in any case."""
    json: bool = False
    """Print JSON."""

    def execute(self) -> int:
        """Measure one network in this process; several have a process each, so that their memory is their own."""
        names = list(MODELS) if self.all else [name.strip() for name in self.model.split(",")]
        recipes = [self._recipe(name) for name in names]
        device = settled(check_device(self.device))
        if count(device) > 1:
            return self._measure_scaling(recipes, device)
        if len(recipes) == 1:
            os.environ.update(launch.TRAINER_ENVIRONMENT | os.environ)  # before torch is loaded
            from cockpit.engine.bench import bench

            results = [msgspec.to_builtins(bench(recipes[0], device, self.seconds, _tell))]
        else:
            results = [result for recipe in recipes if (result := self._elsewhere(recipe)) is not None]
        if self.json:
            print_json(results)
        else:
            _print_results(results)
        return 0 if len(results) == len(recipes) else 1

    def _measure_scaling(self, recipes: list[Recipe], devices: str) -> int:
        """Measure every network on several devices, whose processes end with it."""
        for recipe in recipes:
            launch.check_shared(recipe, devices)
        os.environ.update(launch.TRAINER_ENVIRONMENT | os.environ)  # before torch is loaded
        from cockpit.engine.scaling import NotMeasuredError, measure_scaling
        from cockpit.engine.stopping import Stopped

        results = []
        for recipe in recipes:
            try:
                results.append(msgspec.to_builtins(measure_scaling(recipe, devices, self.seconds, _tell)))
            except NotMeasuredError as error:
                _clear()
                say(f"{recipe.model}: not measured: {error}")
            except Stopped as stopped:
                _clear()
                say(f"stopped {stopped} while {recipe.model} was measured")
                break
        if self.json:
            print_json(results)
        elif results:
            _print_scaling(results)
        return 0 if len(results) == len(recipes) else 1

    def _recipe(self, model: str) -> Recipe:
        dataset = self.dataset
        if dataset not in DATASETS:
            find_dataset(dataset)
        elif not is_ready(dataset):
            say(f"{dataset} is not here (`cockpit data get {dataset}`), so the images are those of {EMBEDDED}")
            dataset = EMBEDDED
        typed = {"batch_size": self.batch_size, "precision": self.precision, "way": self.way}
        chosen = {option.name: option.parse(typed[option.name]) for option in options() if option.name in typed}
        return Recipe(model=model, dataset=dataset, **chosen).complete()

    def _elsewhere(self, recipe: Recipe) -> dict[str, Any] | None:
        """Measure in another process; say so when that fails."""
        words = ["bench", "--model", recipe.model, "--dataset", recipe.dataset, "--device", self.device, "--json"]
        words += ["--seconds", str(self.seconds), "--batch-size", self.batch_size]
        words += ["--precision", self.precision, "--way", self.way]
        done = subprocess.run(
            [sys.executable, *interpreter.module("cockpit"), *words], stdout=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            say(f"{recipe.model}: not measured, its process ended with {done.returncode}")
            return None
        return msgspec.json.decode(done.stdout)[0]


def _tell(text: str) -> None:
    """Write what is being measured over what was, on a terminal; elsewhere a line each."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{printable(text)}", end="", file=sys.stderr)
    else:
        say(text)


def _clear() -> None:
    """Take away what `_tell` has written on a terminal."""
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _print_scaling(results: list[dict[str, Any]]) -> None:
    _clear()
    heads = ["model", "devices", "precision", "one img/s", "together img/s", "efficiency", "local batch norm img/s"]
    rows = []
    for result in results:
        speeds = {name: f"{arm['img_per_s']:,.0f}" for name, arm in result["arms"].items()}
        shares = {name: f"{share:.2f}" for name, share in result["efficiency"].items()}
        row = [result["model"], result["devices"], result["precision"], speeds["one"], speeds["together"]]
        rows.append([*row, shares["together"], speeds.get("local", ""), shares.get("local", "")])
    print_table([*heads, "its efficiency"], rows, right=(3, 4, 5, 6, 7))
    for result in results:
        _print_ranges(result)


def _print_results(results: list[dict[str, Any]]) -> None:
    _clear()
    heads = ["model", "device", "precision", "way", "engine img/s", "of the floor", "× DataLoader", "MFU", "memory"]
    print_table([*heads, "the recipe"], [_row(result) for result in results], right=(4, 5, 6, 7, 8, 9))
    for result in results:
        _print_ranges(result)


def _print_ranges(result: dict[str, Any]) -> None:
    ranges = ", ".join(
        f"{name} {arm['img_per_s']:,.0f} [{arm['low']:,.0f}-{arm['high']:,.0f}]"
        for name, arm in result["arms"].items()
        if arm
    )
    show(f"{result['model']}, img/s, median [range]: {ranges}")
    for note in [*filter(None, [result.get("reason")]), *result["notes"]]:
        show(f"  {note}")


def _row(result: dict[str, Any]) -> list[str]:
    return [
        result["model"],
        result["device"],
        result["precision"],
        result["way"],
        f"{result['arms']['engine']['img_per_s']:,.0f}",
        _figure(result["engine_over_floor"], "{:.3f}"),
        _figure(result["engine_over_dataloader"], "{:.2f}"),
        _figure(result["mfu"], "{:.1%}"),
        f"{result['peak_bytes'] / 2**30:.2f} GiB",
        duration(result["recipe_s"]),
    ]


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
