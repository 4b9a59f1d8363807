"""Every key of every screen, from the table of actions."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.status import OUTDATED
from cockpit.tui.actions import ACTIONS, PLACES, Action, KeyBar, bindings
from cockpit.tui.screen import Dialog
from cockpit.tui.text import words

_INTRODUCTION = (
    "A run is a folder. Its trainer is a process of its own that writes there, and the cockpit only reads: "
    "close it whenever you like, the runs go on.\n"
    "* beside an accuracy: not the seed's recipe, so not to be set beside the published ones. "
    f"{OUTDATED} beside a test: of an earlier checkpoint than the best one."
)


class HelpScreen(Dialog[None]):
    """The keys, by screen."""

    BINDINGS = bindings("help")

    def __init__(self, place: str = "") -> None:
        """Begin with the keys of a screen of `PLACES`."""
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        """Lay out the sections."""
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            yield Static(_INTRODUCTION, markup=False)
            for title, section in _sections(self._place):
                yield Static(title, classes="heading")
                yield Static(section)
        yield KeyBar("help")

    def action_back(self) -> None:
        """Return."""
        self.dismiss()


def _sections(place: str) -> list[tuple[str, Content]]:
    """Return (title, keys): this screen's first, of each one's own before what several share, questions' last."""

    def rank(action: Action) -> tuple[bool, bool, int]:
        return place not in action.places, action.places[0] in ("ask", "confirm"), len(action.places)

    groups: dict[str, list[Content]] = {}
    for action in sorted(ACTIONS, key=rank):
        title = " and ".join(PLACES[place] for place in action.places) if len(action.places) < 3 else "Everywhere"
        groups.setdefault(title, []).append(
            words((f"{action.shown:>10}", "bold $text-accent"), action.doc, between="  ")
        )
    return [(title, Content("\n").join(lines)) for title, lines in groups.items()]
