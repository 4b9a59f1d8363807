"""Make files of a run's best network for other programs, each compared with the network before it gets its name."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import safetensors

from cockpit import durable, unfinished
from cockpit.engine.checkpoint import load_best
from cockpit.engine.faithful import Trial, UnfaithfulError, compare, make_trial
from cockpit.engine.portable import WRITERS, Portable, Writer, facts_of, make_portable
from cockpit.errors import CockpitError
from cockpit.files import unwritable
from cockpit.results import Exported, Verification
from cockpit.store import Run

_SHOWN = 200


def export_network(
    run: Run,
    wanted: dict[str, Path],
    *,
    verify: bool = True,
    force: bool = False,
    checked: durable.Checked | None = None,
) -> Iterator[Exported | UnfaithfulError]:
    """Write a run's best network in each of the wanted forms; yield what was made, or why it was not, as it comes.

    Args:
        run: A run with a checkpoint.
        wanted: From a key of `WRITERS` to the file's path.
        verify: Whether to compare each file with the network on real images.
        force: Whether to write over what is there.
        checked: The checkpoint, where it was read already.

    Raises:
        CockpitError: When there is no undamaged checkpoint, nothing to compare with, or a file cannot be written.
    """
    best = load_best(run, checked)
    trial = make_trial(best) if verify else None
    portable = make_portable(best)
    for form, path in wanted.items():
        try:
            verified = write_compared(portable, facts_of(best, run.id), trial, form, path, force=force)
        except UnfaithfulError as error:
            yield error
        else:
            yield Exported(run=run.id, format=form, path=str(path), size_bytes=_size(path), verified=verified)


def write_compared(
    portable: Portable, facts: dict[str, str], trial: Trial | None, form: str, path: Path, *, force: bool = False
) -> Verification | None:
    """Write a network in one form; the file gets its name once it says of real images what the network says.

    Args:
        portable: The network.
        facts: What the file says of itself.
        trial: Real images, and what the network says of them; None compares nothing.
        form: A key of `WRITERS`.
        path: The file.
        force: Whether to write over what is there.

    Raises:
        UnfaithfulError: When it says something else; there is no file then.
        CockpitError: When it cannot be written.
    """
    _, write, read = WRITERS[form]
    try:
        with unfinished.scratch(path.parent) as folder:
            made = folder / path.name
            _write(write, portable, facts, made, path)
            verified = compare(trial, read(made)) if trial else None
            rights = _usual_rights(folder)
            for part in sorted(folder.iterdir(), key=lambda part: part == made):  # the file itself comes last
                _settle(part, path.parent / part.name, rights, force=force)
    except UnfaithfulError as error:
        raise UnfaithfulError(f"{path.name} is not kept: {error}") from error
    except OSError as error:
        raise unwritable(path, error) from error
    return verified


def _write(write: Writer, portable: Portable, facts: dict[str, str], made: Path, path: Path) -> None:
    try:
        write(portable, facts, made)
    except (safetensors.SafetensorError, RuntimeError) as error:  # so a full disk is told of, among other things
        reason = str(error).partition("\n")[0][:_SHOWN]
        raise CockpitError(f"{path} cannot be written: {reason or type(error).__name__}") from error


def _usual_rights(folder: Path) -> int:
    """Return the rights of a new file: what the umask leaves, and whatever writes a form may give others."""
    handle, path = durable.create_beside(folder, "rights-")
    rights = stat.S_IMODE(os.fstat(handle).st_mode)
    os.close(handle)
    path.unlink()
    return rights


def _settle(made: Path, path: Path, rights: int, *, force: bool) -> None:
    """See a file onto the disk and give it its name, in one step; over another only if that is wanted."""
    with open(made, "rb") as file:
        os.fsync(file.fileno())
    made.chmod(rights)
    try:
        if force:
            made.replace(path)
        else:
            durable.give_name(made, path)
    except FileExistsError:
        raise CockpitError(f"{path} is there already; --replace writes over it") from None


def _size(path: Path) -> int:
    parts = (path, path.with_name(path.name + ".data"))
    return sum(part.stat().st_size for part in parts if part.exists())
