"""What the screens remember from one time to the next: theme, order, how charts are drawn. Never a run's affair.

A file of plain values in the user's state folder. Losing it costs a few keys, so a damaged one is begun anew, and one
that cannot be written is given up silently.
"""

import contextlib
import os
import threading
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs

from cockpit import files
from cockpit.durable import write_atomically
from cockpit.errors import CockpitError

Value = str | int | float | bool
Kind = TypeVar("Kind", str, int, float, bool)


def remembered_path() -> Path:
    """Return the file: COCKPIT_STATE, else screens.json in the user's state folder."""
    named = os.environ.get("COCKPIT_STATE")
    return Path(named) if named else platformdirs.user_state_path("cockpit") / "screens.json"


class Remembered:
    """Values by name, read once and written at every change, in a thread; the last cockpit to write wins."""

    def __init__(self, path: Path | None = None) -> None:
        """Read what the last cockpit left.

        Args:
            path: The file. None: `remembered_path()`.
        """
        self._path = path or remembered_path()
        self._changed = threading.Lock()
        self._unwritten = False
        self._writer: threading.Thread | None = None
        try:
            self._values = msgspec.json.decode(
                files.read_whole(self._path, files.DOCUMENT_BYTES), type=dict[str, Value]
            )
        except (OSError, CockpitError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._values: dict[str, Value] = {}

    def get(self, name: str, default: Kind) -> Kind:
        """Return a value, or the default where there is none of the default's type."""
        value = self._values.get(name, default)
        return value if type(value) is type(default) else default  # pyright: ignore[reportReturnType]

    def set(self, name: str, value: Value) -> None:
        """Remember a value at once, and write it soon; one that is remembered already is not written again."""
        with self._changed:
            if self._values.get(name) == value and type(self._values.get(name)) is type(value):
                return
            self._values[name] = value
            self._unwritten = True
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="remembered")
                self._writer.start()

    def flush(self) -> None:
        """Wait until all is written."""
        if writer := self._writer:
            writer.join()

    def _write(self) -> None:
        while True:
            with self._changed:
                if not self._unwritten:
                    self._writer = None
                    return
                self._unwritten = False
                data = msgspec.json.format(msgspec.json.encode(self._values))
            with contextlib.suppress(OSError, CockpitError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, data)
