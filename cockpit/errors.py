"""The one error that users see: a sentence, never a traceback."""

from collections.abc import Iterable


class CockpitError(Exception):
    """A user's mistake or an unusable circumstance; the message names the value and the remedy.

    The command line prints it on stderr and exits with 2; the screens show it as a toast.
    """


def unknown(what: str, name: str, known: Iterable[str], remedy: str) -> CockpitError:
    """Build the error for a name that is not in a table, with the nearest known names.

    Args:
        what: The noun, for example "model".
        name: The name that was given.
        known: The names that exist.
        remedy: What to type to see them all, for example "cockpit models".
    """
    import difflib  # costs 20 ms that only a mistake should pay

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    guess = f" (did you mean {' or '.join(near)}?)" if near else ""
    return CockpitError(f"unknown {what} {name[:80]!r}{guess}; `{remedy}` lists them")
