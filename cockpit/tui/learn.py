"""Watch it learn: twelve validation pictures, what the network takes them for, and how that came about."""

import bisect
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.guesses import level, num_right
from cockpit.status import LIVE
from cockpit.store import Run
from cockpit.tui.actions import KeyBar, bindings
from cockpit.tui.learning import LearnReader, LearnView
from cockpit.tui.screen import CockpitScreen, follow, write
from cockpit.tui.text import COLORS, plain, status_word, words
from cockpit.tui.tiles import Tile, plan_tiles

if TYPE_CHECKING:
    from textual.timer import Timer

_TILES = 12
_OTHER_ROWS = 4
"""Status, epoch, scrubber and key bar."""
_FRAME_S = 0.4
_FRAMES = 40
"""Playing takes at most so many frames, however many epochs there are."""
_JUMP = 10


class LearningRead(Message):
    """What a network makes of its pictures is not what it was."""

    def __init__(self, view: LearnView) -> None:
        """Carry all that the screen shows."""
        super().__init__()
        self.view = view


class Scrubber(Static):
    """All epochs in a line, as high as many pictures were right; a click goes there."""

    class Chosen(Message):
        """A place was clicked."""

        def __init__(self, share: float) -> None:
            """Carry the place, 0 at the left end and 1 at the right."""
            super().__init__()
            self.share = share

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Chosen(offset.x / max(1, self.size.width)))


