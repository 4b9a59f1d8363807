"""The one table of keys: bindings, the key bar, the help screen and the command palette are all drawn from it."""

from typing import NamedTuple

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static


class Action(NamedTuple):
    """One thing a user can do."""

    places: tuple[str, ...]
    """Screens where it works, of `PLACES`."""
    key: str
    """Textual's name of the key; alternatives are separated by commas."""
    shown: str
    """The key as a person reads it."""
    name: str
    """Textual's action: a method `action_<name>` of the screen, or of the app behind `app.`."""
    title: str
    """A word or two, for the key bar and the palette; actions of one title share an entry of the bar."""
    doc: str
    """A sentence, for the help screen and the palette."""
    in_bar: bool = True
    """Whether the key bar has room for it."""


PLACES = {
    "runs": "Runs",
    "new": "New run",
    "run": "Run",
    "log": "Log",
    "compare": "Compare",
    "learn": "Watch it learn",
    "queue": "Queue",
    "dataset": "Dataset",
    "get": "Get a dataset",
    "report": "Test report",
    "classify": "Classify",
    "path": "Path",
    "help": "Help",
    "confirm": "Question",
    "ask": "Input",
}
"""The screens by the name that `Action.places` uses, with their titles."""
_GAP = 2
"""Cells between two keys of the bar."""
_OPENED = ("new", "run", "log", "learn", "compare", "queue", "dataset", "report")
"""Screens that are opened from another and left by escape."""
_EVERY_SCREEN = ("runs", *_OPENED)
_RUN_SCREENS = ("runs", "run")
_CHARTS = ("run", "compare")

