"""Numbers that stand in texts which anybody may have written."""

_MOST_DIGITS = 18
"""More of them do not fit into 64 bits; Python itself refuses to read 4,301."""


def whole(text: str) -> int | None:
    """Return the whole number that a text is; None when it is none, or too long for one that counts or names things."""
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdecimal() else None
