"""Telling the user that a run has ended: what was asked for in config.toml, and what a terminal is sent."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from cockpit.config import config_path, read_table, said
from cockpit.errors import CockpitError, unknown

OSC_KINDS = (9, 99, 777)
"""Sequences that terminals show as a notification: 9 (iTerm2 and most others), 99 (kitty), 777 (urxvt, foot)."""
_MAX_TEXT = 200
_MAX_LIMIT_S = 86_400.0


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """The table [notify] of the user's file. Never taken from a run folder, which can come from anybody."""

    bell: bool = False
    """Ring the terminal's bell."""
    osc: int = 0
    """Have the terminal show a notification by this sequence, one of `OSC_KINDS`; 0 for none. `true` means 9."""
    command: str = ""
    """What a shell runs at the end of every run, whether a cockpit is open or not."""
    limit_s: float = 60.0
    """Seconds after which the command is killed."""

    @property
    def rings(self) -> bool:
        """Whether a terminal is to be told."""
        return self.bell or self.osc != 0


def read_notify() -> Notify:
    """Return what the user asked for; nothing without a table [notify].

    Raises:
        CockpitError: For a mistake in the file.
    """
    table = read_table("notify")
    for name, value in table.items():
        _check(name, value)
    if isinstance(table.get("osc"), bool):
        table["osc"] = 9 if table["osc"] else 0
    return Notify(**table)


def _check(name: str, value: Any) -> None:
    where = f"in [notify] of {config_path()}"
    if name not in Notify.__struct_fields__:
        raise CockpitError(f"{where}: {unknown('setting', name, Notify.__struct_fields__, 'cockpit notify --help')}")
    if name == "bell" and not isinstance(value, bool):
        raise CockpitError(f"bell {where} is {said(value)}; write true or false")
    if name == "osc" and not isinstance(value, bool) and value not in (0, *OSC_KINDS):
        raise CockpitError(f"osc {where} is {said(value)}; write true, false, 9, 99 or 777")
    if name == "command" and not isinstance(value, str):
        raise CockpitError(f"command {where} is {said(value)}; write a command line in quotes")
    if name == "command" and "\0" in str(value):
        raise CockpitError(f"command {where} has a null character, which no command can have; leave it out")
    if name == "limit_s" and not _is_limit(value):
        raise CockpitError(f"limit_s {where} is {said(value)}; write seconds, more than 0 and at most a day")


def _is_limit(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(0 < value <= _MAX_LIMIT_S)


def terminal_sequence(notify: Notify, text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return what rings the bell of a terminal and has it show a text; it moves no cursor and changes no cell.

    Inside tmux the notification is wrapped so that tmux hands it on, which needs `set -g allow-passthrough on` there;
    inside screen likewise. The bell needs no wrapping.

    Args:
        notify: What was asked for.
        text: A sentence; whatever would end the sequence is left out.
        environment: Tells of tmux and screen.
    """
    plain = "".join(character for character in text if character.isprintable())[:_MAX_TEXT]
    sequence = {
        0: "",
        9: f"\x1b]9;{plain}\x07",
        99: f"\x1b]99;;{plain}\x1b\\",
        777: f"\x1b]777;notify;cockpit;{plain.replace(';', ',')}\x07",
    }[notify.osc]
    if sequence and environment.get("TMUX"):
        sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    elif sequence and environment.get("STY"):
        sequence = f"\x1bP{sequence.removesuffix(chr(27) + chr(92))}\x1b\\"
    return sequence + ("\x07" if notify.bell else "")
