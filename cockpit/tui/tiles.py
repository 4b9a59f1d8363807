"""One watched picture with what the network takes it for, and how many of them a screen has room for."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.guesses import is_right, levels, right_since, told_of
from cockpit.records import Guess, Guesses
from cockpit.tui.learning import LearnView
from cockpit.tui.pictures import Picture
from cockpit.tui.screen import write
from cockpit.tui.text import bar, cells, words

TEXT_ROWS = 4
"""Guess, confidence, truth and history."""
_LEAST_WIDTH = 12
_LARGEST = 16
"""Rows of a picture that shows every pixel of 32 x 32."""


class Plan(NamedTuple):
    """How the tiles lie."""

    columns: int
    """Tiles in a row."""
    width: int
    """Cells of a tile."""
    picture: int
    """Rows of a picture, which is twice as wide; 0 where there is no room for one."""
    gap: int
    """Empty rows between tiles."""


def plan_tiles(count: int, width: int, height: int, *, pictures: bool = True) -> Plan:
    """Return how so many tiles lie in a space of cells, their pictures as large as can be."""
    best = Plan(1, max(width, 1), 0, 0)
    between = 2 if width >= 100 else 1
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        tile_width = (width - between * (columns - 1)) // columns
        if columns > 1 and tile_width < _LEAST_WIDTH:
            break
        spare = height // rows - TEXT_ROWS
        picture = min(spare, tile_width // 2, _LARGEST) if pictures else 0
        plan = Plan(columns, tile_width, picture if picture >= 2 else 0, int(rows > 1 and spare > picture))
        if plan.picture > best.picture or not best.picture:  # without pictures: as many in a row as there is room for
            best = plan
    return best


class Tile(Vertical):
    """A picture and four lines below it."""

    def __init__(self, number: int) -> None:
        """Begin empty."""
        super().__init__(id=f"tile-{number}", classes="tile")

    def compose(self) -> ComposeResult:
        """Lay out picture and lines."""
        yield Picture()
        yield Static()

    def fit(self, plan: Plan) -> None:
        """Take the size that was planned."""
        picture = self.query_one(Picture)
        picture.display = plan.picture > 0
        picture.styles.width, picture.styles.height = 2 * plan.picture, plan.picture
        self.styles.height = plan.picture + TEXT_ROWS

    def show(self, view: LearnView, epochs: Sequence[Guesses], guess: Guess, width: int) -> None:
        """Show an image at the last of these epochs; what stands there already is not drawn again."""
        self.query_one(Picture).show(view.pictures.get(guess.image))
        content = describe_guess(view, epochs, guess, width)
        write(self.query_one(Static), content)


def describe_guess(view: LearnView, epochs: Sequence[Guesses], guess: Guess, width: int) -> Content:
    """Return the four lines below a picture.

    Args:
        view: For the names of the classes.
        epochs: All up to the one that is shown.
        guess: Of that one.
        width: Cells of a line.
    """
    right = is_right(guess)
    color = "$text-success" if right else "$text-error"
    name = cells(view.name_of(guess.best), width - 2)
    confidence = "   NaN" if guess.best_share is None else f" {100 * guess.best_share:3.0f} %"
    done, left = bar(guess.best_share or 0.0, max(0, width - len(confidence)))
    if right:
        word = "since epoch" if width >= 16 else "since ep."
        truth = words((f"{word} {right_since(epochs, guess.image)}"[:width], "$foreground 60%"))
    else:
        label = view.name_of(guess.label)
        share = "" if guess.label_share is None else f" {100 * guess.label_share:.0f} %"
        if len(label) + len(share) > width - 3:
            share = ""  # the name matters more, and the history tells the share too
        truth = words(("is ", "$foreground 60%"), (cells(label, width - 3), "bold"), (share, "$foreground 60%"))
    history = [told and told.label_share for told in told_of(epochs, guess.image)]
    return Content("\n").join(
        [
            words((f"{'✓' if right else '✗'} {name}", f"bold {color}")),
            words((done, color), (left, "$foreground 25%"), confidence),
            truth,
            words((levels(history, width), "$text-primary")),
        ]
    )