ACTIONS = (
    Action(("runs",), "n", "n", "new", "new", "Choose a network, a dataset and a recipe, and train."),
    Action(("runs",), "enter", "enter", "open", "open", "Open the run: live charts, progress and log."),
    Action(("new",), "enter", "enter", "launch", "launch", "Start the training, which outlives the cockpit."),
    Action(("new",), "ctrl+n", "^n", "enqueue", "enqueue", "Let it wait for a free device, behind all that wait."),
    Action(("new",), "ctrl+t", "^t", "preflight", "preflight", "Take a few real steps: speed, memory, time and disk."),
    Action(("new",), "ctrl+o", "^o", "look", "dataset", "See the dataset: its classes, counts and pictures."),
    Action(("new",), "ctrl+g", "^g", "get", "get", "Download a dataset, or import a folder of images.", in_bar=False),
    Action(("dataset",), "g,ctrl+g", "g", "get", "get", "Download the images, or import a folder; ctrl+g too."),
    Action(("dataset",), "slash", "/", "filter", "find", "Show only classes with every word you type."),
    Action(("dataset",), "tab", "tab", "other_pane", "pictures", "Scroll the pictures with the arrows; again: back."),
    Action(("get",), "enter", "enter", "begin", "get it", "Download or import it, with progress."),
    Action(("get",), "tab", "tab", "complete", "complete", "Complete the path; elsewhere go to the next field."),
    Action(("get",), "escape", "esc", "back", "call off, back", "Call off what goes on; else return."),
    Action(("new",), "ctrl+y", "^y", "copy", "copy", "Copy the command into the clipboard.", in_bar=False),
    Action(("new",), "tab", "tab", "next_pane", "next", "Go to the next pane; arrow keys move inside one."),
    Action(("new",), "shift+tab", "shift+tab", "previous_pane", "previous", "Go to the pane before.", in_bar=False),
    Action(("queue",), "enter", "enter", "open", "open", "Open the run."),
    Action(("queue",), "K,shift+up", "K", "move_up", "up", "Let it start one place earlier; shift+up too."),
    Action(("queue",), "J,shift+down", "J", "move_down", "down", "Let it start one place later; shift+down too."),
    Action(("queue",), "T", "T", "move_top", "top", "Let it start first of all.", in_bar=False),
    Action(("queue",), "plus,equals_sign", "+", "raise", "more", "Raise its priority by one.", in_bar=False),
    Action(("queue",), "minus", "-", "lower", "less", "Lower its priority by one.", in_bar=False),
    Action(("queue",), "x", "x", "withdraw", "take out", "Take it from the queue; its folder stays."),
    Action(("queue",), "tab", "tab", "other_pane", "slurm", "Go to Slurm's jobs, and back.", in_bar=False),
    Action(("queue",), "s", "s", "stop", "stop", "Stop it, with a checkpoint, or cancel its job in Slurm."),
    Action(("queue",), "p", "p", "pause", "pause", "Start nothing any more, or go on; what trains goes on."),
    Action(("learn",), "left", "←", "earlier", "earlier", "Go back an epoch."),
    Action(("learn",), "right", "→", "later", "later", "Go on an epoch."),
    Action(("learn",), "shift+left", "shift+←", "much_earlier", "ten back", "Go back ten epochs.", in_bar=False),
    Action(("learn",), "shift+right", "shift+→", "much_later", "ten on", "Go on ten epochs.", in_bar=False),
    Action(("learn",), "home", "home", "first", "first", "Go to the first epoch.", in_bar=False),
    Action(("learn",), "end", "end", "newest", "newest", "Go to the newest epoch and follow it."),
    Action(("learn",), "space", "space", "play", "play", "Play the epochs to the newest, or pause."),
    Action(("report",), "tab", "tab", "next_section", "section", "Go to the next section; up and down scroll it."),
    Action(
        ("report",), "shift+tab", "shift+tab", "previous_section", "before", "Go to the section before.", in_bar=False
    ),
    *(
        Action(("report",), str(number), str(number), f"section({number})", title, f"{doc}; again: all.", in_bar=False)
        for number, title, doc in (
            (1, "classes", "Show the accuracy of each class"),
            (2, "confusion", "Show what is taken for what"),
            (3, "calibration", "Show if it is as often right as it is sure"),
            (4, "mistakes", "Show the surest mistakes as pictures"),
            (5, "superclasses", "Show the superclasses of CIFAR-100"),
        )
    ),
    Action(("report",), "right", "→", "next_mistake", "next", "Go to the next mistake."),
    Action(("report",), "left", "←", "previous_mistake", "previous", "Go to the mistake before.", in_bar=False),
    Action(("report",), "o", "o", "order", "order", "Order classes by accuracy, or as the dataset has them."),
    Action(("report",), "x", "x", "export", "export", "Write it as JSON, CSV and PNG into a folder."),
    Action((*_RUN_SCREENS, "report"), "t", "t", "test", "test", "Test the best checkpoint, in the background."),
    Action(("run",), "v", "v", "report", "report", "Open the test report: by class, by pair, mistakes."),
    Action(("runs",), "v", "v", "report", "report", "Open the test report: by class, by pair, mistakes.", in_bar=False),
    Action(("run",), "p", "p", "learn", "learn", "Watch it learn: twelve pictures and what it takes them for."),
    Action(("run",), "X", "X", "take", "export", "Export it: weights, ONNX, TensorBoard, curves, a card."),
    Action(_RUN_SCREENS, "s", "s", "stop", "stop", "Stop it, with a checkpoint; a waiting run leaves the queue."),
    Action(_RUN_SCREENS, "r", "r", "resume", "resume", "Continue a stopped, failed or lost run where it was."),
    Action(_RUN_SCREENS, "N", "N", "clone", "like it", "Fill the form of a new run with its recipe.", in_bar=False),
    Action(("run",), "l", "l", "log", "log", "Read the log on the whole screen.", in_bar=False),
    Action(_RUN_SCREENS, "m", "m", "note", "note", "Write a note on the run.", in_bar=False),
    Action(_RUN_SCREENS, "number_sign", "#", "tags", "tags", "Tag the run, to find it by tag:x.", in_bar=False),
    Action(
        (*_RUN_SCREENS, "report"), "i", "i", "classify", "images", "Let its network classify image files.", in_bar=False
    ),
    Action(("classify",), "enter", "enter", "classify", "classify", "Let the network say what the file shows."),
    Action(("path",), "enter", "enter", "accept", "take it", "Take the path."),
    Action(("classify", "path"), "tab", "tab", "complete", "complete", "Complete the path as far as it is certain."),
    Action(
        _CHARTS,
        "left",
        "←",
        "cursor_left",
        "values",
        "Read values with a cursor, on the record to the left.",
        in_bar=False,
    ),
    Action(_CHARTS, "right", "→", "cursor_right", "values", "Read the values to the right.", in_bar=False),
    Action(_CHARTS, "shift+left", "shift+←", "cursor_far_left", "values", "Ten columns to the left.", in_bar=False),
    Action(_CHARTS, "shift+right", "shift+→", "cursor_far_right", "values", "Ten columns to the right.", in_bar=False),
    Action(_CHARTS, "home", "home", "cursor_first", "values", "Read the first values.", in_bar=False),
    Action(_CHARTS, "end", "end", "cursor_last", "values", "Read the newest values.", in_bar=False),
    Action(_CHARTS, "1", "1", "zoom(1)", "zoom", "Zoom the loss; again, or esc, goes back.", in_bar=False),
    Action(_CHARTS, "2", "2", "zoom(2)", "zoom", "Zoom the accuracy.", in_bar=False),
    Action(_CHARTS, "3", "3", "zoom(3)", "zoom", "Zoom the learning rate.", in_bar=False),
    Action(_CHARTS, "x", "x", "turn_x", "axis", "Let x count epochs, steps or time.", in_bar=False),
    Action(_CHARTS, "g", "g", "turn_grain", "grain", "Draw every sample of the training, or epochs.", in_bar=False),
    Action(_CHARTS, "e", "e", "turn_smoothing", "smooth", "Smooth: off, light, medium, strong.", in_bar=False),
    Action(_CHARTS, "y", "y", "turn_log", "log y", "A logarithmic axis for loss and rate.", in_bar=False),
    Action(("compare",), "w", "w", "turn_part", "what", "Overlay validation, training or both.", in_bar=False),
    Action(("compare",), "down,j", "↓", "next_run", "run", "Choose the next run of the table."),
    Action(("compare",), "up,k", "↑", "previous_run", "run before", "Choose the run before.", in_bar=False),
    Action(("compare",), "enter", "enter", "open", "open", "Open the chosen run."),
    Action(("compare",), "space,delete", "space", "remove", "remove", "Take the chosen run out; its folder stays."),
    Action(("runs",), "w", "w", "queue", "queue", "See what waits for a device, and change its order."),
    Action(("runs",), "space", "space", "mark", "mark", "Mark it; t s d # x c then act on all marked.", in_bar=False),
    Action(("runs",), "a", "a", "mark_all", "mark all", "Mark all runs shown, or none of them.", in_bar=False),
    Action(("runs",), "d", "d", "delete", "delete", "Delete the run's folder, after a question.", in_bar=False),
    Action(("new",), "slash", "/", "filter", "find", "Show only networks with every word you type.", in_bar=False),
    Action(("new",), "space", "space", "mark", "mark", "Mark devices, to train on several.", in_bar=False),
    Action(("path",), "escape", "esc", "back", "leave it", "Return without a path."),
    Action((*_OPENED, "classify", "help"), "escape", "esc", "back", "back", "Return to where you came from."),
    Action(("runs",), "u", "u", "undo", "undo", "Bring back what was deleted last, until you quit.", in_bar=False),
    Action(("runs",), "D", "D", "purge", "purge", "Empty the trash now, which frees the disk.", in_bar=False),
    Action(("runs",), "o", "o", "sort", "sort", "Sort by the next column; a click on its header too.", in_bar=False),
    Action(("runs",), "O", "O", "reverse", "reverse", "Sort the other way round.", in_bar=False),
    Action(("runs",), "c", "c", "compare", "compare", "Compare the marked runs.", in_bar=False),
    Action(("runs",), "x", "x", "export", "export", "Write the marked or shown runs as CSV or JSON.", in_bar=False),
    Action(("runs",), "slash", "/", "filter", "filter", "Show only what you ask for: words, model:vgg*, val>90%."),
    Action(("runs",), "escape", "esc", "clear_filter", "all", "Show all runs again.", in_bar=False),
    Action(("confirm",), "y,enter", "y", "dismiss(True)", "yes", "Do it."),
    Action(("ask",), "enter", "enter", "accept", "take it", "Take what stands in the line."),
    Action(("ask",), "escape", "esc", "dismiss", "leave it", "Leave everything as it is."),
    Action(("confirm",), "n,escape", "n", "dismiss(False)", "no", "Leave everything as it is."),
    Action(_EVERY_SCREEN, "question_mark", "?", "app.help", "help", "Show every key."),
    Action(("new",), "q", "q", "app.quit", "quit", "Leave the cockpit, except in a field.", in_bar=False),
    Action(
        (*(place for place in _EVERY_SCREEN if place != "new"), "help"),
        "q",
        "q",
        "app.quit",
        "quit",
        "Leave the cockpit; runs go on in the background.",
    ),
    Action(_EVERY_SCREEN, "ctrl+q", "ctrl+q", "app.quit", "quit", "Leave, also while typing.", in_bar=False),
    Action(_EVERY_SCREEN, "ctrl+l", "ctrl+l", "app.redraw", "redraw", "Paint anew what others wrote on.", in_bar=False),
    Action(_EVERY_SCREEN, "ctrl+p", "ctrl+p", "app.command_palette", "palette", "Search all of these.", in_bar=False),
)
"""Every action, in the order of the key bar."""


