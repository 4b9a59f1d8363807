"""What the Runs screen does to the marked runs, or to the one under the cursor when none is marked."""

import datetime
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from textual import work
from textual.content import Content

from cockpit import export, status
from cockpit.errors import CockpitError
from cockpit.export import counted
from cockpit.status import LIVE, RunInfo
from cockpit.store.trash import sweep_in_background
from cockpit.tui.messages import RunsRead
from cockpit.tui.remarks import ask_tags
from cockpit.tui.row_detail import question_of_deletion
from cockpit.tui.screen import CockpitScreen, take_back, tell
from cockpit.tui.table import RunTable
from cockpit.tui.text import words

_OFFER = "; u brings"
"""In every toast that says what the next `u` does."""

MOST_COMPARED = 8
"""More curves than that cannot be told apart."""


class Deeds(CockpitScreen[None]):
    """The actions on several runs at once."""

    def chosen(self) -> RunInfo | None:
        """Return the run under the cursor; when there is none, say so."""
        row = self.query_one(RunTable).chosen
        if row is None:
            tell(self.app, "There is no run here; n makes one", "warning")
        return row

    def meant(self) -> list[RunInfo]:
        """Return the marked runs that are shown, else the one under the cursor; when there is none, say so."""
        row = self.chosen()
        return self.query_one(RunTable).marked or ([row] if row else [])

    def action_test(self) -> None:
        """Test the best checkpoints."""
        rows = self.meant()
        if len(rows) == 1:
            self.cockpit.test(rows[0])
        elif rows:
            self.cockpit.test_all(rows)
            tell(self.app, f"{counted(len(rows), 'run')} are tested, one after another")

    def action_stop(self) -> None:
        """Stop the runs; several only after a question."""
        rows = self.meant()
        if len(rows) == 1:
            self.cockpit.stop(rows[0])
        elif rows:
            stoppable = [row for row in rows if row.status in LIVE or row.status == "waiting"]
            if not stoppable:
                tell(self.app, f"none of the {len(rows)} marked runs goes on or waits", "warning")
                return
            question = words("Stop ", (counted(len(stoppable), "run"), "bold"), ", each with a checkpoint?")
            self._ask(question, lambda: [self.cockpit.stop(row) for row in stoppable])

    def action_delete(self) -> None:
        """Delete the runs, after a question."""
        rows = self.meant()
        dead = [row for row in rows if row.status not in LIVE]
        if dead:
            self._ask(question_of_deletion(dead, len(rows) - len(dead)), partial(self._delete, dead))
        elif len(rows) == 1:
            tell(self.app, f"{rows[0].id} is {rows[0].status}; stop it first (s)", "warning")
        elif rows:
            tell(self.app, f"all {len(rows)} marked runs go on; stop them first (s)", "warning")

    @work(thread=True, exit_on_error=False, group="delete")
    def _delete(self, rows: Sequence[RunInfo]) -> None:
        runs = [self.cockpit.run_of(row) for row in rows]
        try:
            for run in runs:
                info = status.describe(run, number=False)
                if info.status in LIVE:  # it was not when the question was asked
                    raise CockpitError(f"{run.id} is {info.status}; stop it first (s)")
            self.cockpit.trash.put(runs)
        finally:
            self.look_now()
        what = f"{rows[0].id} is" if len(rows) == 1 else f"{len(rows):,} runs are"
        tell(self.app, f"{what} deleted{_OFFER} {'it' if len(rows) == 1 else 'them'} back, until you quit")

    @work(thread=True, exit_on_error=False, group="delete")
    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        try:
            runs = self.cockpit.trash.bring_back()
        finally:
            self.look_now()
        if not runs:
            tell(self.app, "nothing was deleted that could be brought back", "warning")
            return
        self.app.call_from_thread(take_back, self.app, _OFFER)
        left = self.cockpit.trash.num_runs
        more = f"{_OFFER} back {counted(left, 'more run')}" if left else ""
        what = f"{runs[0].id} is" if len(runs) == 1 else f"{len(runs):,} runs are"
        tell(self.app, f"{what} back{more}")

    def action_purge(self) -> None:
        """Empty the trash, after a question."""
        num_runs = self.cockpit.trash.num_runs
        if not num_runs:
            tell(self.app, "the trash is empty")
            return
        question = words("Delete ", (counted(num_runs, "deleted run"), "bold"), " for good? This cannot be undone.")
        self._ask(question, self._purge)

    @work(thread=True, exit_on_error=False, group="delete")
    def _purge(self) -> None:
        num_gone = self.cockpit.trash.empty()
        sweep_in_background(self.cockpit.store.root)
        tell(self.app, f"{counted(num_gone, 'run')} gone for good")

    def action_tags(self) -> None:
        """Tag the runs."""
        if rows := self.meant():
            ask_tags(self.app, rows, self.cockpit.run_of, self.look_now)

    def action_compare(self) -> None:
        """Compare the marked runs."""
        rows = self.query_one(RunTable).marked
        if 2 <= len(rows) <= MOST_COMPARED:
            self.cockpit.open_compare([self.cockpit.run_of(row) for row in rows])
        elif len(rows) < 2:
            tell(self.app, f"mark 2 to {MOST_COMPARED} runs with the space bar, then c compares them", "warning")
        else:
            tell(self.app, f"{len(rows)} runs are marked; at most {MOST_COMPARED} are compared", "warning")

    def action_export(self) -> None:
        """Write the marked runs, or all shown, into a file."""
        from cockpit.tui.ask import AskScreen

        table = self.query_one(RunTable)
        rows = table.marked or table.rows
        if not rows:
            self.chosen()  # says that there is none
            return
        refused: list[str] = []

        def check(text: str) -> None:
            path = _path_of(text)
            try:
                export.check_free(path)
            except CockpitError as error:
                if not path.is_file():
                    raise
                if text in refused:
                    return
                refused.append(text)
                raise CockpitError(f"{error}; enter again writes over it") from None

        def export_if(text: str | None) -> None:
            if text is not None:
                self._export(rows, _path_of(text), replace=text in refused)

        name = f"{rows[0].id}.csv" if len(rows) == 1 else f"runs-{datetime.date.today():%Y%m%d}.csv"
        which = "marked " if table.marked else ""
        question = words("Write ", (counted(len(rows), f"{which}run"), "bold"), " to a file ending in .csv or .json")
        hint = "every figure of the listing, the recipe and the last epoch; space marks runs, / filters them"
        self.app.push_screen(AskScreen(question, name, hint, check=check), export_if)

    @work(thread=True, exit_on_error=False, group="export")
    def _export(self, rows: Sequence[RunInfo], path: Path, *, replace: bool) -> None:
        export.write(path, export.export_runs(rows, self.cockpit.run_of), replace=replace)
        tell(self.app, f"{counted(len(rows), 'run')} written to {path.absolute()}")

    def _ask(self, question: Content, deed: Callable[[], object]) -> None:
        """Do something if the user agrees."""
        from cockpit.tui.confirm import ConfirmScreen

        def do_if(agreed: bool | None) -> None:
            if agreed:
                deed()

        self.app.push_screen(ConfirmScreen(question), do_if)

    def look_now(self) -> None:
        """Show at once what a deed has changed; for a worker."""
        for look in self.cockpit.reader.look():
            self.post_message(RunsRead(look))


def _path_of(text: str) -> Path:
    if not text.strip():
        raise CockpitError("name a file, for example runs.csv")
    return Path(os.path.expanduser(text.strip()))  # Path.expanduser raises for a user whom nobody knows
