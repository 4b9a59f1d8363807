"""Keeps a run for good: `python tests/reference.py RUN_FOLDER` copies its records, without weights, to runs/reference.

What tells of the machine's folders and of its name is left out; the figures are copied as they are.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cockpit import records, status
from cockpit.lines import whole_lines
from cockpit.store import Run, RunStore

REFERENCE = Path(__file__).parents[1] / "runs" / "reference"
_TOLD = ("running", "testing", "finished")
"""Only what these say is about the figures; the others name files, nodes and whatever failed."""
_PLACE = re.compile(r"(?<![\w.])~?/")


def keep(home: Path, reference: Path = REFERENCE) -> Path:
    """Copy a finished and tested run, and return its new folder; one that is neither is refused."""
    run = RunStore(home.parent).get(home.name)
    report = run.test_report()
    assert report is not None, f"{run.id} was not tested"
    info = status.describe(run)
    assert info.status == "finished", f"{run.id} is {info.status}"
    copy = type(run)(reference / run.id)
    copy.path.mkdir()
    (copy.path / "recipe.json").write_bytes((run.path / "recipe.json").read_bytes())
    (copy.path / "metrics.jsonl").write_bytes(b"".join(_clean(run)))
    for launch in run.launches():
        words = [word.replace(str(run.path.resolve()), run.id) for word in launch.argv[1:]]
        if "--lock-fd" in words:
            place = words.index("--lock-fd")
            del words[place : place + 2]
        copy.append_launch(msgspec.structs.replace(launch, argv=["python", *words], host="", boot_id="", oom_kills={}))
    copy.write_test_report(msgspec.structs.replace(report, predictions=""))
    return copy.path


def _clean(run: Run) -> Iterator[bytes]:
    """Yield the records as lines; what is none is left out, and every sentence that names a place."""
    hosts = [launch.host for launch in run.launches() if launch.host]

    def clean(text: str) -> str:
        return "" if _PLACE.search(text) or any(host in text for host in hosts) else text

    for record in records.decode_lines(whole_lines(run.metrics_path)):
        if isinstance(record, records.Phase):
            detail = clean(record.detail) if record.state in _TOLD else ""
            yield records.encode(msgspec.structs.replace(record, detail=detail))
        elif isinstance(record, records.Choice):
            trials = [msgspec.structs.replace(trial, note=clean(trial.note)) for trial in record.trials]
            yield records.encode(msgspec.structs.replace(record, reason=clean(record.reason), trials=trials))
        else:
            yield records.encode(record)


if __name__ == "__main__":
    print(keep(Path(sys.argv[1])))
