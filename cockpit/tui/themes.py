"""The cockpit's own themes beside Textual's: high contrast, and no colour at all.

Whatever a screen tells by colour it tells by a sign, a word or a line's form, too.
"""

from collections.abc import Sequence
from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

DARK, LIGHT = "textual-dark", "textual-light"
HIGH_CONTRAST = Theme(
    name="high-contrast",
    primary="#0050c0",
    secondary="#0050c0",
    accent="#ffe14d",
    warning="#ffe14d",
    error="#ffb0a8",
    success="#7dff9a",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    variables={
        "text-primary": "#9fd3ff",
        "text-secondary": "#d6c8ff",
        "text-accent": "#ffe14d",
        "text-warning": "#ffe14d",
        "text-error": "#ffb0a8",
        "text-success": "#7dff9a",
        "text-muted": "#ffffff",
        "text-disabled": "#c8c8c8",
        "border": "#ffffff",
    },
)
"""All text is 7:1 against its ground, WCAG 2.2 success criterion 1.4.6; the colours are light enough for the row of the
cursor, too."""
NO_COLOR = Theme(
    name="no-colour",
    primary="#ffffff",
    secondary="#ffffff",
    accent="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    success="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
)
"""Greys, of which nothing reaches the terminal: it writes in its own two colours, bold, dim and reversed."""
_LIGHT_GROUND = 0x3A
"""From this grey on a ground of `NO_COLOR` is shown reversed: 30 % of white, as that of a choice, but not 15 %."""


_DEFAULT = RichColor.default()
_REVERSED = Style(color=_DEFAULT, bgcolor=_DEFAULT, reverse=True)
_UPRIGHT = Style(color=_DEFAULT, bgcolor=_DEFAULT, reverse=False)


class _Undimmed(LineFilter):
    """Shows what is dim like all else: how dim that is the terminal decides."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments, none of them dim."""
        return [
            Segment(text, style and style + Style(dim=False) if style and style.dim else style, control)
            for text, style, control in segments
        ]


class _TwoColors(LineFilter):
    """Takes the colours away; what has another ground than the screen is reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in the terminal's own colours."""
        return [
            Segment(text, style and style + (_REVERSED if _is_reversed(style) else _UPRIGHT), control)
            for text, style, control in segments
        ]


@lru_cache(maxsize=1024)
def _is_reversed(style: Style) -> bool:
    ground = style.bgcolor
    return (ground is not None and max(ground.get_truecolor()) >= _LIGHT_GROUND) != bool(style.reverse)


def filters(theme: str, usual: Sequence[LineFilter]) -> Sequence[LineFilter]:
    """Return what every line of the screen passes through in a theme; the usual filters mix colours for what is dim."""
    if theme == NO_COLOR.name:
        return (_TwoColors(),)
    return (_Undimmed(), *usual) if theme == HIGH_CONTRAST.name else usual
