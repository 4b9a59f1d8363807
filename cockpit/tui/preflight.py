"""The preflight in the form of a new run: real steps in a process of its own, and what they say of the whole run."""

from pathlib import Path
from typing import NamedTuple

from textual import work
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from cockpit.device_names import count, first_of
from cockpit.errors import CockpitError
from cockpit.progress import Cancelled
from cockpit.recipe import Recipe
from cockpit.rehearsal import Outlook, misgivings, rehearse
from cockpit.tui.messages import PreflightEnded, PreflightTold
from cockpit.tui.screen import TellsErrors
from cockpit.tui.text import bar, duration, plain, words

_BAR = 24


class Subject(NamedTuple):
    """What a preflight is of."""

    recipe: Recipe
    device: str


class PreflightPane(TellsErrors, Static):
    """Shows a preflight while it goes on and what it found, and says when that is of another form than the present."""

    def __init__(self) -> None:
        """Begin hidden."""
        super().__init__(id="preflight", classes="pane")
        self.display = False
        self._subject: Subject | None = None
        self._present: Subject | None = None
        self._outlook: Outlook | None = None
        self._trouble = ""
        self._stage = (0, 1, "starting")
        self._shown: tuple[Content, str, bool] | None = None

    @property
    def busy(self) -> bool:
        """Whether steps are being taken."""
        return self._subject is not None and self._outlook is None and not self._trouble

    def measure(self, subject: Subject, runs: Path) -> None:
        """Begin a preflight; one of something else that goes on is ended."""
        if self.busy and self._subject == subject:
            return
        self._subject = self._present = subject
        self._outlook, self._trouble, self._stage = None, "", (0, 1, "starting")
        self.display = True
        self._draw()
        self._measure(subject, runs)

    def leave(self) -> None:
        """End what goes on, and hide."""
        self.workers.cancel_group(self, "preflight")
        self._subject = None
        self.display = False

    def compare(self, present: Subject | None) -> None:
        """Say whether what is shown is of this form; None is one that cannot be launched."""
        self._present = present
        if self._subject is not None:
            self._draw()

    @work(thread=True, exclusive=True, exit_on_error=False, group="preflight")
    def _measure(self, subject: Subject, runs: Path) -> None:
        worker = get_current_worker()

        def tell(done: int, total: int, what: str) -> None:
            self.post_message(PreflightTold(subject, (done, total, what)))

        try:
            outlook = rehearse(*subject, runs, progress=tell, stop=lambda: worker.is_cancelled)
        except Cancelled:
            return
        except (CockpitError, OSError) as error:
            self.post_message(PreflightEnded(subject, None, str(error)))
        else:
            self.post_message(PreflightEnded(subject, outlook, ""))

    def on_preflight_told(self, event: PreflightTold) -> None:
        """Move the bar on."""
        event.stop()
        if event.subject == self._subject and self.busy:
            self._stage = event.stage
            self._draw()

    def on_preflight_ended(self, event: PreflightEnded) -> None:
        """Show what was found."""
        event.stop()
        if event.subject == self._subject:
            self._outlook, self._trouble = event.outlook, event.trouble
            self._draw()

    def _draw(self) -> None:
        """Show what is known, unless it stands there already."""
        stale = self._subject != self._present
        device = self._subject.device if self._subject else ""
        name = f"Preflight on {first_of(device)} alone" if count(device) > 1 else "Preflight"
        if self.busy:
            text, title = self._progress(), name
        elif self._outlook is not None:
            text, title = describe(self._outlook), name
        else:
            text, title = words((plain(self._trouble), "$text-error")), f"{name} failed"
        if stale:
            title += " of what the form said before · ctrl+t measures this"
        if self._shown != (text, title, stale):
            layout = self._shown is None or self._shown[0].plain.count("\n") != text.plain.count("\n")
            self._shown = (text, title, stale)
            self.border_title = title
            self.border_subtitle = "esc ends it" if self.busy else "esc closes"
            self.set_class(stale, "-stale")
            self.update(text, layout=layout or not self.busy)

    def _progress(self) -> Content:
        done, total, what = self._stage
        ready, open_ = bar(done / total, _BAR)
        told = words((ready, "$primary"), (open_, "$foreground 25%"))
        return words(told, plain(what, 60), between="  ")


def describe(outlook: Outlook) -> Content:
    """Return what a preflight found: speed, memory, disk, how it computes, and what speaks against it."""
    free, total = outlook.memory_free_bytes, outlook.memory_total_bytes
    device = plain(outlook.device.partition(" ")[0], 20)
    has = "" if free is None or total is None else f"{device} has {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    left = "" if outlook.disk_free_bytes is None else f"{outlook.disk_free_bytes / 1e9:,.1f} GB free"
    against = misgivings(outlook)
    how = f"{plain(outlook.precision, 10)} {plain(outlook.way, 10)}"
    lines = [
        _line(
            "time",
            f"{duration(outlook.total_s)} for the whole run",
            f"{outlook.img_per_s:,.0f} img/s",
            f"{outlook.epoch_s:.1f} s an epoch",
        ),
        _line("memory", f"{outlook.peak_bytes / 2**30:.2f} GiB at its peak", has),
        _line("disk", f"{outlook.disk_bytes / 1e6:,.1f} MB and the records", left),
        _line("computes", how, plain(outlook.reason).removeprefix(f"{how} ")),
        *(_line("but", plain(sentence)).stylize("bold $text-error") for sentence in against),
    ]
    return Content("\n").join(lines)


def _line(name: str, *facts: str) -> Content:
    first, *others = facts
    return words((f"{name:<9}", "dim"), words((first, "bold"), *others, between=" · "))
