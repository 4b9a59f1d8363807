"""What only a CUDA card can show: `pytest -m gpu`."""

import pytest
import torch
from torch import nn
from waiting import wait_for

from cockpit import launch, status
from cockpit.datasets import load_packed
from cockpit.engine import probe
from cockpit.engine.augment import ImageBank, Normalization, draw_plan
from cockpit.engine.backend import choose_backend
from cockpit.engine.bench import bench
from cockpit.engine.step import make_optimizer, make_step
from cockpit.recipe import Recipe
from cockpit.records import Choice, Device, Step
from cockpit.store import RecordTail, RunStore
from nets import build

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
        plan = draw_plan(len(bank), 1, 2, device, augment="seed", hflip=True)
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


def trained(way: str, *, precision: str = "fp32", model: str = "resnet20", resumed: bool = False) -> list[float]:
    """Take ten steps on fixed batches, two of them smaller, and return the losses and a sum of the weights."""
    torch.manual_seed(0)
    backend = choose_backend("cuda:0", precision)
    recipe = Recipe(model=model, batch_size=32, nesterov=True)
    net = build(model, 10).cuda().to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(net, recipe)
    batches = [torch.randn(size, 3, 32, 32, device="cuda") for size in (32, 32, 20, 32, 32, 20, 32, 32, 32, 32)]
    batches = [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
    labels = [torch.randint(0, 10, (len(batch),), device="cuda") for batch in batches]
    torch.manual_seed(1)
    take = make_step(way, net, optimizer, backend, batches[0], recipe)
    losses = []
    for number, (images, targets) in enumerate(zip(batches, labels, strict=True)):
        if resumed and number == 5:  # a capture in the middle must keep weights, statistics and momentum
            take = make_step(way, net, optimizer, backend, batches[0], recipe)
        losses.append(take(images, targets, 0.1 / (number + 1))[0].item())
    return [*losses, *(tensor.double().abs().sum().item() for tensor in net.state_dict().values())]


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_graph_learns_what_eager_steps_learn(precision, resumed):
    tolerance = 1e-3 if precision == "fp32" else 3e-2
    graph = trained("graph", precision=precision, resumed=resumed)
    assert graph == pytest.approx(trained("eager", precision=precision), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("model", ["resnet18", "vgg11_bn", "mobilenetv1", "shufflenetv1_g4", "vit_xs", "densenet121"])
def test_every_kind_of_network_can_be_captured(model):
    losses = trained("graph", precision="bf16", model=model)[:10]
    assert all(loss < 20 for loss in losses)


def test_dropout_draws_anew_with_every_replay():
    torch.manual_seed(0)
    backend = choose_backend("cuda:0", "fp32")
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3072, 10)).cuda().train()
    recipe = Recipe(batch_size=64)
    images, labels = torch.randn(64, 3, 32, 32, device="cuda"), torch.zeros(64, dtype=torch.int64, device="cuda")
    take = make_step("graph", net, make_optimizer(net, recipe), backend, images, recipe)
    losses = {take(images, labels, 0.0)[0].item() for _ in range(4)}
    assert len(losses) == 4


def test_exact_reruns_are_equal_to_the_bit(tmp_path, tiny):
    store = RunStore(tmp_path / "runs")
    curves = []
    for _ in range(2):
        run = store.create(Recipe(dataset="tiny", epochs=3, batch_size=16, exact=True).complete())
        launch.start(run, device="cuda:0", sample_s=0)
        wait_for(lambda run=run: status.describe(run).status not in status.LIVE)
        assert status.describe(run).status == "finished", status.describe(run).detail
        curves.append([record.loss for record in RecordTail(run).read() if isinstance(record, Step)])
    assert curves[0] == curves[1]


@pytest.mark.parametrize("way", ["graph", "compiled"])
def test_a_run_that_is_stopped_goes_on_in_the_same_way(tmp_path, tiny, way):
    run = RunStore(tmp_path / "runs").create(Recipe(dataset="tiny", epochs=400, batch_size=16, way=way).complete())
    launch.start(run, device="cuda:0", sample_s=0)
    wait_for(lambda: run.tail().epoch is not None, 200)
    launch.send(run, "stop")
    wait_for(lambda: status.describe(run).status == "stopped")
    before = status.describe(run).epoch
    launch.start(run, device="cuda:0", sample_s=0)
    wait_for(lambda: status.describe(run).epoch > before, 200)
    launch.send(run, "kill")
    choices = [record for record in RecordTail(run).read() if isinstance(record, Choice)]
    assert [choice.way for choice in choices] == [way]


def test_the_probe_prefers_the_graph_of_a_launch_bound_network(digits):
    backend = choose_backend("cuda:0", "auto")
    choice = probe.decide(Recipe(model="mobilenetv1", epochs=200).complete(), backend, 45_000)
    assert choice.way in ("graph", "compiled")
    times = {trial.way: trial.step_s or 1e9 for trial in choice.trials}
    assert times["graph"] < times["eager"]


def test_the_bench_measures_on_the_card(digits):
    result = bench(Recipe(batch_size=64, epochs=100).complete(), "cuda:0", 2.0, print)
    assert result.precision == "bf16"
    assert result.peak_bytes > 0
    assert all(result.arms.values())


def test_a_run_out_of_memory_says_so_and_the_batch_size_that_it_advises_fits(tmp_path, digits):
    free, _ = torch.cuda.mem_get_info(0)
    torch.cuda.empty_cache()
    held = torch.empty(free - 4 * 2**30, dtype=torch.uint8, device="cuda:0")  # as another job holds a shared card
    store = RunStore(tmp_path / "runs")

    def train(batch_size: int) -> status.RunInfo:
        run = store.create(Recipe(model="resnet50", epochs=1, batch_size=batch_size, precision="fp32").complete())
        launch.start(run, device="cuda:0")
        wait_for(lambda: status.describe(run).status not in status.LIVE, 200)
        assert run.recipe.batch_size == batch_size
        return status.describe(run)

    failed = train(1294)
    assert failed.status == "failed"
    assert failed.detail.startswith("out of memory with batch size 1294 on cuda:0 ")
    advised = int(failed.detail.rpartition("--batch-size ")[2])
    assert 8 <= advised < 1294
    info = train(advised)
    assert info.status == "finished", info.detail
    del held


def test_a_card_without_room_for_one_image_advises_another_remedy(tmp_path, tiny):
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(0)
    held = torch.empty(free - 700 * 2**20, dtype=torch.uint8, device="cuda:0")  # a context alone takes most of that
    run = RunStore(tmp_path / "runs").create(Recipe(model="vit_h", dataset="tiny", epochs=1, batch_size=16).complete())
    launch.start(run, device="cuda:0")
    wait_for(lambda: status.describe(run).status not in status.LIVE, 200)
    info = status.describe(run)
    assert info.status == "failed"
    assert "too little for one image a step; free some, or choose another device" in info.detail
    del held
