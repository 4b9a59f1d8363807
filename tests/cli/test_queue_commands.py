"""The queue from the command line: sweeps, the listing, the order; all of it as JSON too."""

import json
import sys

import pytest
from folders import launched, make_run
from tiny import HELD_TRAINER, make_trainer, ran
from waiting import wait_for

from cockpit import status
from cockpit.cli import main
from cockpit.dispatch import order
from cockpit.dispatch.look import look
from cockpit.store import RunStore

MANY = ",".join(map(str, range(101)))


@pytest.fixture
def runs(tmp_path, data_dir, monkeypatch):
    """A folder whose trainers are tiny."""
    monkeypatch.setattr(sys, "executable", str(make_trainer(tmp_path)))
    return tmp_path / "runs"


@pytest.fixture
def paused(runs):
    order.pause(RunStore(runs), True)
    return runs


@pytest.fixture
def cockpit(runs, capsys):
    """Run a command and return (what it prints as JSON, its narration)."""

    def run(*words: str) -> tuple:
        code = main([*words, "--json", "--runs", str(runs)])
        out, err = capsys.readouterr()
        return (json.loads(out) if code == 0 else None), err

    return run


def places(cockpit) -> list[str]:
    return [row["run"]["id"] for row in cockpit("queue")[0]["waiting"]]


def test_lists_make_the_product_in_order(paused, cockpit):
    rows, _ = cockpit(
        *("train", "--model", "resnet20,vgg11_bn", "--lr", "0.1,0.05", "--nesterov", "yes,no", "--seed", "1,2"),
        *("--enqueue", "--device", "cpu", "--priority", "2", "--sample-s", "0"),
    )
    assert len(rows) == 16
    recipes = [RunStore(paused).get(row["id"]).recipe for row in rows]
    found = [(recipe.model, recipe.seed, recipe.lr, recipe.nesterov) for recipe in recipes]
    assert found == [
        (model, seed, lr, nesterov)
        for model in ("resnet20", "vgg11_bn")
        for seed in (1, 2)
        for lr in (0.1, 0.05)
        for nesterov in (True, False)
    ]
    assert [row["place"] for row in rows] == [*range(1, 17)]
    assert rows[0]["ticket"] | {"priority": 2, "device": "cpu", "sample_s": 0.0} == rows[0]["ticket"]
    assert (rows[15]["status"], rows[15]["detail"]) == ("waiting", "queued, place 16")


