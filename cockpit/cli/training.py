"""The commands that start, watch, stop and resume a run."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Suppress, UseAppendAction, arg

from cockpit import places, status
from cockpit.cli.common import open_store, print_json, say, show
from cockpit.cli.fields import DeviceName, RunRef, Seconds, Whole
from cockpit.cli.queue import move_on, say_absent
from cockpit.dispatch import order
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.settings import Settings
from cockpit.slurm import UndecidedError
from cockpit.store import Run, RunStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launching:
    """The flags of the commands that start a trainer."""

    device: DeviceName = "auto"
    """auto (CUDA, else Apple's GPU, else the CPU), cpu, mps, cuda (any card) or cuda:<n>; several: cuda:0,cuda:1 or,
    shorter, 0,1; cuda,cuda is any two cards. A list is of every node in Slurm."""
    where: Annotated[str, arg(metavar="{local,slurm}")] = ""
    """local (this machine) or slurm (a job of its own). Default: local; a resume goes where the run was."""
    slurm: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="KEY=VALUE")] = ()
    """What to ask of Slurm, once for each of: partition, account, qos, time, gres, cpus, mem, nodes, warn_s, extra.
    Default: what the run asked for before, else the user's config file."""
    print_script: bool = False
    """Print the script that Slurm would get, and submit nothing."""
    detach: bool = False
    """Print the run's id and return; the run goes on."""
    enqueue: bool = False
    """Let it wait for a free device of this machine, print its id and return."""
    priority: Whole = 0
    """With --enqueue: runs of a higher priority come first."""
    tensorboard: bool = False
    """Write event files for TensorBoard until the run ends, in a process of its own."""
    logdir: Annotated[str, arg(metavar="DIR")] = "tensorboard"
    """With --tensorboard: the folder that `tensorboard --logdir` is told; each run has its own in it."""
    sample_s: Seconds = 2.0
    """Seconds between the live samples of loss, accuracy and speed; 0 records every step."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the run as JSON when it has ended (with --detach, at once)."""

    def _launch(self, run: Run, place: str, settings: Settings | None, *, force: bool = False) -> None:
        places.start(run, place, device=self.device, sample_s=self.sample_s, settings=settings, force=force)
        if self.tensorboard:
            from cockpit.cli.export import follow_in_background

            follow_in_background(run, self._logdir)

    @property
    def _logdir(self) -> Path:
        return Path(os.path.expanduser(self.logdir))

    def _place(self, usual: str, recipes: Sequence[Recipe], before: Run | None = None) -> tuple[str, Settings | None]:
        """Return where the recipes are to be trained and what to ask of Slurm, if it is there; none of them is refused.

        Args:
            usual: The place when none is named.
            recipes: The recipes.
            before: The run that is taken up; it asks again for what it asked for.
        """
        place = self.where or usual
        if self.enqueue:
            places.check_queue(place)
        settings = places.settings_of(before, self.slurm) if place == "slurm" else None
        places.check(place, self.device, *recipes, settings=settings)
        if place != "slurm" and (self.slurm or self.print_script):
            raise CockpitError("--slurm and --print-script are for Slurm; add --where slurm")
        if self.tensorboard and (place == "slurm" or self.enqueue):
            raise CockpitError(
                "--tensorboard is for a run that begins here and now; later, "
                "`cockpit export RUN --to tensorboard --live` follows it"
            )
        if self.tensorboard:
            from cockpit.cli.export import prepare_to_follow

            prepare_to_follow(self._logdir)
        return place, settings

    def _print_script(self, run: Run, settings: Settings) -> int:
        print(places.preview(run, device=self.device, sample_s=self.sample_s, settings=settings), end="")
        return 0

    def _follow_or_leave(self, run: Run) -> int:
        if self.detach:
            if self.json:
                print_json(status.describe(run))
            else:
                show(run.id)
            return 0
        from cockpit.cli.follow import follow_own

        return _report(run, follow_own(run), self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Launching):
    """Train a network in the background and follow it. Ctrl-C stops it with a checkpoint, a second one kills it."""

    recipe: OmitArgPrefixes[Recipe]
    like: Annotated[str, arg(metavar="RUN")] = ""
    """Begin from the recipe of a run (its seed too), its device and its place; other flags override."""
    sweep: Suppress[tuple[Recipe, ...]] = ()
    """All that result when values of the recipe are lists, `recipe` being the first."""

    def execute(self) -> int:
        """Create the run, start it, follow it; or leave it, and all of a sweep, to the queue, or to Slurm's."""
        recipes = [recipe.complete() for recipe in self.sweep or (self.recipe,)]
        place, settings = self._place("local", recipes)
        store = open_store(self.runs)
        if self.enqueue:
            say_absent(each.dataset for each in recipes)
            runs = order.enqueue(store, recipes, device=self.device, sample_s=self.sample_s, priority=self.priority)
            return move_on(store, runs, self.json)
        recipe, *others = recipes
        if others and settings and not self.print_script:
            return self._submit_all(store, recipes, settings)
        if others:
            remedy = "a script is of one" if place == "slurm" else "--enqueue lets them all wait"
            raise CockpitError(f"{len(recipes)} runs would result from these lists; {remedy}")
        if self.print_script and settings:
            return self._print_script(Run(store.root / f"NEW-{recipe.model}-{recipe.dataset}"), settings)
        return self._follow_or_leave(self._begin(store, recipe, place, settings))

    def _begin(self, store: RunStore, recipe: Recipe, place: str, settings: Settings | None) -> Run:
        run = store.create(recipe)
        try:
            self._launch(run, place, settings)
        except CockpitError as error:
            if not isinstance(error, UndecidedError):
                store.remove(run)
            raise
        return run

    def _submit_all(self, store: RunStore, recipes: Sequence[Recipe], settings: Settings) -> int:
        """Submit a run of each recipe, print their ids and return: their queue is Slurm's."""
        runs: list[Run] = []
        try:
            for recipe in recipes:
                runs.append(self._begin(store, recipe, "slurm", settings))
                if not self.json:
                    show(runs[-1].id)
        except CockpitError as error:
            if not runs:
                raise
            raise CockpitError(
                f"{len(runs):,} of {len(recipes):,} runs are submitted; for the next: {error}"
            ) from error
        finally:
            if self.json and runs:
                print_json([status.describe(run) for run in runs])
        say(f"{len(runs):,} runs are submitted")
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resume(Launching):
    """Continue a run from its last checkpoint, to the losses that it would have had uninterrupted."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    force: bool = False
    """Take it over from a silent host or a silent Slurm. Only if its trainer there is surely dead: two would write."""
    device: DeviceName = ""
    """Where to go on, as `cockpit train` takes it. Default: on what it had, or `auto` where that is not here."""

    def execute(self) -> int:
        """Start the trainer again."""
        store = open_store(self.runs)
        run = store.get(self.run)
        if self.device:
            return self._go_on(store, run)
        device, remark = places.device_again(run, self.where or places.place_of(run))
        if remark:
            say(remark)
        return dataclasses.replace(self, device=device)._go_on(store, run)

    def _go_on(self, store: RunStore, run: Run) -> int:
        place, settings = self._place(places.place_of(run), (), run)
        if self.print_script and settings:
            return self._print_script(run, settings)
        if self.enqueue and self.force:
            raise CockpitError("--force takes a run over at once, which cannot wait: leave out --enqueue")
        if self.enqueue:
            places.check_queue(places.place_of(run))  # also with --where local: its job may begin after all
        places.check_resumable(run, force=self.force)
        if self.enqueue:
            order.enqueue_again(store, run, device=self.device, sample_s=self.sample_s, priority=self.priority)
            return move_on(store, [run], self.json)
        if place == "slurm":
            order.withdraw(store, run)  # it must not start here, too
        self._launch(run, place, settings, force=self.force)
        return self._follow_or_leave(run)


@dataclasses.dataclass(frozen=True)
class Watch:
    """Follow a run that is under way; Ctrl-C only ends the watching."""

    run: RunRef = "last"
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    plain: bool = False
    """Print a line an epoch, and the result at the end, to stdout. Usual where that is a pipe or cannot draw."""
    json: bool = False
    """Print the run as JSON when it has ended. With --plain: every line is a JSON object."""

    def execute(self) -> int:
        """Follow until the run ends."""
        from cockpit.cli.follow import follow, follow_plainly
        from cockpit.cli.reading import check_trained_here

        run = open_store(self.runs).get(self.run)
        check_trained_here(run, "there is nothing to watch")
        draws = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        if self.plain or not (draws or self.json):
            info = follow_plainly(run, json=self.json)
            return 0 if info.status == "finished" else _report(run, info, json=False)  # all of a good end was told
        return _report(run, follow(run), self.json)


@dataclasses.dataclass(frozen=True)
class Stop:
    """Ask a run to stop at its next step, with a checkpoint to resume from; one that waits leaves the queue."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print the run as JSON once it has stopped."""

    def execute(self) -> int:
        """Send the request and wait until it is heeded."""
        from cockpit.cli.follow import wait_for_end

        store = open_store(self.runs)
        run = store.get(self.run)
        if not order.withdraw(store, run) and not places.send(run, "stop"):
            raise CockpitError(f"run {run.id} is not running")
        info = status.describe(run)
        if info.status == "stale":
            raise CockpitError(f"run {run.id} is stale and heeds the request only once it goes on: {info.detail}")
        info = wait_for_end(run)
        say(f"{run.id}: {info.status}, {info.detail}")
        if self.json:
            print_json(info)
        return 0


def _report(run: Run, info: status.RunInfo, json: bool) -> int:
    if json:
        print_json(info)
    epochs = f" after {info.epoch}/{info.epochs} epochs" if info.epoch else ""
    say(f"{run.id}: {info.status}{epochs}" + (f", {info.detail}" if info.detail else ""))
    if info.status in ("stopped", "failed", "lost"):
        say(f"cockpit resume {run.id} continues it")
    return 0 if info.status == "finished" else 1
