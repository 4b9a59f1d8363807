"""`--like RUN`: what a run was made with, as the flags that would make it again."""

from pathlib import Path

from cockpit import places
from cockpit.cli.common import open_store, say
from cockpit.datasets import find_dataset
from cockpit.errors import CockpitError
from cockpit.recipe import flags


def flags_like(name: str, runs: Path | None, *, of: str, elsewhere: bool) -> list[str]:
    """Return the flags of a run's recipe and, where that is here, of its device and place.

    Args:
        name: The run: its id, the beginning or end of it, or `last`.
        runs: The folder of the runs, see `open_store`.
        of: The command they are for: "train", or "preflight", which is of this machine.
        elsewhere: Whether another dataset is named, so that the run's need not be here.

    Raises:
        CockpitError: When there is no such run, or its dataset is not here.
    """
    run = open_store(runs).get(name)
    recipe = run.recipe
    try:
        find_dataset(recipe.dataset)
    except CockpitError as error:
        if not elsewhere:
            raise CockpitError(
                f"run {run.id} is of the dataset {recipe.dataset[:80]!r}, which is not here; import it with "
                f"`cockpit data import NAME PATH`, or name another with --dataset"
            ) from error
    words = flags(recipe)
    place, device = places.place_of(run), places.device_of(run)
    offered = dict(places.choices())
    if place != "local" and of == "train":
        if place in offered:
            words += ["--where", place]
        else:
            say(f"{run.id} was trained in Slurm, which is not here: this one is trained on this machine")
            place = "local"
    if device != "auto" and (place == "local" or of == "train"):
        if places.has(place, device):
            words += ["--device", device]
        else:
            say(f"{run.id} was trained on {device}, which is not here: this one takes the best there is")
    return words
