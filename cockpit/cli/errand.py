"""The other end of `cockpit.errands`: `python -m cockpit.cli.errand JSON` downloads or imports one dataset.

It tells how far it is on stdout, a JSON object a line, and gives up when its standard input is closed.
"""

import os
import select
import sys

import msgspec

from cockpit.errands import Errand, Word
from cockpit.errors import CockpitError
from cockpit.progress import Cancelled


def main() -> int:
    """Run the errand; return 0, or 1 when it was called off or failed, which the last line tells."""
    errand = msgspec.json.decode(sys.argv[1], type=Errand)
    try:
        notes = _run(errand)
    except Cancelled:
        return 1
    except CockpitError as error:
        _tell(Word(error=str(error), ended=True))
        return 1
    except Exception as error:  # the edge of this process: whatever it was, the cockpit must hear of it
        _tell(Word(error=f"{type(error).__name__}: {error}", ended=True))
        return 1
    _tell(Word(notes=notes, ended=True))
    return 0


def _run(errand: Errand) -> tuple[str, ...]:
    if errand.path:
        from cockpit.ingest import import_dataset

        return import_dataset(
            errand.name,
            errand.path,
            skip_unreadable=errand.skip_unreadable,
            replace=errand.replace,
            hflip_ok=errand.hflip_ok,
            progress=_progress,
            stop=_is_called_off,
        ).notes
    _progress(0, 0, "loading torchvision, which knows the address")
    from cockpit.engine.download import get_dataset

    return get_dataset(errand.name, progress=_progress, stop=_is_called_off).notes


def _progress(done: int, total: int, what: str) -> None:
    _tell(Word(done=done, total=total, what=what))


def _tell(word: Word) -> None:
    try:
        os.write(sys.stdout.fileno(), msgspec.json.encode(word) + b"\n")
    except BrokenPipeError:
        raise Cancelled from None


def _is_called_off() -> bool:
    return bool(select.select([0], [], [], 0)[0]) and not os.read(0, 1)


if __name__ == "__main__":
    sys.exit(main())
