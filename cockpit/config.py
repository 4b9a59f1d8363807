"""The user's file, config.toml: a table for each of those who read from it. A run folder can add nothing to it."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from cockpit import files
from cockpit.errors import CockpitError

_TABLES = ("slurm", "notify")


def config_path() -> Path:
    """Return the file: COCKPIT_CONFIG, else config.toml in the user's config folder."""
    named = os.environ.get("COCKPIT_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("cockpit") / "config.toml"


def read_table(name: str) -> dict[str, Any]:
    """Return one table of the file; empty where there is none.

    Raises:
        CockpitError: When the file cannot be read, or is not what it should be.
    """
    path = config_path()
    try:
        whole = tomllib.loads(files.read_whole(path, files.DOCUMENT_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CockpitError(f"{path} is no TOML: {error}; correct it there") from error
    _refuse_misplaced(whole, path)
    table = whole.get(name, {})
    if not isinstance(table, dict):
        raise CockpitError(f"{name} in {path} is no table; head it with [{name}]")
    return table


def said(value: object) -> str:
    """Return a value of the file for a sentence: a number as it is, of all else only what it is.

    The sentence may come into a run's log or a report for others, and a command with its words may hold a password.
    """
    if isinstance(value, bool | int | float):
        return f"{value!r}"[:40]
    kinds = {str: "a text", list: "a list", dict: "a table"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), "a date or a time")


def _refuse_misplaced(whole: Mapping[str, Any], path: Path) -> None:
    """Raise CockpitError for what nobody reads: a key in no table, or a table nearly called as one that is read."""
    for name in [name for name in whole if name not in _TABLES]:
        if not isinstance(whole[name], dict):
            raise CockpitError(f"{name[:80]!r} in {path} stands in no table; write it below [slurm] or [notify]")
        import difflib  # costs 20 ms that only few should pay

        if near := difflib.get_close_matches(name, _TABLES, n=1):
            raise CockpitError(f"in {path}: nothing reads the table {name[:80]!r}; did you mean [{near[0]}]?")
