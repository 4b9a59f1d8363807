"""What `cockpit --version` prints: what a report of a mistake must name."""

import importlib.metadata
import platform

from cockpit import __version__


def print_version() -> int:
    """Print the versions of the cockpit, Python and torch, which is not imported, and return the exit code."""
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "not installed"
    print(f"cockpit {__version__}, Python {platform.python_version()}, torch {torch}")
    return 0
