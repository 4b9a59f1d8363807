"""From words to a command: flags and help are drawn from the commands' fields and the docstrings under them."""

import dataclasses
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, subcommand
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from cockpit.cli import (
    compare,
    completion,
    curves,
    datasets,
    doctor,
    export,
    import_weights,
    keeping,
    learn,
    log,
    measure,
    models,
    notify,
    queue,
    report,
    runs,
    slurm,
    suite,
    table,
    testing,
    training,
)
from cockpit.cli.common import Command, printable
from cockpit.cli.like import flags_like
from cockpit.cli.sweep import spread
from cockpit.errors import CockpitError
from cockpit.forms import FORMATS
from cockpit.recipe import Recipe, options, usual_recipe


@dataclasses.dataclass(frozen=True)
class Ui:
    """Open the cockpit. This is what `cockpit` alone does."""

    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    low_bandwidth: bool = False
    """Look every 4 s, so that a live run writes 0.2 kB/s. COCKPIT_LOW_BANDWIDTH=1 does the same."""

    def execute(self) -> int:
        """Open the cockpit."""
        from cockpit.cli.ui import open_cockpit

        words = ["--low-bandwidth"] if self.low_bandwidth else []
        return open_cockpit([*words, "--runs", str(self.runs)] if self.runs else words)


@dataclasses.dataclass(frozen=True)
class Runs:
    """List, show, report on, note, tag, delete, restore or export runs; alone it lists them."""

    action: (
        Annotated[runs.ListRuns, subcommand("list")]
        | Annotated[runs.ShowRun, subcommand("show")]
        | Annotated[keeping.NoteRun, subcommand("note")]
        | Annotated[keeping.TagRun, subcommand("tag")]
        | Annotated[report.ReportRun, subcommand("report")]
        | Annotated[runs.RemoveRun, subcommand("rm")]
        | Annotated[keeping.RestoreRuns, subcommand("restore")]
        | Annotated[keeping.PurgeTrash, subcommand("purge")]
        | Annotated[keeping.ExportRuns, subcommand("export")]
        | Annotated[keeping.ListFields, subcommand("fields")]
    ) = dataclasses.field(default_factory=runs.ListRuns)

    def execute(self) -> int:
        """Do what was chosen."""
        return self.action.execute()


@dataclasses.dataclass(frozen=True)
class Queue:
    """See and change what waits for a device of this box; alone it lists that."""

    action: (
        Annotated[queue.ListQueue, subcommand("list")]
        | Annotated[queue.MoveRun, subcommand("move")]
        | Annotated[queue.SetPriority, subcommand("priority")]
        | Annotated[queue.WithdrawRun, subcommand("remove")]
        | Annotated[queue.PauseQueue, subcommand("pause")]
        | Annotated[queue.ContinueQueue, subcommand("go")]
        | Annotated[queue.SetSlots, subcommand("slots")]
    ) = dataclasses.field(default_factory=queue.ListQueue)

    def execute(self) -> int:
        """Do what was chosen."""
        return self.action.execute()


@dataclasses.dataclass(frozen=True)
class Models:
    """List the architectures, or show what one is made of; alone it lists them."""

    action: Annotated[models.ListModels, subcommand("list")] | Annotated[models.ShowModel, subcommand("show")] = (
        dataclasses.field(default_factory=models.ListModels)
    )

    def execute(self) -> int:
        """Do what was chosen."""
        return self.action.execute()


@dataclasses.dataclass(frozen=True)
class Data:
    """List, show, fetch, import or remove datasets; alone it lists them."""

    action: (
        Annotated[datasets.ListData, subcommand("list")]
        | Annotated[datasets.ShowData, subcommand("show")]
        | Annotated[datasets.GetData, subcommand("get")]
        | Annotated[datasets.ImportData, subcommand("import")]
        | Annotated[datasets.RemoveData, subcommand("rm")]
    ) = dataclasses.field(default_factory=datasets.ListData)

    def execute(self) -> int:
        """Do what was chosen."""
        return self.action.execute()


AnyCommand = (
    Annotated[Ui, subcommand("ui")]
    | Annotated[training.Train, subcommand("train")]
    | Annotated[testing.Test, subcommand("test")]
    | Annotated[training.Watch, subcommand("watch")]
    | Annotated[curves.Curves, subcommand("curves")]
    | Annotated[compare.Compare, subcommand("compare")]
    | Annotated[learn.Learn, subcommand("learn")]
    | Annotated[export.Export, subcommand("export")]
    | Annotated[import_weights.ImportWeights, subcommand("import")]
    | Annotated[log.Log, subcommand("log")]
    | Annotated[training.Stop, subcommand("stop")]
    | Annotated[training.Resume, subcommand("resume")]
    | Annotated[measure.Preflight, subcommand("preflight")]
    | Annotated[measure.Bench, subcommand("bench")]
    | Annotated[Runs, subcommand("runs")]
    | Annotated[Queue, subcommand("queue")]
    | Annotated[suite.Suite, subcommand("suite")]
    | Annotated[table.Report, subcommand("report")]
    | Annotated[Models, subcommand("models")]
    | Annotated[Data, subcommand("data")]
    | Annotated[slurm.ShowSlurm, subcommand("slurm")]
    | Annotated[notify.NotifyUser, subcommand("notify")]
    | Annotated[doctor.Doctor, subcommand("doctor")]
    | Annotated[completion.Completion, subcommand("completion")]
)

