"""Colours by which eight overlaid curves are told apart, also by who sees colours otherwise.

After Okabe & Ito, "Color Universal Design" (2008), lighter on a dark background and darker on a light one. A theme may
name its own: they are its variables `curve-1` to `curve-8`.
"""

_DARK = ("#56b4e9", "#e69f00", "#2fc98f", "#e58fc4", "#f0e442", "#ff6f3c", "#9aa5ff", "#d0d0d0")
_LIGHT = ("#0072b2", "#b45f00", "#00785a", "#b0407f", "#7a6a00", "#c03000", "#4b3fae", "#505050")
NUM_COLORS = len(_DARK)


def curve_colors(*, dark: bool) -> dict[str, str]:
    """Return the theme's variables."""
    return {curve_color(index): color for index, color in enumerate(_DARK if dark else _LIGHT)}


def curve_color(index: int) -> str:
    """Return the name of the variable of a curve, counted from 0."""
    return f"curve-{index % NUM_COLORS + 1}"
