"""What a checkpoint gives back, and what it refuses."""

import io
import json
import os
import pickle
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cockpit import durable
from cockpit.durable import DamagedFileError
from cockpit.engine.augment import Normalization
from cockpit.engine.checkpoint import LoopState, load_best, load_last, save_best, save_last, take_snapshot, take_up_best
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore
from nets import build

NORMALIZATION = Normalization(torch.rand(32, 32, 3), torch.rand(32, 32, 3) + 0.1)


@pytest.fixture
def run(tmp_path, data_dir):
    return RunStore(tmp_path / "runs").create(Recipe().complete())


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = build("resnet20", 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_the_resume_state_gives_everything_back(run):
    model, optimizer = trained()
    state = LoopState(epoch=3, batch=5, step=38, elapsed_s=12.5, epoch_loss=0.1 + 0.2, best_val_acc=0.75, best_epoch=2)
    save_last(run, take_snapshot(state, model, optimizer))
    expected = torch.rand(3)  # the draw that follows the save must follow the load too
    other = build("resnet20", 10)
    other_optimizer = torch.optim.SGD(other.parameters(), lr=9.0, momentum=0.9, fused=True)
    assert load_last(run, other, other_optimizer) == state
    assert torch.equal(torch.rand(3), expected)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(optimizer.state[ours]["momentum_buffer"], other_optimizer.state[theirs]["momentum_buffer"])


def test_a_resume_state_of_another_network_is_refused(run):
    save_last(run, take_snapshot(LoopState(), *trained()))
    other = build("resnet18", 10)
    with pytest.raises(DamagedFileError, match=r"last\.pt is not a resume state of this run"):
        load_last(run, other, torch.optim.SGD(other.parameters(), lr=0.1))


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_in_a_checkpoint_is_executed(run, tmp_path):
    model, optimizer = trained()
    for content in (pickle.dumps(Canary(str(tmp_path / "sprung"))), _saved(Canary(str(tmp_path / "sprung")))):
        durable.write_checked(run.last_path, content)
        with pytest.raises(DamagedFileError):
            load_last(run, model, optimizer)
        assert not (tmp_path / "sprung").exists()


def _saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": value}, buffer)
    return buffer.getvalue()


def test_the_best_weights_carry_what_their_use_needs(run):
    model, optimizer = trained()
    save_best(
        run,
        take_snapshot(LoopState(best_val_acc=0.5, best_epoch=7), model, optimizer),
        NORMALIZATION,
        tuple("0123456789"),
    )
    best = load_best(run)
    assert best.recipe == run.recipe
    assert (best.epoch, best.classes) == (7, tuple("0123456789"))
    assert torch.equal(best.normalization.mean, NORMALIZATION.mean)
    build("resnet20", 10).load_state_dict(best.weights)


@pytest.mark.parametrize(
    ("known", "expected"),
    [((None, 0), (0.5, 7)), ((0.4, 3), (0.5, 7)), ((0.5, 7), (0.5, 7)), ((0.6, 8), (0.6, 8))],
)
def test_a_resume_knows_of_better_weights_than_its_own(run, known, expected):
    model, optimizer = trained()
    kept = take_snapshot(LoopState(best_val_acc=0.5, best_epoch=7), model, optimizer)
    save_best(run, kept, NORMALIZATION, ("a",))
    state = LoopState(best_val_acc=known[0], best_epoch=known[1])
    take_up_best(run, state)
    assert (state.best_val_acc, state.best_epoch) == expected
    run.best_path.write_bytes(b"damaged")
    state = LoopState(best_val_acc=0.1, best_epoch=1)
    take_up_best(run, state)
    assert state.best_val_acc == 0.1


def test_plain_safetensors_reads_the_best_weights(run):
    model, optimizer = trained()
    save_best(
        run,
        take_snapshot(LoopState(best_val_acc=0.5, best_epoch=7), model, optimizer),
        NORMALIZATION,
        tuple("0123456789"),
    )
    weights = safetensors.torch.load_file(run.best_path)
    mean, std = weights.pop("normalize.mean"), weights.pop("normalize.std")
    assert mean.shape == std.shape == (32, 32, 3)
    build("resnet20", 10).load_state_dict(weights)


def regions_of_best(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the name, begin and end of each part of a safetensors file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    yield from (("length", 0, 8), ("header", 8, start))
    for name, facts in json.loads(data[8:start]).items():
        if name != "__metadata__":
            yield name, *(start + offset for offset in facts["data_offsets"])


def regions_of_last(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the name, begin and end of each part of a zip file: each member, and the directory at the end."""
    with zipfile.ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.header_offset)
        starts = [member.header_offset for member in members]
        ends = [*starts[1:], archive.start_dir]
        yield from zip((member.filename for member in members), starts, ends, strict=True)
        yield "directory", archive.start_dir, path.stat().st_size


@pytest.mark.parametrize(("name", "regions"), [("best_path", regions_of_best), ("last_path", regions_of_last)])
def test_a_flipped_bit_in_any_region_is_refused_by_name(run, name, regions):
    model, optimizer = trained()
    snapshot = take_snapshot(LoopState(best_val_acc=0.5, best_epoch=7), model, optimizer)
    save_best(run, snapshot, NORMALIZATION, ("a",))
    save_last(run, snapshot)
    path, rng = getattr(run, name), random.Random(0)
    found = list(regions(path))
    assert len(found) > 100, "as many tensors, and what is around them"
    assert max(end for _, _, end in found) == path.stat().st_size
    with open(path, "r+b", buffering=0) as file:
        for _, start, end in found:
            for place in {start, end - 1, rng.randrange(start, end)}:
                byte = os.pread(file.fileno(), 1, place)[0]
                os.pwrite(file.fileno(), bytes([byte ^ 1 << rng.randrange(8)]), place)
                with pytest.raises(DamagedFileError, match=rf"{path.name} is damaged"):
                    _load(run, name, model, optimizer)
                os.pwrite(file.fileno(), bytes([byte]), place)
    _load(run, name, model, optimizer)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match=rf"{path.name} is damaged"):
        _load(run, name, model, optimizer)


def _load(run: Run, name: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> object:
    return load_best(run) if name == "best_path" else load_last(run, model, optimizer)


@pytest.mark.parametrize("junk", [b"", b"\x08", b"no safetensors at all", safetensors.torch.save({"a": torch.ones(1)})])
def test_a_file_that_is_no_checkpoint_of_ours_is_refused(run, junk):
    durable.write_checked(run.best_path, junk)
    with pytest.raises(DamagedFileError, match="is not a checkpoint of cockpit"):
        load_best(run)
