"""The seed's tables as a plan: which rows there are, how they stand, in which order, and how long they take. Pure."""

import dataclasses

import pytest

from cockpit import seed_tables, suite
from cockpit.cli.suite import roughly, tell_total
from cockpit.datasets import DATASETS
from cockpit.errors import CockpitError
from cockpit.jobs import JobInfo
from cockpit.recipe import Recipe
from cockpit.status import RunInfo, TestScores
from cockpit.suite.cost import Pace, estimate, images, pace, work
from cockpit.suite.plan import Plan, make_plan, state_of
from nets import MODELS

NOTHING = Pace({})


def info(recipe: Recipe, status: str, number: int = 0, **more) -> RunInfo:
    """A run of a recipe; `tested` says of which epoch its test is."""
    facts = {
        "id": f"20261126-120000-{recipe.model}-{recipe.dataset}-{number:04x}",
        "path": "",
        "status": status,
        "detail": "",
        "model": recipe.model,
        "dataset": recipe.dataset,
        "epoch": 0,
        "epochs": recipe.num_epochs,
        "best_val_acc": 0.9,
        "best_epoch": 180,
        "test": None,
        "elapsed_s": 0.0,
        "launched": None,
        "changes": "",
        "recipe": recipe,
    }
    if tested := more.pop("tested", None):
        more["test"] = TestScores(
            top1=0.91,
            top5=0.99,
            loss=0.3,
            epoch=tested,
            run=facts["id"],
            dataset=recipe.dataset,
            images=DATASETS[recipe.dataset].test_images,
        )
    return RunInfo(**facts | more)


def plan(recipes, infos=(), failures=None, known=NOTHING, **more) -> Plan:
    return make_plan(recipes, infos, failures or {}, known, **more)[0]


def states(found: Plan) -> dict[str, str]:
    return {entry.model: entry.state for entry in found.entries}


def test_the_tables_are_the_seeds_networks_on_both_cifars():
    recipes = suite.rows()
    assert len(recipes) == 2 * len(seed_tables.networks()) == 54
    assert {recipe.dataset for recipe in recipes} == {"cifar10", "cifar100"}
    assert {recipe.num_epochs for recipe in recipes} == {200}
    assert {recipe.seed for recipe in recipes} == {0}
    assert not suite.is_rehearsal(recipes)
    assert {"vit_h", "resnet20"}.isdisjoint(recipe.model for recipe in recipes)


def test_globs_seeds_datasets_and_epochs_choose():
    recipes = suite.rows("vgg1[13]*,vit_xs", "cifar10", "1,2", "3")
    assert [(r.model, r.dataset, r.seed) for r in recipes] == [
        (model, "cifar10", seed) for model in ("vgg11_bn", "vgg13_bn", "vit_xs") for seed in (1, 2)
    ]
    assert {(r.epochs, r.warmup_epochs) for r in recipes} == {(3, 0.15)}
    assert suite.is_rehearsal(recipes)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"only": "resnet19"}, "resnet18"),
        ({"only": "alex*"}, "alex"),
        ({"dataset": "cifar11"}, "cifar11"),
        ({"seeds": "1,,2"}, "--seeds"),
        ({"seeds": "1,1"}, "--seeds"),
        ({"seeds": "one"}, "one"),
        ({"seeds": "-1"}, "seed"),
        ({"epochs": "0"}, "epochs"),
        ({"epochs": "2.5"}, "2.5"),
    ],
)
def test_what_makes_no_sense_is_named(words, named):
    with pytest.raises(CockpitError, match=named):
        suite.rows(**words)


