"""The command that makes files of a run for other programs: weights, graphs, event files, curves, a model card."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from tyro.conf import Positional, UseAppendAction, arg

from cockpit import durable, interpreter, launch, unfinished
from cockpit.cli.common import go_on_telling, open_store, print_json, say, show
from cockpit.cli.fields import Seconds
from cockpit.cli.reading import check_trained_here, read_series
from cockpit.cli.testing import best_run
from cockpit.errors import CockpitError
from cockpit.files import open_to_append, unwritable
from cockpit.forms import LOG_NAME, LOGDIR, NETWORKS, place_in, read_formats, require
from cockpit.results import Exported, NotExported
from cockpit.store import Run


class _Failure(NamedTuple):
    """A format that was not made."""

    format: str
    error: CockpitError
    code: int
    """1: it says something else than the network; 2: it could not be made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Make files of a run for other programs.

    safetensors: the best weights, a state dict for plain PyTorch, with mean and deviation. onnx, torch (torch.export):
    the best network, which takes uint8 images (batch, 3, 32, 32) and normalises by itself. These three are compared
    with the network on 400 test images before they are kept. tensorboard: event files. csv: curves. card: a model card.
    """

    run: Annotated[Positional[str], arg(metavar="[RUN]")] = ""
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue; without it,
    the best run of --model and --dataset."""
    to: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FORMAT[,FORMAT]")]
    """safetensors, onnx, torch, tensorboard, csv or card; several with commas or spaces between."""
    out: Annotated[str, arg(metavar="PATH")] = ""
    """A file, if it is one format; else a folder. Default: here, named after the run. Of tensorboard alone the folder
    that `tensorboard --logdir` is told, in which the run has its own; else, and by default, `tensorboard` beside the
    others."""
    model: str = ""
    """Architecture of the best run to look for."""
    dataset: str = ""
    """Dataset of the best run to look for."""
    live: bool = False
    """With --to tensorboard: go on writing until the run ends. Ctrl-C only ends the writing."""
    every: Seconds = 2.0
    """With --live: seconds between two looks."""
    unverified: bool = False
    """Compare nothing, for a machine without the dataset."""
    replace: Annotated[bool, arg(aliases=["--force"])] = False
    """Write over files that are there already."""
    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print what was made as JSON, and what was not with the reason."""

    def execute(self) -> int:
        """Make them, the card last, which tells of the others.

        Returns:
            1 when one says something else than the network, 2 when one cannot be made.
        """
        with unfinished.ending_in_order():
            return self._execute()

    def _execute(self) -> int:
        formats = read_formats(self.to)
        store = open_store(self.runs)
        if self.run:
            run = store.get(self.run)
        elif self.model and self.dataset:
            run = best_run(store, self.model, self.dataset)
        else:
            raise CockpitError("name a run, or --model and --dataset to export the best run of that pair")
        if self.live and formats != ["tensorboard"]:
            raise CockpitError("--live is for --to tensorboard alone; the other formats are of a run as it stands")
        paths = _place(run, formats, self.out)
        for folder in {path if name == "tensorboard" else path.parent for name, path in paths.items()}:
            unfinished.sweep(folder)
        if self.live:
            return self._follow(run, paths["tensorboard"])
        told: list[Exported | NotExported] = []
        code = 0
        for one in self._make(run, paths):
            if isinstance(one, _Failure):
                code = max(code, one.code)
                known = {other.error for other in told if isinstance(other, NotExported)}
                told.append(_not_made(run, one, paths))
                if str(one.error) not in known:
                    go_on_telling(say, f"cockpit: {one.error}")
                continue
            told.append(one)
            if not self.json:
                go_on_telling(show, one.path)
            go_on_telling(say, _tell(one))
        if self.json:
            print_json(told)
        return code

    def _make(self, run: Run, paths: dict[str, Path]) -> Iterator["Exported | _Failure"]:
        """Yield what was made of each format, or why it was not, as it comes; one that fails ends no other."""
        checked, fit = None, dict[str, Path]()
        for name, path in paths.items():
            try:
                if checked is None and name in (*NETWORKS, "card"):
                    launch.check_checkpoint(run)
                    checked = durable.read_checked(run.best_path)  # once: a training may replace it between two formats
                self._check(name, run, path, force=self.replace)
            except CockpitError as error:
                yield _Failure(name, error, 2)
            else:
                fit[name] = path
        made: list[Exported] = []
        for one in self._make_networks(run, fit, checked):
            if isinstance(one, Exported):
                made.append(one)
            yield one
        for name in ("tensorboard", "csv", "card"):
            if name not in fit:
                continue
            try:
                self._make_text(name, run, fit[name], made, checked)
            except CockpitError as error:
                yield _Failure(name, error, 2)
            else:
                made.append(_made(run, name, fit[name]))
                yield made[-1]

    def _check(self, name: str, run: Run, path: Path, *, force: bool) -> None:
        """Raise CockpitError when a format cannot be made, before anything is; else there is a folder for it then."""
        require(name)
        if name in ("csv", "tensorboard"):
            check_trained_here(run, f"it has no curves for --to {name}")
        try:
            path.parent.mkdir(parents=path != Path(os.path.expanduser(self.out)), exist_ok=True)
        except OSError as error:
            sentence = f"there can be no folder {path.parent}: {error.strerror}; choose another with --out"
            raise CockpitError(sentence) from error
        if name == "tensorboard":
            from cockpit.event_files import check_folder

            check_folder(path, force=force)
        elif path.is_dir():
            raise CockpitError(f"{path} is a folder; name a file with --out")
        elif os.path.lexists(path) and not force:
            raise CockpitError(f"{path} is there already; --replace writes over it")

    def _make_networks(
        self, run: Run, paths: dict[str, Path], checked: durable.Checked | None
    ) -> Iterator["Exported | _Failure"]:
        waiting = {name: path for name, path in paths.items() if name in NETWORKS}
        if not waiting:
            return
        os.environ.update(launch.TRAINER_ENVIRONMENT | os.environ)  # before torch is loaded
        from cockpit.engine.exporting import export_network

        while waiting:
            try:
                for one in export_network(
                    run, dict(waiting), verify=not self.unverified, force=self.replace, checked=checked
                ):
                    name = next(iter(waiting))
                    del waiting[name]
                    yield one if isinstance(one, Exported) else _Failure(name, one, 1)
            except CockpitError as error:
                name = next(iter(waiting))
                del waiting[name]
                yield _Failure(name, error, 2)

    def _make_text(
        self, name: str, run: Run, path: Path, made: Sequence[Exported], checked: durable.Checked | None
    ) -> None:
        if name == "tensorboard":
            from cockpit.event_files import write_events

            write_events(run, path, force=self.replace)
        elif name == "csv":
            from cockpit.export import encode, export_curves

            _write(path, encode(export_curves(read_series(run)), ".csv"), force=self.replace)
        else:
            from cockpit.card import make_card

            _write(path, make_card(run, made, checked).encode(), force=self.replace)

    def _follow(self, run: Run, folder: Path) -> int:
        from cockpit.event_files import follow_events

        self._check("tensorboard", run, folder, force=True)
        say(f"writing {folder} until {run.id} ends; `tensorboard --logdir {folder.parent}` shows it")
        try:
            follow_events(run, folder, self.every)
        except KeyboardInterrupt:
            say(f"no longer writing; {run.id} goes on")
        if self.json:
            print_json([_made(run, "tensorboard", folder)])
        return 0


def follow_in_background(run: Run, logdir: Path) -> None:
    """Start a process that writes a run's event files until it ends, however this one ends.

    Raises:
        CockpitError: When TensorBoard is not here or the folder cannot be written.
    """
    folder = prepare_to_follow(logdir) / run.id
    argv = [sys.executable, *interpreter.module("cockpit"), "export", run.id, "--runs", str(run.path.absolute().parent)]
    argv += ["--to", "tensorboard", "--live", "--out", str(logdir.absolute())]
    try:
        folder.mkdir(exist_ok=True)
        log = open_to_append(folder / LOG_NAME)
        try:
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        finally:
            os.close(log)
    except OSError as error:
        raise unwritable(folder, error) from error
    say(f"`tensorboard --logdir {logdir}` shows it")


def prepare_to_follow(logdir: Path) -> Path:
    """Return a folder for event files, made if it is not there.

    Raises:
        CockpitError: When it cannot be written, or TensorBoard is not here.
    """
    require("tensorboard")
    try:
        logdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(logdir, error) from error
    if not os.access(logdir, os.W_OK):
        raise CockpitError(f"{logdir} cannot be written; choose another with --logdir")
    return logdir


def _place(run: Run, formats: list[str], out: str) -> dict[str, Path]:
    """Return where each format goes."""
    chosen = Path(os.path.expanduser(out)) if out else None
    is_folder = chosen is None or len(formats) > 1 or chosen.is_dir() or out.endswith(os.sep)
    paths: dict[str, Path] = {}
    for name in formats:
        if chosen is None:
            paths[name] = LOGDIR / run.id if name == "tensorboard" else place_in(Path(), run.id, name, formats)
        elif is_folder or name == "tensorboard":
            paths[name] = place_in(chosen, run.id, name, formats)
        else:
            paths[name] = chosen
    return paths


def _write(path: Path, data: bytes, *, force: bool) -> None:
    try:
        (durable.write_atomically if force else durable.write_new)(path, data, prefix=unfinished.own_prefix())
    except FileExistsError:
        raise CockpitError(f"{path} is there already; --replace writes over it") from None
    except OSError as error:
        raise unwritable(path, error) from error


def _made(run: Run, name: str, path: Path) -> Exported:
    files = [part for part in path.iterdir() if part.is_file()] if path.is_dir() else [path]
    return Exported(run=run.id, format=name, path=str(path), size_bytes=sum(part.stat().st_size for part in files))


def _not_made(run: Run, failure: _Failure, paths: dict[str, Path]) -> NotExported:
    path = paths[failure.format]
    return NotExported(run=run.id, format=failure.format, path=str(path), error=str(failure.error))


def _tell(one: Exported) -> str:
    large = one.size_bytes >= 1e6
    size = f"{one.format}: {one.size_bytes / (1e6 if large else 1e3):,.1f} {'MB' if large else 'kB'}"
    if one.verified:
        v = one.verified
        ties = f" ({v.ties} are ties)" if v.ties else ""
        return (
            f"{size}, compared with the network on {v.images} test images of {v.classes} classes: logits differ by at "
            f"most {v.largest_difference:.1e} (allowed {v.tolerance:.1e}), top-1 the same{ties}"
        )
    return f"{size}, not compared with the network" if one.format in NETWORKS else size
