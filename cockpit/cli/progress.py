"""A progress bar on stderr for a long preparation; where there is no terminal, a line at each new kind of work."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from cockpit.cli.common import printable, say


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback that takes (done, total, what is being done)."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def tell(done: int, total: int, what: str) -> None:
            if what not in seen:
                seen.add(what)
                say(what)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def draw(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(printable(what), total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield draw
