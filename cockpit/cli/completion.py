"""Scripts that let a shell complete commands, flags, names and run ids. They start no Python when a key is pressed."""

import dataclasses
import shlex
import typing
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from tyro.conf import Positional, Suppress, arg

from cockpit.datasets import DATASETS, cache_dir
from cockpit.errors import CockpitError
from cockpit.forms import FORMATS
from cockpit.recipe import Recipe, options
from nets.catalog import MODELS

SHELLS = ("bash", "zsh", "fish")
_POSITIONAL = typing.get_args(Positional[str])[1]
_SUPPRESS = typing.get_args(Suppress[str])[1]
_NAMES = {
    "--model": tuple(MODELS),
    "--dataset": tuple(DATASETS),
    "--device": ("auto", "cpu", "cuda", "mps"),
    "--devices": ("auto", "cpu", "cuda", "mps"),
    "--where": ("local", "slurm"),
    "--to": FORMATS,
}
"""What the flags take whose type does not say it."""
_POSITIONALS = {
    ("models", "show"): tuple(MODELS),
    ("data", "get"): tuple(DATASETS),
    ("data", "import"): tuple(DATASETS),
    ("completion",): SHELLS,
}
"""What commands take that take no runs."""
_FOLDERS = ("--runs",)
_RUNS = ("--before", "--like", "--run")
_SEVERAL = (("export",), "--to")
"""The command whose flag takes several words."""
_REPEATED = ("--device", "--devices")
"""Flags whose lists may hold a word twice."""
_OF_RUNS = (("test",),)
"""Commands that take runs by another name than `run`."""
_FILES = {
    ("test",): ('[[ " ${COMP_WORDS[*]} " == *" --run "* ]]', "__fish_contains_opt run"),
    ("data", "import"): ("((num_taken))", "__fish_seen_subcommand_from import"),
}
"""Commands that take files, and when: for bash and for fish."""


class Entry(NamedTuple):
    """One command."""

    words: tuple[str, ...]
    """How it is called: ("runs", "rm")."""
    subcommands: tuple[str, ...]
    """What can follow, if it is a group."""
    flags: tuple[str, ...]
    """All of its flags."""
    takes_runs: bool
    """Whether it takes ids of runs."""


@dataclasses.dataclass(frozen=True)
class Completion:
    """Print a script that lets your shell complete commands, flags, networks, datasets and runs.

    bash: `eval "$(cockpit completion bash)"` in ~/.bashrc; zsh the same in ~/.zshrc, with zsh; fish:
    `cockpit completion fish > ~/.config/fish/completions/cockpit.fish`.
    """

    shell: Annotated[Positional[str], arg(metavar="{bash,zsh,fish}")]
    """The shell."""
    json: bool = False
    """Print the script as a JSON string."""

    def execute(self) -> int:
        """Print it."""
        from cockpit.cli.common import print_json

        if self.shell not in SHELLS:
            raise CockpitError(f"there is no script for the shell {self.shell[:40]!r}; choose bash, zsh or fish")
        script = make_script(self.shell)
        if self.json:
            print_json(script)
        else:
            print(script, end="")
        return 0


def make_script(shell: str) -> str:
    """Return the script for one of `SHELLS`."""
    entries = list(_entries())
    if shell == "fish":
        return "".join(f"{line}\n" for line in _fish(entries))
    bridge = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return bridge + _bash(entries)


def _entries() -> Iterator[Entry]:
    """Yield every command, the groups before what is in them."""
    from cockpit.cli.parser import AnyCommand

    commands = [_named(kind) for kind in typing.get_args(AnyCommand)]
    yield Entry((), tuple(name for name, _ in commands), ("--help", "--low-bandwidth", "--runs", "--version"), False)
    for name, kind in commands:
        hints = typing.get_type_hints(kind, include_extras=True)
        actions = [_named(action) for action in typing.get_args(hints.get("action"))]
        if actions:
            yield Entry((name,), tuple(action for action, _ in actions), ("--help",), False)
            for action, action_kind in actions:
                yield _entry((name, action), action_kind)
        else:
            yield _entry((name,), kind)


