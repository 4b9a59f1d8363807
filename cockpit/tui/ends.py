"""Notices that a run has ended that was seen going on, so that the user can be told once."""

from collections.abc import Iterable

from cockpit.status import LIVE, RunInfo

_ENDS = frozenset({"finished", "failed", "stopped", "lost"})


class Ends:
    """Remembers which runs were seen going on."""

    def __init__(self) -> None:
        """Begin without having seen a run."""
        self._live: set[str] = set()

    @property
    def live(self) -> tuple[str, ...]:
        """Ids of the runs whose end is awaited."""
        return tuple(self._live)

    def expect(self, run_id: str) -> None:
        """Take a run that was just launched for seen, even if it ends before the first look."""
        self._live.add(run_id)

    def notice(self, rows: Iterable[RunInfo]) -> list[RunInfo]:
        """Return those of these runs, as they are now, that have ended since they were seen going on."""
        ended = []
        for row in rows:
            if row.status in LIVE:
                self._live.add(row.id)
            elif row.id in self._live:
                self._live.discard(row.id)
                if row.status in _ENDS:
                    ended.append(row)
        return ended
