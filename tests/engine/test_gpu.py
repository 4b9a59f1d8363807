"""What only a CUDA card can show: `pytest -m gpu`."""

import pytest
import torch
from waiting import wait_for

from cockpit import launch, status
from cockpit.datasets import load_packed
from cockpit.engine.augment import ImageBank, Normalization, draw_plan
from cockpit.recipe import Recipe
from cockpit.records import Device
from cockpit.store import RecordTail, RunStore

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA card here"),
]


def test_the_augmentation_is_the_same_on_the_card(digits):
    images, labels = load_packed("digits", "train")
    batches = []
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        bank = ImageBank(images, labels, Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3)), device)
        plan = draw_plan(len(bank), 1, 2, device, augment=True, hflip=True)
        batches.append(bank.augmented(plan, 0, 1000).cpu())
    assert torch.equal(*batches)


def test_a_run_trains_on_the_card_in_bf16_and_is_watched(tmp_path, tiny):
    run = RunStore(tmp_path / "runs").create(Recipe(dataset="tiny", epochs=5, batch_size=16).complete())
    launch.start(run, device="cuda:0", sample_s=0)
    wait_for(lambda: status.describe(run).status not in status.LIVE)
    info = status.describe(run)
    assert info.status == "finished", info.detail
    report = run.test_report()
    assert report is not None
    assert report.precision == "bf16"
    devices = [record for record in RecordTail(run).read() if isinstance(record, Device)]
    assert devices
    assert devices[0].name.startswith("cuda:0")
    assert devices[0].memory_bytes
