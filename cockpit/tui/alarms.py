"""Notices what goes wrong with a run while somebody watches."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cockpit.status import LIVE, RunInfo

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from cockpit.diagnose import Alarm

_SEVERITIES: "dict[str, SeverityLevel]" = {"failed": "error", "lost": "error", "stale": "warning"}
"""The statuses that a watched run is not meant to come to."""


class Alarms:
    """Remembers which runs were seen going on; an alarm is raised once, when one of them is not any more."""

    def __init__(self) -> None:
        """Begin without having seen a run."""
        self._live: dict[str, str] = {}
        self._known: dict[str, set[str]] = {}

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

    def notice_alarms(self, run_id: str, alarms: "Iterable[Alarm]") -> "list[tuple[str, SeverityLevel]]":
        """Return what is to be said of the alarms of a run that were not there before, each once.

        What is wrong when a run is seen for the first time is not said: it stands on the screen that was opened. What
        the status tells, `notice` says.
        """
        first = run_id not in self._known
        known = self._known.setdefault(run_id, set())
        begun = [alarm for alarm in alarms if alarm.name not in known and alarm.name not in _SEVERITIES]
        known |= {alarm.name for alarm in begun}
        return [] if first else [(f"{run_id}: {alarm.text}", alarm.severity) for alarm in begun]
