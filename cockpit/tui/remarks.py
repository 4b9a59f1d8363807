"""Asks for a note and for tags, and writes them; for any screen that shows runs."""

from collections.abc import Callable, Sequence
from functools import partial

from textual.app import App

from cockpit.export import counted
from cockpit.status import RunInfo
from cockpit.store import Run
from cockpit.store.remarks import MAX_NOTE, change_tags, check_note, check_tags
from cockpit.tui.ask import AskScreen
from cockpit.tui.screen import tell
from cockpit.tui.text import plain, words

Find = Callable[[RunInfo], Run]
"""Returns the folder of a row."""


def _nothing() -> None:
    pass


def ask_note(app: App, row: RunInfo, find: Find, after: Callable[[], None] = _nothing) -> None:
    """Ask for the note on a run, and write it; `after` that is called in the same thread."""

    def write(text: str) -> None:
        find(row).write_remarks(note=text)
        after()

    def note_if(text: str | None) -> None:
        if text is not None:
            app.run_worker(partial(write, text), thread=True, exit_on_error=False, group="remarks")

    question = words("Note on ", (plain(row.id), "bold"))
    hint = f"one line, at most {MAX_NOTE:,} characters; an empty one takes the note away"
    app.push_screen(AskScreen(question, plain(row.note, MAX_NOTE), hint, check=check_note), note_if)


def ask_tags(app: App, rows: Sequence[RunInfo], find: Find, after: Callable[[], None] = _nothing) -> None:
    """Ask for the tags of one run, or for those that several gain and lose, and write them; then call `after`."""
    several = len(rows) > 1
    present = sorted({tag for row in rows for tag in row.tags})

    def changed(row: RunInfo, text: str) -> tuple[str, ...]:
        return change_tags(row.tags if several else (), text.split())

    def check(text: str) -> None:
        for row in rows:
            changed(row, text)

    def write(text: str) -> None:
        for row in rows:
            run = find(row)
            tags = change_tags(run.remarks().tags, text.split()) if several else check_tags(changed(row, text))
            run.write_remarks(tags=tags)
        after()
        if several:
            tell(app, f"{counted(len(rows), 'run')} tagged {text.strip()}")

    def tag_if(text: str | None) -> None:
        if text is not None and (text.strip() or not several):
            app.run_worker(partial(write, text), thread=True, exit_on_error=False, group="remarks")

    if several:
        question = words("Tags of ", (counted(len(rows), "run"), "bold"))
        hint = "x or +x gives it to all of them, -x takes it from all" + (
            f"; now: {' '.join(present)}" if present else ""
        )
        app.push_screen(AskScreen(question, "", hint, check=check), tag_if)
    else:
        question = words("Tags of ", (plain(rows[0].id), "bold"))
        hint = "words of a-z, 0-9, _ and -, with blanks between; `/` finds them: tag:x"
        app.push_screen(AskScreen(question, " ".join(present), hint, check=check), tag_if)
