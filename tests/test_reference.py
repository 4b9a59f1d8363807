"""What is kept for good in runs/reference: only what was finished, without what its phases tell of the machine."""

import pytest
from folders import epoch_record, launched, make_run, phase, with_test, write
from reference import keep

from cockpit import liveness, records
from cockpit.lines import whole_lines
from cockpit.store import RunStore

_RUNNING = "cpu, fp32, eager, 1 threads; 285 img/s against 190"
_TRIAL = records.Trial(precision="bf16", way="compiled", batch_size=16, note="no compiler in /home/alice/bin")
_RESULT = "test top-1 97.20%"


@pytest.fixture
def reference(tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    return folder


def test_phases_tell_of_no_folder_and_no_host(tmp_path, reference):
    run = with_test(launched(make_run(RunStore(tmp_path / "runs"))))
    write(
        run,
        phase("preparing", detail=f"starting 2 processes on {liveness.host_name()}"),
        phase("failed", detail="no room to save last.pt: the disk of /home/alice/secret/runs has 0.1 MB left"),
        phase("stopped", detail="asked to by alice"),
        records.Choice(
            time=1.0,
            device="cpu",
            precision="fp32",
            way="eager",
            reason="bf16 fails in /home/alice/x.cpp",
            trials=[_TRIAL],
        ),
        phase("running", detail=_RUNNING),
        epoch_record(1),
        phase("running", detail="goes on from '~/secret/last.pt'"),
        phase("testing", detail=f"on {liveness.host_name()}"),
        phase("finished", detail=_RESULT),
    )
    with run.append_metrics() as lines:
        lines.append(b'{"kind": "note", "text": "of alice"}\n')
    found = [*records.decode_lines(whole_lines(keep(run.path, reference) / "metrics.jsonl"))]
    told = [one.detail for one in found if isinstance(one, records.Phase)]
    assert told == ["", "", "", _RUNNING, "", "", _RESULT]
    assert epoch_record(1) in found
    whole = b"".join(path.read_bytes() for path in (reference / run.id).iterdir())
    for word in (b"alice", b"secret", liveness.host_name().encode()):
        assert word not in whole


@pytest.mark.parametrize("state", ["running", "stopped", "failed"])
def test_a_run_that_is_not_finished_is_not_kept(tmp_path, reference, state):
    run = with_test(launched(make_run(RunStore(tmp_path / "runs"))))
    write(run, phase("running"), epoch_record(1), phase(state))
    with pytest.raises(AssertionError, match=rf"{run.id} is "):
        keep(run.path, reference)
    assert not [*reference.iterdir()]