_DESCRIPTION = """Train image classifiers from a terminal: choose, launch, watch, test.
`cockpit` alone opens the cockpit; every action of it is a command here too. --version says which it is."""


class _Word(str):
    """What was typed for a field of the recipe, read later by the same code that reads the form."""


def parse(words: Sequence[str]) -> Command:
    """Read a command line; help and unreadable flags end the process as usual (0 and 2).

    Raises:
        CockpitError: When a word is no value of its recipe field.
    """
    command = _read_words(words)
    if isinstance(command, training.Train | measure.Preflight) and command.like:
        named = any(word.partition("=")[0] == "--dataset" for word in words)
        like = flags_like(command.like, command.runs, of=words[0], elsewhere=named)
        command = _read_words([words[0], *like, *words[1:]])  # a flag that is given twice has its last value
    return command


def _read_words(words: Sequence[str]) -> Command:
    words, switches = _take_switches(_spell_out(_join_formats(words)))
    registry = ConstructorRegistry()
    registry.primitive_rule(_take_word)
    registry.primitive_rule(_take_folder)
    with registry:
        harmless = [printable(word) for word in words]  # tyro prints as it stands what it does not understand
        command = _parse(harmless)
        if harmless != words:
            command = _parse(words)
    if isinstance(command, training.Train):
        recipes = _read(command.recipe, switches)
        return dataclasses.replace(command, recipe=recipes[0], sweep=tuple(recipes))
    if isinstance(command, measure.Preflight):
        recipe, *others = _read(command.recipe, switches)
        if others:
            raise CockpitError(f"{1 + len(others)} runs would result; a preflight is of one, so give one value a flag")
        return dataclasses.replace(command, recipe=recipe)
    return command


def _parse(words: Sequence[str]) -> Any:
    return tyro.cli(
        AnyCommand,
        args=words,
        default=Ui(),
        prog="cockpit",
        description=_DESCRIPTION,
        config=(FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes),
    )


def _join_formats(words: Sequence[str]) -> list[str]:
    """Let the formats of an export stand with spaces between them: `--to onnx torch`."""
    joined: list[str] = []
    for word in words:
        before = joined[-1].partition("=") if joined else ("", "", "")
        if words[0] == "export" and before[0] == "--to" and (not before[1] or word in FORMATS):
            joined[-1] += f"{',' if before[1] else '='}{word}"
        else:
            joined.append(word)
    return joined


def _spell_out(words: Sequence[str]) -> list[str]:
    """Let a filter and tags to take away begin with a minus sign, as no flag of ours does."""
    if not words or words[0] not in ("runs", "report"):
        return list(words)
    spelt = list(words)
    for place in range(len(spelt) - 1, 0, -1):
        if spelt[place - 1] == "--filter":
            spelt[place - 1 : place + 1] = [f"--filter={spelt[place]}"]
        elif spelt[1] == "tag" and re.fullmatch(r"-[a-z0-9_][a-z0-9_-]*", spelt[place]) and spelt[place] != "-h":
            spelt[place] = f"!{spelt[place][1:]}"
    return spelt


def _take_switches(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take out the recipe's flags that are on or off: `--nesterov` alone means yes, a preset's is undone by `no`."""
    if not words or words[0] not in ("train", "preflight"):
        return list(words), {}
    flags = {option.flag: option for option in options() if option.kind is bool}
    left, taken = [], {}
    waiting = list(words)
    while waiting:
        flag, has_value, value = waiting.pop(0).partition("=")
        if flag not in flags:
            left.append(flag + has_value + value)
            continue
        if not has_value and waiting and not waiting[0].startswith("-"):
            value = waiting.pop(0)
        taken[flags[flag].name] = value or "yes"
    return left, taken


def _take_word(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Keep numbers and choices as typed, so that one reader judges them for command line and form."""
    arms = [arm for arm in typing.get_args(info.type) if arm is not type(None)] or [info.type]
    kind = typing.get_args(arms[0])[0] if typing.get_origin(arms[0]) is Annotated else arms[0]
    choices = typing.get_args(info.type) if info.type_origin is Literal else ()
    if kind not in (int, float) and not choices:
        return None
    metavar = "{" + ",".join(choices) + "}" if choices else kind.__name__.upper()
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: _Word(words[0]),
        is_instance=lambda value: isinstance(value, str | int | float | None),
        str_from_instance=lambda value: ["unset" if value is None else str(value)],
    )


def _take_folder(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    if set(typing.get_args(info.type)) != {Path, type(None)}:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="DIR",
        instance_from_str=lambda words: Path(words[0]),
        is_instance=lambda value: isinstance(value, Path | None),
        str_from_instance=lambda value: ["unset" if value is None else str(value)],
    )


def _read(recipe: Recipe, switches: dict[str, str]) -> list[Recipe]:
    """Return the recipes that were typed: one, or the product of the lists among the values."""
    typed = switches | {"model": recipe.model, "dataset": recipe.dataset}
    typed |= {option.name: word for option in options() if isinstance(word := getattr(recipe, option.name), _Word)}
    return [_make(**words) for words in spread(typed)]


def _make(model: str, dataset: str, **typed: str) -> Recipe:
    values = {option.name: option.parse(typed[option.name]) for option in options() if option.name in typed}
    return usual_recipe(model, dataset, values.pop("preset", Recipe().preset), **values)
