"""The part of the app that notices what becomes of runs while somebody watches, and tells of it once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import App
from textual.worker import get_current_worker

from cockpit.errors import CockpitError
from cockpit.status import LIVE, RunInfo
from cockpit.store import Run, RunStore
from cockpit.tui.alarms import Alarms
from cockpit.tui.ends import Ends
from cockpit.tui.messages import EndTold, RowRead
from cockpit.tui.screen import TellsErrors, show_error, tell
from cockpit.tui.watch import RunsReader, poll

if TYPE_CHECKING:
    from cockpit.diagnose import Alarm

_LOOK_S = 3.0
"""Seconds between two looks at the runs that go on, whatever screen is open."""


class NoticingApp(TellsErrors, App[None]):
    """Raises alarms and tells of ends.

    Attributes:
        store: The runs.
        reader: Summarises them, reading only what changed.
    """

    def __init__(self, store: RunStore) -> None:
        """Begin without having seen a run."""
        super().__init__()
        self.store = store
        self.reader = RunsReader(store)
        self._alarms = Alarms()
        self._ends = Ends()
        self._resumed: dict[str, float | None] = {}

    def expect(self, run_id: str, before: RunInfo | None = None) -> None:
        """Take a run that was just launched for seen going on.

        Args:
            run_id: The run.
            before: What it was before, if it was launched again; a look that is on its way may still tell that.
        """
        self._resumed[run_id] = before.launched if before else None
        self._alarms.expect(run_id)
        self._ends.expect(run_id)

    def notice(self, rows: Sequence[RunInfo]) -> None:
        """Raise an alarm for each of these runs that was going on and is in trouble now; tell of each that ended."""
        rows = [row for row in rows if row.launched is None or row.launched != self._resumed.get(row.id)]
        for alarm, severity in self._alarms.notice(rows):
            tell(self, alarm, severity)
        if ended := self._ends.notice(rows):
            self._tell_ends(ended)

    @work(thread=True, exit_on_error=False, group="ends")
    def await_ends(self) -> None:
        """Look at the runs that go on whatever screen is open; the others look at their own runs."""
        from cockpit.notify import read_notify

        worker = get_current_worker()
        try:
            read_notify()
        except CockpitError as error:  # to be known now, not when a run has ended
            show_error(self, error)
        poll(self._look_at_live, lambda row: self.post_message(RowRead(row)), worker.cancelled_event, _LOOK_S)

    def _look_at_live(self) -> Iterator[RunInfo]:
        for run_id in self._ends.live:
            row = self.reader.row(Run(self.store.root / run_id))
            if row.status not in LIVE:
                yield row

    @on(RowRead)
    def _notice_row(self, event: RowRead) -> None:
        self.notice([event.row])

    @work(thread=True, exit_on_error=False, group="tell")
    def _tell_ends(self, ended: Sequence[RunInfo]) -> None:
        from cockpit.afterwards import sentence
        from cockpit.notify import read_notify, terminal_sequence

        notify = read_notify()
        if notify.rings:
            self.post_message(EndTold("".join(terminal_sequence(notify, sentence(info)) for info in ended)))

    @on(EndTold)
    def _ring(self, event: EndTold) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(event.sequence)  # between two frames: it moves no cursor and changes no cell
            self._driver.flush()

    def notice_alarms(self, run_id: str, alarms: "Iterable[Alarm]") -> None:
        """Raise each alarm of a watched run that has just begun."""
        for text, severity in self._alarms.notice_alarms(run_id, alarms):
            tell(self, text, severity)

    def run_of(self, info: RunInfo) -> Run:
        """Return the run that a row of the listing stands for."""
        return Run(self.store.root / info.id)