def test_every_state_of_a_run():
    recipes = suite.rows("resnet*,vgg11_bn,googlenet", "cifar10")
    by_model = {recipe.model: recipe for recipe in recipes}
    infos = [
        info(by_model["resnet18"], "finished", epoch=200, tested=180),
        info(by_model["resnet34"], "finished", epoch=200),
        info(by_model["resnet50"], "running", epoch=20),
        info(by_model["resnet101"], "waiting"),
        info(by_model["resnet152"], "stopped", epoch=100),
        info(by_model["resnet20"], "damaged"),
        info(by_model["vgg11_bn"], "failed", epoch=3),
    ]
    found = states(plan(recipes, infos, {infos[-1].id: 2}))
    assert found["resnet18"] == "done"
    assert found["resnet34"] == "untested"
    assert found["resnet50"] == "training"
    assert found["resnet101"] == "waiting"
    assert found["resnet152"] == "resume"
    assert found["vgg11_bn"] == "left"
    assert found["resnet20"] == "left"
    assert found["googlenet"] == "missing"


def test_of_two_that_are_done_the_older_counts_as_in_a_report():
    (recipe,) = suite.rows("vit_xs", "cifar10")
    newer, older = (info(recipe, "finished", number, epoch=200, tested=180) for number in (2, 1))
    (entry,) = plan([recipe], [newer, older]).entries
    assert entry.run == older.id != newer.id


@pytest.mark.parametrize("status", ["created", "stopped", "failed", "lost"])
def test_what_broke_off_is_resumed(status):
    assert state_of(info(Recipe(), status), 1)[0] == "resume"


@pytest.mark.parametrize("status", ["pending", "starting", "running", "stale", "unknown"])
def test_what_may_go_on_is_not_enqueued_again(status):
    assert state_of(info(Recipe(), status), 0)[0] == "training"


def test_a_second_failure_is_left_to_the_user_until_he_says_otherwise():
    failed = info(Recipe(), "failed", detail="loss is NaN at step 40")
    assert state_of(failed, 2) == ("left", "failed twice: loss is NaN at step 40")
    assert state_of(failed, 2, retry=True)[0] == "resume"


def test_a_run_of_slurms_is_left_to_slurm():
    job = JobInfo(id="7")
    assert state_of(info(Recipe(), "stopped", job=job), 0)[0] == "left"


def test_a_test_of_an_earlier_checkpoint_is_none():
    assert state_of(info(Recipe(), "finished", tested=100), 0)[0] == "untested"


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"epochs": 199}, {"lr": 0.05}, {"augment": "light"}, {"exact": True}, {"preset": "fast"}]
)
def test_a_run_of_another_recipe_does_not_count(change):
    recipe = seed_tables.seeds_recipe("resnet18", "cifar10")
    other = dataclasses.replace(recipe, **change)
    assert states(plan([recipe], [info(other, "finished", epoch=200, tested=180)])) == {"resnet18": "missing"}
    assert seed_tables.is_seeds(other) is (change == {"seed": 1})


def test_of_several_runs_the_furthest_tells():
    recipe = seed_tables.seeds_recipe("resnet18", "cifar10")
    runs = [info(recipe, "stopped", 1, epoch=3), info(recipe, "lost", 2, epoch=9), info(recipe, "failed", 3, epoch=50)]
    assert plan([recipe], runs, {runs[2].id: 2}).entries[0].run == runs[1].id
    runs.append(info(recipe, "finished", 4, epoch=200, tested=180))
    assert plan([recipe], runs).entries[0].state == "done"


def test_the_cheapest_comes_first_by_what_is_left_of_it():
    recipes = suite.rows("resnet18,mobilenetv1,resnet50", "cifar10,cifar100")
    found = plan(recipes)
    assert [entry.model for entry in found.entries] == [
        "mobilenetv1", "mobilenetv1", "resnet18", "resnet18", "resnet50", "resnet50"
    ]  # fmt: skip
    late = next(recipe for recipe in recipes if (recipe.model, recipe.dataset) == ("resnet50", "cifar100"))
    found = plan(recipes, [info(late, "stopped", epoch=198)])
    assert (found.entries[0].model, found.entries[0].dataset) == ("resnet50", "cifar100")


