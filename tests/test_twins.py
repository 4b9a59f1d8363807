"""Every action of the screens has a command that does the same, and can say so in JSON."""

import dataclasses

import pytest

from cockpit.cli.parser import parse
from cockpit.tui.actions import ACTIONS

SEEN_ONLY = {
    "next_pane",
    "previous_pane",
    "other_pane",
    "back",
    "clear_filter",
    "accept",
    "complete",
    "copy",
    "dismiss",
    "dismiss(True)",
    "dismiss(False)",
    "app.help",
    "app.quit",
    "app.redraw",
    "app.command_palette",
    *("cursor_left", "cursor_right", "cursor_far_left", "cursor_far_right", "cursor_first", "cursor_last"),
    *("zoom(1)", "zoom(2)", "zoom(3)", "turn_log", "next_run", "previous_run", "remove"),
    *("earlier", "later", "much_earlier", "much_later", "first", "newest", "play"),
    *("next_section", "previous_section", *(f"section({number})" for number in range(1, 6))),
    *("next_mistake", "previous_mistake", "order"),
    *("mark", "mark_all"),
}
"""Actions that only move about on the screens."""

TWINS = {
    ("runs", "new"): "train --model resnet20 --dataset digits --detach --json",
    ("runs", "open"): "watch RUN --plain --json",
    ("runs", "queue"): "queue list --json",
    ("runs", "delete"): "runs rm RUN --json",
    ("runs", "filter"): "runs list --json",
    ("new", "launch"): "train --model resnet20 --dataset digits --detach --json",
    ("new", "enqueue"): "train --model resnet20 --dataset digits --enqueue --json",
    ("new", "filter"): "models list --json",
    ("queue", "open"): "watch RUN --plain --json",
    ("queue", "move_up"): "queue move RUN --before RUN --json",
    ("queue", "move_down"): "queue move RUN --before RUN --json",
    ("queue", "move_top"): "queue move RUN --top --json",
    ("queue", "raise"): "queue priority RUN 1 --json",
    ("queue", "lower"): "queue priority RUN -1 --json",
    ("queue", "withdraw"): "queue remove RUN --json",
    ("queue", "pause"): "queue pause --json",
    ("runs", "test"): "test RUN --json",
    ("run", "test"): "test RUN --json",
    ("runs", "stop"): "stop RUN --json",
    ("run", "stop"): "stop RUN --json",
    ("queue", "stop"): "stop RUN --json",
    ("runs", "resume"): "resume RUN --detach --json",
    ("run", "resume"): "resume RUN --detach --json",
    ("new", "preflight"): "preflight --model resnet20 --dataset digits --json",
    ("new", "look"): "data show digits --json",
    ("new", "get"): "data get cifar10 --json",
    ("dataset", "get"): "data get cifar10 --json",
    ("dataset", "filter"): "data show cifar100 --find trees --json",
    ("get", "begin"): "data import birds /tmp --json",
    ("run", "take"): "export RUN --to safetensors,card --json",
    ("run", "learn"): "learn RUN --json",
    ("run", "log"): "log RUN --json",
    ("run", "turn_x"): "curves RUN --x step --json",
    ("run", "turn_grain"): "curves RUN --metric train_loss --json",
    ("run", "turn_smoothing"): "curves RUN --smooth strong --json",
    ("compare", "turn_x"): "curves RUN --x time --json",
    ("compare", "turn_grain"): "curves RUN --metric loss --json",
    ("compare", "turn_smoothing"): "curves RUN --smooth light --json",
    ("compare", "turn_part"): "curves RUN --metric val_loss --json",
    ("compare", "open"): "watch RUN --plain --json",
    ("report", "export"): "runs report RUN --json",
    ("report", "test"): "test RUN --json",
    ("runs", "report"): "runs report RUN --json",
    ("run", "report"): "runs report RUN --json",
    ("runs", "classify"): "test cat.png --run RUN --json",
    ("run", "classify"): "test cat.png --run RUN --json",
    ("report", "classify"): "test cat.png --run RUN --json",
    ("classify", "classify"): "test cat.png --run RUN --json",
    ("runs", "clone"): "train --model resnet20 --dataset digits --detach --json",
    ("run", "clone"): "train --model resnet20 --dataset digits --detach --json",
    ("runs", "undo"): "runs restore RUN --json",
    ("runs", "purge"): "runs purge --json",
    ("runs", "sort"): "runs list --sort val --json",
    ("runs", "reverse"): "runs list --sort val --reverse --json",
    ("runs", "note"): "runs note RUN too-warm --json",
    ("run", "note"): "runs note RUN too-warm --json",
    ("runs", "tags"): "runs tag RUN +base --json",
    ("run", "tags"): "runs tag RUN +base --json",
    ("runs", "compare"): "compare RUN RUN --json",
    ("runs", "export"): "runs export RUN --to runs.json --json",
}
"""What does the same on the command line, by screen and action; RUN stands for a run's id."""

ALL = [(place, action.name) for action in ACTIONS for place in action.places if action.name not in SEEN_ONLY]


@pytest.mark.parametrize(("place", "name"), ALL)
def test_every_action_has_a_command_with_json(place, name):
    assert (place, name) in TWINS, (
        f"the action {name!r} of the screen {place!r} has no command beside it: "
        "add the command to TWINS, or the action to SEEN_ONLY if it only moves about on the screens"
    )
    words = TWINS[place, name].replace("RUN", "20251123-1200").split()
    command = parse(words)
    chosen = getattr(command, "action", command)
    assert dataclasses.is_dataclass(chosen)
    assert chosen.json is True  # pyright: ignore[reportAttributeAccessIssue]


def test_no_twin_outlives_its_action():
    assert set(TWINS) <= set(ALL), f"these have no action any more: {set(TWINS) - set(ALL)}"
    assert {action.name for action in ACTIONS} >= SEEN_ONLY
