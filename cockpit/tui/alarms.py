"""Notices what goes wrong with a run while somebody watches."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cockpit.status import LIVE, RunInfo

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

_SEVERITIES: "dict[str, SeverityLevel]" = {"failed": "error", "lost": "error", "stale": "warning"}
"""The statuses that a watched run is not meant to come to."""


class Alarms:
    """Remembers which runs were seen going on; an alarm is raised once, when one of them is not any more."""

    def __init__(self) -> None:
        """Begin without having seen a run."""
        self._live: dict[str, str] = {}

    def expect(self, run_id: str) -> None:
        """Take a run that was just launched for seen, even if it fails before the first look."""
        self._live[run_id] = "starting"

    def notice(self, rows: Iterable[RunInfo]) -> "list[tuple[str, SeverityLevel]]":
        """Return what is to be said of these runs, as they are now, and how loudly."""
        alarms: list[tuple[str, SeverityLevel]] = []
        for row in rows:
            before = self._live.pop(row.id, None)
            if before not in (None, row.status) and row.status in _SEVERITIES:
                alarms.append((f"{row.id} {row.status}: {row.detail}", _SEVERITIES[row.status]))
            if row.status in LIVE:
                self._live[row.id] = row.status
        return alarms
