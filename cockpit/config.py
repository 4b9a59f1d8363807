"""The user's file, config.toml: a table for each of those who read from it. A run folder can add nothing to it."""

import os
import tomllib
from pathlib import Path
from typing import Any

import platformdirs

from cockpit import files
from cockpit.errors import CockpitError


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
        table = tomllib.loads(files.read_whole(path, files.DOCUMENT_BYTES).decode("utf-8")).get(name, {})
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CockpitError(f"{path} is no TOML: {error}") from error
    if not isinstance(table, dict):
        raise CockpitError(f"{name} in {path} is no table; head it with [{name}]")
    return table