def test_nothing_is_estimated_where_nothing_was_measured():
    found = plan(suite.rows())
    assert found.total.runs == 54
    assert found.total.seconds is None
    assert not any(entry.left for entry in found.entries)


def test_a_measured_network_takes_what_its_images_take():
    recipe = seed_tables.seeds_recipe("resnet18", "cifar10")
    left = estimate(recipe, 200, pace([("resnet18", 900.0), ("resnet18", 1000.0), ("resnet18", 5000.0)]))
    assert left is not None
    assert left.measured
    # 45,000 to learn from, 5,000 to validate and once 10,000 to test at a third of that each.
    assert left.seconds == left.low_s == left.high_s == pytest.approx((200 * (45_000 + 5_000 / 3) + 10_000 / 3) / 1000)


def test_other_networks_are_scaled_by_flops_within_the_limits_of_what_was_measured():
    known = pace([("resnet18", 100.0), ("mobilenetv1", 500.0)])
    recipe = seed_tables.seeds_recipe("vgg16_bn", "cifar100")
    left = estimate(recipe, 10, known)
    assert left is not None
    assert not left.measured
    assert left.low_s == pytest.approx(work(recipe, 10) / (MODELS["resnet18"].flops * 100))
    assert left.high_s == pytest.approx(work(recipe, 10) / (MODELS["mobilenetv1"].flops * 500))
    assert left.low_s < left.seconds < left.high_s


def test_the_total_is_what_is_left_of_all_that_is_not_done():
    recipes = suite.rows("resnet18,resnet34,resnet50", "cifar10")
    known = pace([("resnet18", 100.0)])
    done, begun, _ = recipes
    found = plan(
        recipes, [info(done, "finished", epoch=200, tested=180), info(begun, "running", epoch=150)], None, known
    )
    parts = [estimate(recipe, epochs, known) for recipe, epochs in zip(recipes[1:], (50, 200), strict=True)]
    assert found.total.runs == 2
    assert found.total.measured == 0
    assert found.total.seconds == pytest.approx(sum(part.seconds for part in parts if part))
    assert found.counts == {"done": 1, "training": 1, "missing": 1}


def test_the_total_is_told_in_spans_that_people_use_and_how_sure_it_is():
    recipes = suite.rows("resnet18,resnet34", "cifar10")
    (alone,) = tell_total(plan(recipes, known=pace([("vgg16_bn", 100.0)])))
    assert "a guess (~): 2 of 2 runs are of networks not measured there, FLOPs at the rate of vgg16_bn" in alone
    assert "one network says nothing of how sure that is" in alone
    (limited,) = tell_total(plan(recipes[:1], known=pace([("vgg16_bn", 100.0), ("resnet50", 90.0)])))
    assert "1 of 1 run is of networks not measured there" in limited
    assert "the limits are what the fastest and the slowest of these give" in limited
    (known,) = tell_total(plan(recipes, known=pace([("resnet18", 100.0), ("resnet34", 50.0)])))
    assert known.endswith("; from the speed of runs on it")
    spans = [roughly(seconds) for seconds in (48, 5_000, 90_000, 4e5, 3e6, 2611.3 * 8_640, 2611.3 * 86_400)]
    assert spans == ["48 s", "83 min", "25.0 h", "4.6 days", "5 weeks", "9 months", "7.1 years"]


def test_speeds_of_unknown_networks_and_of_nothing_are_passed_over():
    assert pace([("no_net", 100.0), ("resnet18", 0.0)]).img_per_s == {}


def test_a_rehearsal_is_stretched_not_cut():
    recipe = seed_tables.seeds_recipe("resnet18", "cifar10", epochs=20)
    assert (recipe.epochs, recipe.warmup_epochs, recipe.schedule, recipe.peak_lr) == (20, 1.0, "step", 0.1)
    assert images(recipe, 20) == pytest.approx(20 * (45_000 + 5_000 / 3) + 10_000 / 3)
