"""Every action of the screens has a command that does the same, and can say so in JSON."""

import dataclasses

import pytest

from cockpit.cli.parser import parse
from cockpit.tui.actions import ACTIONS

SEEN_ONLY = {
    "next_pane",
    "previous_pane",
    "back",
    "clear_filter",
    "dismiss(True)",
    "dismiss(False)",
    "app.help",
    "app.quit",
    "app.redraw",
    "app.command_palette",
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
    ("runs", "resume"): "resume RUN --detach --json",
    ("run", "resume"): "resume RUN --detach --json",
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