class LearnScreen(CockpitScreen[None]):
    """What the network takes twelve pictures for, at any epoch; the newest one comes by itself."""

    PLACE = "learn"
    BINDINGS = bindings("learn")

    def __init__(self, run: Run) -> None:
        """Show this run."""
        super().__init__()
        self._run = run
        self._reader = LearnReader(run)
        self._view: LearnView | None = None
        self._epoch: int | None = None
        """The epoch that is looked at; None follows the newest."""
        self._player: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the lines and the tiles."""
        yield Static("reading…", id="learn-state", classes="learn-line")
        yield Static(id="learn-epoch", classes="learn-line")
        yield Scrubber(id="learn-scrubber", classes="learn-line")
        yield Static(id="learn-lack", classes="learn-line")
        with VerticalScroll(id="learn-room", can_focus=False), Grid(id="tiles"):
            for number in range(_TILES):
                yield Tile(number)
        yield Static(id="learn-nothing")
        yield KeyBar("learn")

    def on_screen_resume(self) -> None:
        """Watch the run while it is seen."""
        self._watch_run()

    def on_screen_suspend(self) -> None:
        """Leave the run alone while another screen is seen."""
        self._stop_playing()
        self.workers.cancel_group(self, "watch")

    @work(thread=True, exclusive=True, exit_on_error=False, group="watch")
    def _watch_run(self) -> None:
        follow(self, self._reader.look, LearningRead)

    def on_learning_read(self, event: LearningRead) -> None:
        """Show what the network makes of its pictures now."""
        self._view = event.view
        self.cockpit.notice([event.view.info])
        self._draw()

    def on_resize(self) -> None:
        """Fit the tiles to the new size."""
        self.call_after_refresh(self._draw)

    def _at(self) -> int:
        """Return which of the recorded epochs is shown."""
        epochs = self._view.epochs if self._view else ()
        if self._epoch is None:
            return len(epochs) - 1
        return max((place for place, one in enumerate(epochs) if one.epoch <= self._epoch), default=0)

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        width = self.size.width - 2
        self._write("learn-state", _state(view, width))
        seen = bool(view.epochs)
        self.query_one("#learn-room").display = seen
        self.query_one("#learn-nothing").display = not seen
        if not seen:
            self._write("learn-nothing", Content(_why_nothing(view)))
            return
        at = self._at()
        self._write("learn-epoch", self._describe_epoch(view, at))
        self._write("learn-scrubber", _scrubber(view, at, width))
        self.query_one("#learn-lack").display = bool(view.lack)
        self._write("learn-lack", words((view.lack, "$text-warning")))
        self._draw_tiles(view, at, width)

    def _draw_tiles(self, view: LearnView, at: int, width: int) -> None:
        guesses = view.epochs[at].guesses[:_TILES]
        height = self.size.height - _OTHER_ROWS - bool(view.lack)
        plan = plan_tiles(len(guesses), width, height, pictures=bool(view.pictures))
        grid = self.query_one("#tiles", Grid)
        grid.styles.grid_size_columns = plan.columns
        grid.styles.grid_columns = [float(plan.width)]
        grid.styles.grid_gutter_vertical = 2 if width >= 100 else 1
        grid.styles.grid_gutter_horizontal = plan.gap
        for number, tile in enumerate(self.query(Tile)):
            tile.display = number < len(guesses)
            if tile.display:
                tile.fit(plan)
                tile.show(view, view.epochs[: at + 1], guesses[number], max(plan.width // 2, 2 * plan.picture, 12))

    def _describe_epoch(self, view: LearnView, at: int) -> Content:
        shown = view.epochs[at]
        count = len(shown.guesses[:_TILES])
        planned = f" of {view.info.epochs}" if view.info.epochs >= shown.epoch else ""
        right = f"{num_right(shown)} of {count} right"
        if at == len(view.epochs) - 1:
            where = "live" if view.info.status in LIVE and self._epoch is None else "the newest"
        else:
            where = f"end: epoch {view.epochs[-1].epoch}, the newest"
        if self._player is not None:
            where = "playing · space pauses"
        return words((f"epoch {shown.epoch}{planned}", "bold"), right, (where, "$foreground 60%"), between=" · ")

    def _write(self, name: str, content: Content) -> None:
        write(self.query_one(f"#{name}", Static), content)

    def _go(self, place: int) -> None:
        """Look at one of the recorded epochs; at the last one the newest is followed."""
        if not self._view or not self._view.epochs:
            return
        last = len(self._view.epochs) - 1
        place = min(max(place, 0), last)
        self._epoch = None if place == last else self._view.epochs[place].epoch
        self._draw()

    def _move(self, epochs: int) -> None:
        self._stop_playing()
        self._go(self._at() + epochs)

    def action_earlier(self) -> None:
        """Go back an epoch."""
        self._move(-1)

    def action_later(self) -> None:
        """Go on an epoch."""
        self._move(1)

    def action_much_earlier(self) -> None:
        """Go back ten epochs."""
        self._move(-_JUMP)

    def action_much_later(self) -> None:
        """Go on ten epochs."""
        self._move(_JUMP)

    def action_first(self) -> None:
        """Go to the first epoch."""
        self._stop_playing()
        self._go(0)

    def action_newest(self) -> None:
        """Follow the newest epoch."""
        self._stop_playing()
        self._epoch = None
        self._draw()

    def on_scrubber_chosen(self, event: Scrubber.Chosen) -> None:
        """Go to the epoch that was clicked."""
        self._stop_playing()
        if self._view and self._view.epochs:
            epoch = 1 + int(event.share * _last_epoch(self._view))
            self._epoch = epoch if epoch < self._view.epochs[-1].epoch else None
            self._draw()

    def action_play(self) -> None:
        """Play the epochs from here, or from the first when this is the last; or pause."""
        if self._player is not None:
            self._stop_playing()
            self._draw()
        elif self._view and len(self._view.epochs) > 1:
            self._player = self.set_interval(_FRAME_S, self._play_on)
            if self._at() == len(self._view.epochs) - 1:
                self._go(0)
            else:
                self._draw()

    def _play_on(self) -> None:
        if self._view is None:
            return
        last = len(self._view.epochs) - 1
        place = self._at() + max(1, -(-last // _FRAMES))
        if place >= last:
            self._stop_playing()
        self._go(place)

    def _stop_playing(self) -> None:
        if self._player is not None:
            self._player.stop()
            self._player = None

    def action_back(self) -> None:
        """Return to the run."""
        self.app.pop_screen()


def _state(view: LearnView, width: int) -> Content:
    info = view.info
    status = (status_word(info.status), f"bold ${COLORS[info.status]}")
    left = words(status, (plain(f"{info.model} · {info.dataset}"), "bold"), between="  ")
    name = plain(info.id)
    gap = width - left.cell_length - len(name)
    return words(left, " " * gap, (name, "dim")) if gap >= 2 else left


def _why_nothing(view: LearnView) -> str:
    if view.info.status == "imported":
        return (
            "Its weights were imported, not trained here.\nWhat a network learned, epoch by epoch, is seen of others."
        )
    if view.info.epoch:
        return "Nothing was recorded here: an older cockpit trained it.\nThe epochs of a new run can be watched."
    return "No epoch is done yet.\nWhat the network takes twelve pictures for is recorded at the end of each."


def _last_epoch(view: LearnView) -> int:
    return max(view.info.epochs, view.epochs[-1].epoch)


def _scrubber(view: LearnView, at: int, width: int) -> Content:
    """Return a line of all planned epochs, as high as many were right, the shown one in another colour."""
    total = _last_epoch(view)
    by_epoch = {one.epoch: one for one in view.epochs}
    recorded = sorted(by_epoch)
    shown = view.epochs[at].epoch
    done, here, after = "", "", ""
    for column in range(width):
        epochs = range(1 + column * total // width, max(2 + column * total // width, 1 + (column + 1) * total // width))
        place = bisect.bisect_left(recorded, epochs.stop)  # no loop: a damaged record may name any epoch
        one = by_epoch[recorded[place - 1]] if place and recorded[place - 1] in epochs else None
        mark = "·" if one is None else level(num_right(one) / len(one.guesses))
        if shown in epochs:
            here += mark
        elif here:
            after += mark
        else:
            done += mark
    return words((done, "$text-primary"), (here, "$text-accent"), (after, "$text-primary 60%"))
