"""Which devices are free, from what NVML and the launches say."""

import sys

from nvml import made_up

from cockpit.devices import Gpu
from cockpit.dispatch.slots import Holder, ancestors, make_slots, read_slots
from cockpit.store import RunStore
from cockpit.tickets import Settings

OURS, WORKER, THEIRS = 100, 101, 200


def gpu(index: int, *pids: int, memory_gib: float = 0.0, seen: bool = True) -> Gpu:
    return Gpu(
        index=index,
        name="NVIDIA H200",
        memory_bytes=int(memory_gib * 2**30),
        memory_total_bytes=140 * 2**30,
        busy=None,
        power_w=None,
        temperature_c=None,
        pids=pids if seen else None,
    )


def slots(gpus, holders=(), counts=None):
    def line(pid: int) -> set[int]:
        return {pid, OURS} if pid == WORKER else {pid}

    return {slot.device: slot for slot in make_slots(gpus, holders, counts or {}, line)}


def test_every_card_and_the_cpu_are_a_slot_each():
    found = slots([gpu(0), gpu(1)])
    assert {device: slot.free for device, slot in found.items() if device != "mps"} == {
        "cuda:0": 1,
        "cuda:1": 1,
        "cpu": 1,
    }


def test_a_run_has_the_device_that_it_was_launched_on():
    found = slots([gpu(0, OURS), gpu(1)], [Holder("ours", "cuda:0", OURS), Holder("slow", "cpu", 7)])
    assert (found["cuda:0"].runs, found["cuda:0"].free, found["cuda:0"].stranger) == (("ours",), 0, "")
    assert (found["cuda:1"].free, found["cpu"].free) == (1, 0)


def test_a_run_on_several_devices_has_all_of_them():
    found = slots([gpu(0, seen=False), gpu(1, seen=False), gpu(2)], [Holder("ours", "cuda:0,cuda:1", OURS)])
    assert [found[device].runs for device in ("cuda:0", "cuda:1", "cuda:2")] == [("ours",), ("ours",), ()]
    both = slots([], [Holder("ours", "cpu,cpu", OURS)], {"cpu": 3})["cpu"]
    assert (both.runs, both.free) == (("ours", "ours"), 1), "two processes take two slots"
    found = slots([gpu(0, OURS), gpu(1)], [Holder("ours", "cuda:0,cuda:1", OURS)])
    assert found["cuda:1"].free == 0, "also before its process is seen there"


def test_a_run_that_took_any_card_has_the_one_where_it_is_seen():
    found = slots([gpu(0), gpu(1, OURS)], [Holder("ours", "auto", OURS)])
    assert (found["cuda:0"].free, found["cuda:1"].runs) == (1, ("ours",))
    unseen = slots([gpu(0, seen=False), gpu(1, seen=False)], [Holder("ours", "auto", OURS)])
    assert (unseen["cuda:0"].runs, unseen["cuda:1"].free) == (("ours",), 1)


def test_a_run_that_took_any_two_cards_has_those_where_it_is_seen():
    gpus = [gpu(0), gpu(1, OURS), gpu(2, WORKER), gpu(3)]
    found = slots(gpus, [Holder("ours", "cuda,cuda", OURS)])
    assert [found[f"cuda:{n}"].runs for n in range(4)] == [(), ("ours",), ("ours",), ()]
    found = slots([gpu(0), gpu(1, OURS), gpu(2)], [Holder("ours", "cuda,cuda", OURS)])
    assert [found[f"cuda:{n}"].free for n in range(3)] == [0, 0, 1], "the other is not seen yet"


def test_a_claim_on_several_devices_keeps_all_of_them():
    found = slots([gpu(0), gpu(1), gpu(2)], [Holder("claimed", "cuda:2,cuda:0")])
    assert [found[f"cuda:{n}"].free for n in range(3)] == [0, 1, 0]


def test_a_hostile_list_of_devices_is_cut():
    assert len(slots([], [Holder("odd", "cpu," * 1_000_000, OURS)])["cpu"].runs) == 64


def test_a_claimed_device_is_taken():
    assert slots([gpu(0)], [Holder("claimed", "cuda:0")])["cuda:0"].free == 0


def test_a_card_on_which_somebody_else_computes_is_not_free():
    found = slots([gpu(0, THEIRS), gpu(1)])
    assert (found["cuda:0"].free, found["cuda:0"].stranger) == (0, f"another program (pid {THEIRS})")
    assert found["cuda:1"].free == 1
    shared = slots([gpu(0, OURS, THEIRS)], [Holder("ours", "cuda:0", OURS)], {"cuda:0": 2})
    assert (shared["cuda:0"].runs, shared["cuda:0"].free) == (("ours",), 0)


def test_a_child_of_a_trainer_is_no_stranger():
    found = slots([gpu(0, OURS, WORKER)], [Holder("ours", "cuda:0", OURS)], {"cuda:0": 2})
    assert (found["cuda:0"].stranger, found["cuda:0"].free) == ("", 1)


def test_memory_tells_of_programs_that_cannot_be_seen_from_a_container():
    assert slots([gpu(0, memory_gib=1.5, seen=False)])["cuda:0"].free == 1
    found = slots([gpu(0, memory_gib=20.0, seen=False)])["cuda:0"]
    assert (found.free, found.stranger) == (0, "another program (20.0 GiB)")
    ours = slots([gpu(0, memory_gib=20.0, seen=False)], [Holder("ours", "cuda:0", OURS)], {"cuda:0": 2})
    assert (ours["cuda:0"].stranger, ours["cuda:0"].free) == ("", 1)


def test_a_device_may_train_several_runs_or_none():
    found = slots([gpu(0)], [Holder("ours", "cpu", OURS)], {"cuda:0": 0, "cpu": 3})
    assert (found["cuda:0"].free, found["cpu"].free) == (0, 2)


def test_the_cards_are_those_that_the_trainers_will_see(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", made_up(number=4, busy={3}))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    found = {slot.device: slot for slot in read_slots(RunStore(tmp_path), {}, Settings()).slots}
    assert [(name, slot.free) for name, slot in found.items() if name.startswith("cuda")] == [
        ("cuda:0", 0),
        ("cuda:1", 1),
    ]
    assert found["cuda:0"].stranger == "another program (pid 1)"
    assert found["cuda:1"].title.startswith("NVIDIA A100 1,")


def test_a_process_descends_from_its_parents():
    import os

    assert {os.getpid(), os.getppid()} <= ancestors(os.getpid())
    assert ancestors(2**22 + 1) == {2**22 + 1}