def _named(kind: Any) -> tuple[str, type]:
    command, subcommand = typing.get_args(kind)
    return subcommand.name, command


def _entry(words: tuple[str, ...], kind: type) -> Entry:
    flags, takes_runs = ["--help"], False
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        marks = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
        if typing.get_args(hint)[:1] == (Recipe,):
            flags += [option.flag for option in options()]
            flags += [flag for flag in ("--model", "--dataset") if flag not in flags]
        elif _POSITIONAL in marks:
            takes_runs = takes_runs or (words not in _POSITIONALS and (name == "run" or words in _OF_RUNS))
        elif _SUPPRESS not in marks:
            flags.append("--" + name.replace("_", "-"))
            flags += [alias for mark in marks for alias in getattr(mark, "aliases", None) or ()]
    return Entry(words, (), tuple(flags), takes_runs)


def _values() -> dict[str, tuple[str, ...]]:
    """Return what can follow a flag."""
    choices = {option.flag: tuple(map(str, option.choices)) for option in options() if option.choices}
    return choices | _NAMES


def _bash(entries: list[Entry]) -> str:
    steps = [(entry.words[:-1], entry.words[-1]) for entry in entries if entry.words]
    walk = "\n".join(
        f"            {shlex.quote(' '.join(before) + '/' + word)}) command={shlex.quote(' '.join((*before, word)))} ;;"
        for before, word in steps
    )
    values = "\n".join(
        f"        {flag}) words={shlex.quote(' '.join(names))}{_bash_own(flag)} ;;"
        for flag, names in sorted(_values().items())
    )
    offers = []
    for entry in entries:
        words = [*entry.subcommands, *_POSITIONALS.get(entry.words, ())]
        runs = ' words="$words last $(_cockpit_runs)" runs=yes;' if entry.takes_runs else ""
        offers.append(
            f"        {shlex.quote(' '.join(entry.words))}) flags={shlex.quote(' '.join(entry.flags))}; "
            f"words={shlex.quote(' '.join(words))};{runs}{_bash_files(entry)} ;;"
        )
    return f"""\
_cockpit_runs() {{
    local folder=${{COCKPIT_RUNS:-runs}} index
    for ((index = 1; index < ${{#COMP_WORDS[@]}} - 1; index++)); do
        [ "${{COMP_WORDS[index]}}" = --runs ] && folder=${{COMP_WORDS[index + 1]}}
    done
    [ -d "$folder" ] && (cd -- "$folder" && for run in */recipe.json */imported.json; do
        case "${{run%/*}}" in *[!A-Za-z0-9._-]*) ;; *) echo "${{run%/*}}" ;; esac # the shell would expand others
    done)
}}
_cockpit_run_by_end() {{ # if there is just one
    local run found=()
    for run in $(_cockpit_runs); do
        case "$run" in *-"$1"* | *"$1") found+=("$run") ;; esac
    done
    [ "${{#found[@]}}" = 1 ] && echo "${{found[@]}}"
}}
_cockpit_datasets() {{
    local folder=${{COCKPIT_DATA:-{shlex.quote(str(cache_dir()))}}} name
    [ -d "$folder" ] && (cd -- "$folder" && for name in */dataset.json; do
        case "${{name%/*}}" in {"|".join(DATASETS)} | *[!a-z0-9._-]*) ;; *) echo "${{name%/*}}" ;; esac
    done)
}}
_cockpit() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command= flags= words= files= runs= before= num_taken=0 index IFS=$' \\t\\n'
    local flag= taken= left= word
    for ((index = 1; index < COMP_CWORD; index++)); do
        case "$command/${{COMP_WORDS[index]}}" in
{walk}
            */-*) flag=${{COMP_WORDS[index]}} taken= ;;
            *) num_taken=$((num_taken + 1)) taken=$taken,${{COMP_WORDS[index]}} ;;
        esac
    done
    case "$command $flag/$current" in
        */-*) ;;
        {shlex.quote(" ".join((*_SEVERAL[0], _SEVERAL[1])))}/*) previous=$flag ;;
    esac
    case "$previous" in
        {"|".join(_FOLDERS)}) COMPREPLY=($(compgen -d -- "$current")); return ;;
        {"|".join(_RUNS)}) words="last $(_cockpit_runs)" runs=yes ;;
{values}
    esac
    if [ -z "$words" ]; then
        case "$command" in
{chr(10).join(offers)}
        esac
        case "$current" in -*) words=$flags files= runs= ;; esac
    fi
    if [ -n "$files" ]; then
        compopt -o filenames 2>/dev/null
        IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    case "$previous/$current" in -*,*) before=${{current%,*}}, ;; esac # a list
    case "$previous/$taken$before" in
        */ | {" | ".join(f"{flag}/*" for flag in _REPEATED)}) ;;
        -*) # what it has is not offered again
            for word in $words; do
                case ",$taken,$before" in *",$word,"*) ;; *) left="$left $word" ;; esac
            done
            words=$left
            ;;
    esac
    COMPREPLY=($(compgen -P "$before" -W "$words" -- "${{current#"$before"}}"))
    if [ "${{#COMPREPLY[@]}}" = 0 ] && [ -n "$runs" ]; then
        COMPREPLY=($(_cockpit_run_by_end "$current"))
    fi
}}
complete -F _cockpit cockpit
"""


