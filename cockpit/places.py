"""Where a run takes place, on this machine or in Slurm, and its verbs wherever that is."""

import contextlib
from collections.abc import Sequence

from cockpit import devices, jobs, launch, slurm, status
from cockpit.config import config_path
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.settings import Settings, read_settings
from cockpit.store import Run

PLACES = ("local", "slurm")


def choices() -> list[tuple[str, str]]:
    """Return (place, what it is) of every place that a run may be started in from this machine, the default first."""
    here = [("local", "this machine")]
    return [*here, ("slurm", "as a job")] if slurm.is_here() else here


def device_choices(place: str) -> list[tuple[str, str]]:
    """Return (value, what it is) of every device that a run may ask for there now, the default first."""
    if place != "slurm":
        return devices.survey()
    granted = None
    with contextlib.suppress(CockpitError):  # a mistake in the user's file is told by who asks for the settings
        granted = settings_of(None).num_gpus()
    return slurm.offer(granted)


def place_of(run: Run) -> str:
    """Return where a run took place last; a run that has not begun is local."""
    return "slurm" if jobs.current(run, run.launches()) else "local"


def check(place: str, device: str, *recipes: Recipe, settings: Settings | None = None) -> None:
    """Raise CockpitError when there is no such place, or not here, or no such device for these recipes there.

    Args:
        place: The place.
        device: What to train on there; in Slurm on each node.
        recipes: What to train, each in a run of its own.
        settings: What is asked of Slurm, if that is the place; None is what the user's file says.
    """
    if place not in PLACES:
        raise CockpitError(f"where is {place!r}; choose one of {', '.join(PLACES)}")
    if place == "slurm":
        asked = settings or settings_of(None)
        wanted = slurm.all_devices(slurm.check(device, asked), asked)
    else:
        wanted = devices.check_device(device)
    for recipe in recipes:
        launch.check_shared(recipe, wanted)


def has(place: str, device: str) -> bool:
    """Tell whether a run may ask for a device there."""
    return slurm.can_ask(device) if place == "slurm" else devices.is_here(device)


def check_queue(place: str) -> None:
    """Raise CockpitError when what takes place there does not wait in the queue."""
    if place == "slurm":
        raise CockpitError("the queue is this machine's, and Slurm has one of its own: launch it right away")


def start(
    run: Run,
    place: str,
    *,
    device: str = "auto",
    sample_s: float | None = None,
    settings: Settings | None = None,
    force: bool = False,
) -> None:
    """Start a run, or take it up from where it stands.

    Args:
        run: A run that nobody trains.
        place: One of `PLACES`.
        device: What to train on there.
        sample_s: Seconds between live samples; None is the trainer's default.
        settings: What to ask of Slurm; None is what the run asked for before, else the user's defaults.
        force: Take it over although it may be trained elsewhere. Somebody must have seen that it is not.

    Raises:
        RunBusyError: When another trainer has the run, or another cockpit just submits it.
        UndecidedError: When Slurm fell silent; the run must be kept.
        CockpitError: When it cannot be started.
    """
    if place == "slurm":
        launch.check_room(run)
        asked = settings or settings_of(run)
        device = slurm.check(device, asked)
        launch.check_shared(run.recipe, slurm.all_devices(device, asked))
        words = launch.trainer_words(run, device, sample_s)
        slurm.submit(run, words, launch.TRAINER_ENVIRONMENT, asked, device=device, force=force)
    else:
        if place_of(run) == "slurm":
            check_resumable(run, force=force)
            run.take_turn()  # a job that Slurm begins after all finds nothing to do
        launch.start(run, device=device, sample_s=sample_s, force=force)


def settings_of(run: Run | None, flags: Sequence[str] = ()) -> Settings:
    """Return what to ask of Slurm: what the run asked for before, else the user's defaults, and flags over that."""
    before = jobs.current(run, run.launches()) if run else None
    return read_settings(flags, before.settings if before else None)


def tell_settings(settings: Settings) -> str:
    """Return in words what a new job asks of Slurm by the user's defaults."""
    return f"sbatch {' '.join(settings.options())} (defaults: {config_path()})"


def preview(run: Run, *, device: str, sample_s: float | None, settings: Settings) -> str:
    """Return the script that Slurm would get for a run.

    Raises:
        CockpitError: When a job cannot be asked for that.
    """
    device = slurm.check(device, settings)
    if run.path.exists():  # the recipe of one that is not made yet was checked by who has it
        launch.check_shared(run.recipe, slurm.all_devices(device, settings))
    return slurm.script(run, launch.trainer_words(run, device, sample_s), launch.TRAINER_ENVIRONMENT, settings)


def send(run: Run, what: launch.Signal) -> bool:
    """Ask a run to stop with a checkpoint, or kill it, wherever it is. False when it was not running any more.

    Raises:
        CockpitError: When it runs on another host without Slurm, or Slurm does not obey.
    """
    if place_of(run) == "slurm":
        return slurm.stop(run, kill=what == "kill")
    return launch.send(run, what)


def device_of(run: Run) -> str:
    """Return what a run was last asked to train on, or waits for in the queue."""
    launches = run.launches()
    submission = jobs.current(run, launches)
    if submission is not None:
        return submission.device
    with contextlib.suppress(CockpitError):  # its row tells of a damaged ticket
        ticket = run.ticket()
        if ticket is not None and ticket.launches == len(launches):
            return ticket.device
    return launches[-1].device or "auto" if launches else "auto"


def device_again(run: Run, place: str) -> tuple[str, str]:
    """Return what a run goes on on there when nothing else is asked for, and a sentence where that is not what it had.

    Args:
        run: The run.
        place: One of `PLACES`.
    """
    device = device_of(run)
    if has(place, device):
        return device, ""
    return "auto", f"{device}, which {run.id} had, is not here: it goes on on auto"


def check_resumable(run: Run, *, force: bool = False) -> None:
    """Raise CockpitError, with the reason and the remedy, when a run cannot be resumed; see `start` for `force`."""
    if place_of(run) != "slurm":
        launch.check_resumable(run, force=force)
        return
    info = status.describe(run)
    if info.status == "unknown" and not force:
        raise CockpitError(
            f"run {run.id} is unknown: {info.detail}; try again when Slurm answers, or see where its jobs are, and if "
            f"this one is surely gone, `cockpit resume {run.id} --where local --force` takes the run over"
        )
    if info.status == "stale":
        raise CockpitError(f"run {run.id} is stale: {info.detail}; `cockpit stop {run.id}` ends its job")
    if info.status != "unknown":
        launch.check_resumable(run)