def test_a_preset_counts_for_its_own_runs_only(paused, cockpit):
    rows, said = cockpit("train", "--preset", "seed,fast", "--dataset", "cifar10", "--enqueue")
    assert "not here yet: cifar10; the first run fetches it, and fails offline" in said
    recipes = [RunStore(paused).get(row["id"]).recipe for row in rows]
    assert [(recipe.preset, recipe.epochs, recipe.nesterov) for recipe in recipes] == [
        ("seed", 200, False),
        ("fast", 24, True),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--seed", "1,2,3"], "3 runs would result from these lists; --enqueue lets them all wait"),
        (
            ["train", "--seed", "1,,2", "--enqueue"],
            "seed is '1,,2'; there must be a value on both sides of every comma",
        ),
        (["train", "--seed", "1,2,1", "--enqueue"], "seed is '1,2,1'; '1' must stand there only once"),
        (
            ["train", "--seed", MANY, "--warmup-epochs", MANY, "--enqueue"],
            "10,201 runs would result from these lists; a sweep is of 10,000 at most",
        ),
        (["train", "--priority", "9" * 30, "--enqueue"], "it must be -1000000 to 1000000"),
        (
            ["train", "--devices", "cpu,cpu", "--batch-size", "128,1", "--enqueue"],
            "batch size 1 is smaller than the 2 devices that share it; take at least 2, or fewer devices",
        ),
        (["train", "--devices", "cpu,7", "--enqueue"], "device 'cpu,7' mixes cards and CPU"),
        (["train", "--where", "slurm", "--enqueue"], "the queue is this machine's, and Slurm has one of its own"),
        (["train", "--seed", "1,x", "--enqueue"], "seed is 'x'; it must be a whole number"),
        (["train", "--model", "resnet20,resnet19", "--enqueue"], "unknown model 'resnet19'"),
        (["train", "--nesterov", "yes,perhaps", "--enqueue"], "nesterov is 'perhaps'; write yes or no"),
        (["train", "--enqueue", "--device", "cuda:7"], "device 'cuda:7' is not on this machine"),
        (["train", "--enqueue", "--priority", "high"], "'high' is not a whole number"),
        (["queue", "slots", "tpu", "1"], "there is no device 'tpu'; choose auto, cpu, mps, cuda or cuda:<n>"),
        (["queue", "slots", "70", "1"], "device 'cuda:70' is not on this machine"),
        (["queue", "slots", "cpu", "-1"], "slots is -1; it must be 0 to 64"),
        (["queue", "move", "nothing", "--top"], "unknown run 'nothing'"),
        (["queue", "priority", "last", "1"], "unknown run 'last'"),
        (["queue", "remove", "last"], "unknown run 'last'"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(runs, capsys, words, sentence):
    assert main([*words, "--runs", str(runs)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1
    assert not runs.exists()


def test_a_preflight_is_of_one_run(data_dir, capsys):
    assert main(["preflight", "--seed", "1,2"]) == 2
    assert capsys.readouterr().err == (
        "cockpit: 2 runs would result; a preflight is of one, so give one value a flag\n"
    )


@pytest.mark.parametrize("words", [[], ["list"], ["move"], ["priority"], ["remove"], ["pause"], ["go"], ["slots"]])
def test_help_of_every_command(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(["queue", *words, "--help"])
    assert caught.value.code == 0
    assert "usage: cockpit queue" in capsys.readouterr().out


def test_the_order_is_changed(paused, cockpit):
    one, two, three = (row["id"] for row in cockpit("train", "--seed", "1,2,3", "--enqueue")[0])
    assert places(cockpit) == [one, two, three]
    assert cockpit("queue", "move", three, "--top")[0][0]["place"] == 1
    assert places(cockpit) == [three, one, two]
    cockpit("queue", "move", three, "--before", two)
    assert places(cockpit) == [one, three, two]
    cockpit("queue", "move", one, "--bottom")
    assert places(cockpit) == [three, two, one]
    assert cockpit("queue", "priority", one, "3")[0][0]["ticket"]["priority"] == 3
    assert places(cockpit) == [one, three, two]
    assert "--before RUN, --top or --bottom" in cockpit("queue", "move", one)[1]
    assert "--before RUN, --top or --bottom" in cockpit("queue", "move", one, "--top", "--bottom")[1]
    assert cockpit("queue", "remove", three)[0][0]["status"] == "created"
    assert "does not wait in the queue" in cockpit("queue", "remove", three)[1]
    assert "does not wait in the queue" in cockpit("queue", "move", three, "--top")[1]
    assert cockpit("stop", two)[0]["detail"] == "not launched yet"
    assert places(cockpit) == [one]
    assert f"run {two} is not running" in cockpit("stop", two)[1]


def test_the_queue_moves_whenever_somebody_looks(runs, cockpit):
    store = RunStore(runs)
    make_trainer(runs.parent, HELD_TRAINER)
    rows, said = cockpit("train", "--seed", "1,2", "--enqueue", "--device", "cpu")
    first, second = (row["id"] for row in rows)
    assert f"queue: {first} is launched on cpu" in said
    assert second not in cockpit("queue")[1]
    (runs / ".go").touch()
    wait_for(lambda: all(slot.free for slot in look(store).devices), what="a free device")
    _, said = cockpit("queue")
    assert f"queue: {second} is launched on cpu" in said
    wait_for(lambda: len(ran(store)) == 2)


def test_a_run_on_several_devices_waits_for_all_of_them(runs, cockpit):
    store = RunStore(runs)
    make_trainer(runs.parent, HELD_TRAINER)
    cockpit("queue", "slots", "cpu", "2")
    (first,) = cockpit("train", "--enqueue", "--device", "cpu")[0]
    (large,) = cockpit("train", "--enqueue", "--devices", "cpu, CPU")[0]
    (small,) = cockpit("train", "--enqueue", "--device", "cpu")[0]
    seen, _ = cockpit("queue")
    assert [(row["run"]["id"], row["device"], row["kept"]) for row in seen["waiting"]] == [
        (large["id"], "cpu,cpu", "cpu"),
        (small["id"], "cpu", ""),
    ]
    assert [row["why"] for row in seen["waiting"]] == [
        f"cpu is busy with {first['id']}; 1 of its 2 slots is kept for it",
        f"cpu is kept for {large['id']}",
    ]
    assert (seen["devices"][-1]["runs"], seen["devices"][-1]["kept"]) == ([first["id"]], [large["id"]])
    (runs / ".go").touch()
    wait_for(lambda: cockpit("queue") and len(ran(store)) == 3, what="all three")
    assert [device for _, device, *_ in sorted(ran(store), key=lambda row: row[2])] == ["cpu", "cpu,cpu", "cpu"]
    assert store.get(large["id"]).launches()[0].device == "cpu,cpu"


def test_a_pause_holds_until_it_goes_on(paused, cockpit):
    (row,) = cockpit("train", "--enqueue")[0]
    seen, said = cockpit("queue")
    assert (seen["paused"], seen["waiting"][0]["why"]) == (True, "the queue is paused")
    assert "the queue is paused" in said
    cockpit("queue", "slots", "cpu", "2")
    seen, said = cockpit("queue", "go")
    assert f"queue: {row['id']} is launched on cpu" in said
    assert (seen["paused"], seen["devices"][-1]["slots"]) == (False, 2)
    assert cockpit("queue", "pause")[0]["paused"]


def test_the_listing_for_people(paused, cockpit, capsys):
    assert main(["queue", "--runs", str(paused)]) == 0
    assert "nothing waits; `cockpit train --enqueue`" in capsys.readouterr().err
    (row,) = cockpit("train", "--enqueue", "--priority", "4")[0]
    assert main(["queue", "--runs", str(paused)]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if row["id"] in line)
    assert line.split() == ["1", row["id"], "the", "seed's", "auto", "4", "the", "queue", "is", "paused"]
    assert "0/1" in out
    assert main(["runs", "--runs", str(paused)]) == 0
    assert "waiting, place 1" in capsys.readouterr().out


def test_enqueue_prints_the_ids(paused, capsys):
    assert main(["train", "--seed", "1,2", "--enqueue", "--runs", str(paused)]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(run.id for run in RunStore(paused).list())


def test_a_run_that_ended_is_queued_to_be_resumed(runs, cockpit):
    store = RunStore(runs)
    (row,) = cockpit("train", "--enqueue", "--device", "cpu")[0]
    run = store.get(row["id"])
    wait_for(lambda: all(slot.free for slot in look(store).devices), what="a free device")
    assert status.describe(run).status == "lost"  # the tiny trainer says no last word
    cockpit("queue", "pause")
    (row,) = cockpit("resume", run.id, "--enqueue", "--device", "cpu")[0]
    assert (row["status"], row["detail"]) == ("waiting", "queued, place 1")
    cockpit("queue", "go")
    wait_for(lambda: len(run.launches()) == 2)


@pytest.mark.parametrize(("had", "goes_on"), [("cpu,cpu", "cpu,cpu"), ("cuda:7", "auto"), ("auto", "auto")])
def test_a_run_goes_on_on_what_it_had_where_that_is_here(paused, cockpit, had, goes_on):
    run = launched(make_run(RunStore(paused)), device=had)
    _, told = cockpit("resume", run.id, "--enqueue")
    ticket = run.ticket()
    assert ticket is not None
    assert ticket.device == goes_on
    assert ("cuda:7, which" in told) == (had == "cuda:7")
    cockpit("resume", run.id, "--enqueue", "--device", "cpu")
    assert (ticket := run.ticket()) is not None
    assert ticket.device == "cpu"