def _bash_own(flag: str) -> str:
    return '" $(_cockpit_datasets)"' if flag == "--dataset" else ""


def _bash_files(entry: Entry) -> str:
    return f" {_FILES[entry.words][0]} && files=yes" if entry.words in _FILES else ""


def _fish(entries: list[Entry]) -> Iterator[str]:
    yield "function __cockpit_runs"
    yield "    set -l folder runs"
    yield "    set -q COCKPIT_RUNS; and set folder $COCKPIT_RUNS"
    yield "    for run in $folder/*/recipe.json $folder/*/imported.json; basename (dirname $run); end \\"
    yield "        | string match -r '^[A-Za-z0-9._-]+$'"
    yield "end"
    yield "function __cockpit_datasets"
    yield f"    set -l folder {shlex.quote(str(cache_dir()))}"
    yield "    set -q COCKPIT_DATA; and set folder $COCKPIT_DATA"
    yield "    for name in $folder/*/dataset.json; basename (dirname $name); end | string match -r '^[a-z0-9._-]+$'"
    yield "end"
    yield "function __cockpit_behind -a flag # whether it is the last one"
    yield "    set -l flags (string match -- '-*' (commandline -opc))"
    yield '    test "$flags[-1]" = "$flag"'
    yield "end"
    yield "complete -c cockpit -f"
    values = _values()
    for entry in entries:
        seen = " ".join(f"__fish_seen_subcommand_from {word};" + " and" for word in entry.words).removesuffix(" and")
        condition = seen or "__fish_use_subcommand"
        if entry.subcommands and entry.words:
            condition += f" and not __fish_seen_subcommand_from {' '.join(entry.subcommands)}"
        start = f"complete -c cockpit -n {shlex.quote(condition)}"
        if words := (*entry.subcommands, *_POSITIONALS.get(entry.words, ())):
            yield f"{start} -a {shlex.quote(' '.join(words))}"
        if entry.takes_runs:
            yield f"{start} -a '(__cockpit_runs)'"
        if entry.words in _FILES:
            files = f"{condition}; and {_FILES[entry.words][1]}"
            yield f"complete -c cockpit -n {shlex.quote(files)} -F"
        if entry.words == _SEVERAL[0]:
            several = shlex.quote(f"{condition}; and __cockpit_behind {_SEVERAL[1]}")
            yield f"complete -c cockpit -n {several} -a {shlex.quote(' '.join(values[_SEVERAL[1]]))}"
        for flag in entry.flags:
            takes = f" -x -a {shlex.quote(' '.join(values[flag]))}" if flag in values else ""
            takes += " -a '(__cockpit_datasets)'" if flag == "--dataset" else ""
            takes = " -x -a '(__fish_complete_directories)'" if flag in _FOLDERS else takes
            takes = " -x -a '(__cockpit_runs)'" if flag in _RUNS else takes
            yield f"{start} -l {flag[2:]}{takes}"
