"""Keeps a run for good: `python tests/reference.py RUN_FOLDER` copies its records, without weights, to runs/reference.

What tells of the machine's folders and of its name is left out; the figures are copied as they are.
"""

import sys
from pathlib import Path

import msgspec

from cockpit.store import RunStore

REFERENCE = Path(__file__).parents[1] / "runs" / "reference"


def keep(home: Path, reference: Path = REFERENCE) -> Path:
    """Copy a finished and tested run, and return its new folder."""
    run = RunStore(home.parent).get(home.name)
    report = run.test_report()
    assert report is not None, f"{run.id} was not tested"
    copy = type(run)(reference / run.id)
    copy.path.mkdir()
    for name in ("recipe.json", "metrics.jsonl"):
        (copy.path / name).write_bytes((run.path / name).read_bytes())
    for launch in run.launches():
        words = [word.replace(str(run.path.resolve()), run.id) for word in launch.argv[1:]]
        if "--lock-fd" in words:
            place = words.index("--lock-fd")
            del words[place : place + 2]
        copy.append_launch(msgspec.structs.replace(launch, argv=["python", *words], host="", boot_id="", oom_kills={}))
    copy.write_test_report(msgspec.structs.replace(report, predictions=""))
    return copy.path


if __name__ == "__main__":
    print(keep(Path(sys.argv[1])))
