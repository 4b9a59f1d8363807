"""The commands for who keeps many runs: notes, tags, the trash, exports, and the fields to find runs by."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cockpit import export, fields
from cockpit.cli.common import open_store, print_json, print_table, say, show
from cockpit.cli.fields import RunRef
from cockpit.cli.runs import find_rows
from cockpit.errors import CockpitError, unknown
from cockpit.store import Run, RunStore
from cockpit.store.remarks import change_tags
from cockpit.store.trash import Deleted, Trash, deleted, restore, sweep
from cockpit.suggest import form


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Command:
    """The flags of all of them."""

    runs: Path | None = None
    """Folder of the runs. Default: COCKPIT_RUNS, else ./runs."""
    json: bool = False
    """Print JSON."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoteRun(_Command):
    """Write a note on a run, or print the one it has."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    text: Annotated[Positional[str | None], arg(metavar="TEXT")] = None
    """The note, one line; an empty one takes it away. Without it the note is printed."""

    def execute(self) -> int:
        """Write or print it."""
        run = open_store(self.runs).get(self.run)
        remarks = run.remarks() if self.text is None else run.write_remarks(note=self.text)
        if self.json:
            print_json({"id": run.id, "note": remarks.note, "tags": remarks.tags})
        elif self.text is None and remarks.note:
            show(remarks.note)
        elif self.text is None:
            say(f"{run.id} has no note; `cockpit runs note {run.id} TEXT` writes one")
        else:
            say(f"{run.id} {'is noted' if remarks.note else 'has no note any more'}")
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagRun(_Command):
    """Tag a run, or print the tags it has: `cockpit runs tag last +good -old`."""

    run: RunRef
    """Run: its id, the beginning or end of it, or `last`, the newest that does not just wait in the queue."""
    tags: Annotated[Positional[tuple[str, ...]], arg(metavar="[+TAG|-TAG ...]")] = ()
    """+x or x adds a tag of a-z, 0-9, _ and -; -x takes one away. Without any the tags are printed."""

    def execute(self) -> int:
        """Change or print them."""
        run = open_store(self.runs).get(self.run)
        remarks = run.remarks()
        if self.tags:
            remarks = run.write_remarks(tags=change_tags(remarks.tags, self.tags))
        if self.json:
            print_json({"id": run.id, "note": remarks.note, "tags": remarks.tags})
        elif remarks.tags:
            show(" ".join(remarks.tags))
        else:
            say(f"{run.id} has no tags; `cockpit runs tag {run.id} +x` gives it one")
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreRuns(_Command):
    """Bring back runs that were deleted in the cockpit and are still in its trash, or list them."""

    run: Annotated[Positional[tuple[str, ...]], arg(metavar="[RUN ...]")] = ()
    """Runs: ids, or beginnings or ends of them, or `all`. Without any they are listed."""

    def execute(self) -> int:
        """List them or bring them back; every name is looked up before the first comes back."""
        store = open_store(self.runs)
        entries = deleted(store.root)
        if not self.run:
            return self._list(entries, store)
        chosen = entries if self.run == ("all",) else [_find(entries, ref, store) for ref in self.run]
        for entry in chosen:
            restore(entry)
            say(f"{entry.id} is back")
        if self.json:
            print_json([entry.id for entry in chosen])
        return 0

    def _list(self, entries: list[Deleted], store: RunStore) -> int:
        if self.json:
            print_json([{"id": entry.id, "size_bytes": Run(entry.path).size_bytes()} for entry in entries])
        elif not entries:
            say(f"nothing is in the trash of {store.root}")
        else:
            rows = [[entry.id, f"{Run(entry.path).size_bytes() / 1e6:.1f} MB"] for entry in entries]
            print_table(["run", "size"], rows, right=(1,))
            say("`cockpit runs restore RUN` brings one back, until the cockpit that deleted it is left")
        return 0


def _find(entries: list[Deleted], ref: str, store: RunStore) -> Deleted:
    matches = [entry for entry in entries if ref and (entry.id.startswith(ref) or entry.id.endswith(ref))]
    if len(matches) > 1:
        raise CockpitError(f"{ref!r} means {len(matches)} deleted runs: {', '.join(m.id for m in matches[:4])}…")
    if not matches:
        remedy = f"cockpit runs restore --runs {store.root}"
        raise unknown("deleted run", ref, [entry.id for entry in entries], remedy)
    return matches[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PurgeTrash(_Command):
    """Delete for good what killed cockpits left in the trash; what an open one holds stays, `D` in it empties that."""

    def execute(self) -> int:
        """Empty it."""
        store = open_store(self.runs)
        trash = Trash(store.root)
        trash.adopt()
        num_gone = trash.empty()
        trash.close()
        sweep(store.root)
        held = len(deleted(store.root))
        say(f"{export.counted(num_gone, 'run')} gone for good" + (f"; {held} held by open cockpits" if held else ""))
        if self.json:
            print_json({"gone": num_gone, "held": held})
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportRuns(_Command):
    """Write runs as CSV or JSON: the listing, the recipe and the last figures of each, or the epochs of one run."""

    run: Annotated[Positional[tuple[str, ...]], arg(metavar="[RUN ...]")] = ()
    """Runs: ids, or beginnings or ends of them, or `last`. Without any, all that the filter finds."""
    to: str
    """File to write, ending in .csv or .json; `-` is stdout."""
    filter: str = ""
    """Only what this finds, see `cockpit runs list --help`."""
    sort: str = ""
    """Sort by this field, see `cockpit runs fields`."""
    reverse: bool = False
    """The other way round."""
    epochs: bool = False
    """A row an epoch, of one run."""
    replace: bool = False
    """Write over a file that is there already."""

    def execute(self) -> int:
        """Write it."""
        store = open_store(self.runs)
        path = None if self.to == "-" else Path(os.path.expanduser(self.to))
        if path is not None:
            _refuse_what_is_there(path, replace=self.replace)
        table = self._epochs(store) if self.epochs else self._rows(store)
        if path is not None:
            export.write(path, table, replace=self.replace)
            say(f"{export.counted(len(table), 'epoch' if self.epochs else 'run')} written to {path}")
            if self.json:
                print_json({"path": str(path), "rows": len(table)})
        elif self.json:
            print_json(table)
        else:
            sys.stdout.write(export.encode(table, ".csv").decode())
        return 0

    def _rows(self, store: RunStore) -> export.Table:
        named = {store.get(ref).id for ref in self.run}
        fields.check_sort(self.sort)
        rows = [row for row in find_rows(store, self.filter) if not named or row.id in named]
        rows = fields.sort_rows(rows, self.sort, reverse=self.reverse)
        return export.export_runs(rows, lambda row: Run(store.root / row.id))

    def _epochs(self, store: RunStore) -> export.Table:
        if len(self.run) != 1:
            raise CockpitError("--epochs is of one run; name it")
        return export.export_epochs(store.get(self.run[0]))


def _refuse_what_is_there(path: Path, *, replace: bool) -> None:
    try:
        export.check_free(path)
    except CockpitError as error:
        if not replace and path.exists():
            raise CockpitError(f"{error}; `--replace` writes over it") from None
        if not path.exists():
            raise


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListFields(_Command):
    """List the fields that `--filter`, `--sort` and `/` in the cockpit know."""

    def execute(self) -> int:
        """Print them."""
        known = fields.fields().values()
        if self.json:
            print_json([{"name": field.name, "kind": field.kind, "doc": field.doc} for field in known])
        else:
            rows = [[field.name, field.doc, form(field)] for field in known]
            print_table(["field", "what", "in a filter"], rows, order=("field", "in a filter"), cut=("what",))
        return 0