def actions_of(place: str) -> list[Action]:
    """Return the actions of one screen."""
    return [action for action in ACTIONS if place in action.places]


def bindings(place: str) -> list[BindingType]:
    """Return the `BINDINGS` of one screen."""
    return [Binding(action.key, action.name, action.title, show=False) for action in actions_of(place)]


class KeyBar(Static):
    """The last line of a screen: its keys, which can be clicked; the more the wider it is."""

    def __init__(self, place: str, *left_out: str) -> None:
        """List the keys of a screen of `PLACES`, but for the actions of these names."""
        self._place = place
        self._actions = _but_for(place, left_out)
        super().__init__(self._fitting(0), classes="key-bar")

    def leave_out(self, *names: str) -> None:
        """List all keys of the screen but for those of actions that have nothing to act on."""
        self._actions = _but_for(self._place, names)
        self.on_resize()

    def on_resize(self) -> None:
        """Show as many keys as fit."""
        content = self._fitting(self.size.width)
        if content != self.content:
            self.update(content, layout=False)

    def _fitting(self, width: int) -> Content:
        """Return the keys of the bar, and as many of the others as so many cells have room for, in their order."""
        entries: dict[str, list[Action]] = {}
        for action in self._actions:
            entries.setdefault(action.title, []).append(action)
        labels = {title: _label(actions) for title, actions in entries.items()}
        shown = {title for title, actions in entries.items() if any(action.in_bar for action in actions)}
        room = width - sum(labels[title].cell_length + _GAP for title in shown)
        for title, label in labels.items():
            if title not in shown:
                room -= label.cell_length + _GAP
                if room < 0:
                    break
                shown.add(title)
        return Content(" " * _GAP).join(label for title, label in labels.items() if title in shown)


def _but_for(place: str, names: tuple[str, ...]) -> list[Action]:
    return [action for action in actions_of(place) if action.name not in names]


def _label(actions: list[Action]) -> Content:
    """Return an entry of the bar; keys of one character stand side by side behind the first one, each to be clicked."""
    first, *others = actions
    keys = [first, *(action for action in others if len(action.shown) == len(first.shown) == 1)]
    parts = [
        Content.from_markup(f"[@click={_click(action)}][bold $text-accent]$key[/][/]", key=action.shown)
        for action in keys
    ]
    title = Content.from_markup(f"[@click={_click(first)}] $title[/]", title=first.title)
    return Content("").join([*parts, title])


def _click(action: Action) -> str:
    name = action.name if "." in action.name else f"screen.{action.name}"
    return name if "(" in name else f"{name}()"
