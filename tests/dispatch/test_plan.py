"""The plan, for any queue and any box: never two runs on a slot, the order kept, nobody held back by a later one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.dispatch.plan import plan, suitable
from cockpit.tickets import Ticket, in_order

DEVICES = ["cuda:0", "cuda:1", "cuda:2", "mps", "cpu"]
boxes = st.lists(st.sampled_from(DEVICES[:4]), unique=True).map(lambda found: [*sorted(found), "cpu"])
free_slots = boxes.flatmap(lambda box: st.fixed_dictionaries({device: st.integers(0, 3) for device in box}))
tickets = st.builds(
    Ticket,
    time=st.just(0.0),
    host=st.just("here"),
    launches=st.just(0),
    place=st.integers(0, 5).map(float),
    priority=st.integers(-1, 1),
    device=st.sampled_from(["auto", "cuda", *DEVICES]),
)
queues = st.lists(tickets, max_size=12).map(
    lambda found: in_order({f"run-{number}": ticket for number, ticket in enumerate(found)})
)


@given(queues, free_slots)
def test_no_slot_is_given_twice_and_each_run_gets_what_it_asked_for(queue, free):
    starts = plan(queue, free)
    for run_id, device in starts.items():
        assert device in suitable(queue[run_id].device, free)
    for device in free:
        assert [*starts.values()].count(device) <= free[device]


@given(queues, free_slots)
def test_the_first_comes_first_and_the_rest_takes_nothing_from_it(queue, free):
    """Who starts is who would start if nobody behind were there."""
    starts = plan(queue, free)
    assert [*starts] == [run_id for run_id in queue if run_id in starts]
    names = [*queue]
    for number in range(len(names)):
        ahead = {name: queue[name] for name in names[:number]}
        assert set(plan(ahead, free)) == set(starts) & set(ahead)


@given(queues, free_slots)
def test_no_slot_stays_free_that_a_waiting_run_could_have(queue, free):
    starts = plan(queue, free)
    left = {device: count - [*starts.values()].count(device) for device, count in free.items()}
    for run_id in set(queue) - set(starts):
        assert not any(left[device] for device in suitable(queue[run_id].device, free))


@given(queues, free_slots)
@settings(max_examples=20)
def test_a_paused_queue_starts_nothing(queue, free):
    assert plan(queue, free, paused=True) == {}


def ticket(device: str) -> Ticket:
    return Ticket(time=0.0, host="here", launches=0, place=0.0, device=device)


def test_a_run_that_waits_for_one_card_holds_up_nobody():
    queue = {"picky": ticket("cuda:1"), "other": ticket("auto"), "third": ticket("cpu")}
    assert plan(queue, {"cuda:0": 1, "cuda:1": 0, "cpu": 1}) == {"other": "cuda:0", "third": "cpu"}


def test_a_run_that_takes_any_card_leaves_the_one_that_another_asks_for():
    queue = {"any": ticket("auto"), "picky": ticket("cuda:0")}
    assert plan(queue, {"cuda:0": 1, "cuda:1": 1, "cpu": 1}) == {"any": "cuda:1", "picky": "cuda:0"}


def test_auto_is_the_cpu_only_where_there_is_no_gpu():
    assert plan({"any": ticket("auto")}, {"cuda:0": 0, "cpu": 1}) == {}
    assert plan({"any": ticket("auto")}, {"cpu": 1}) == {"any": "cpu"}
    assert suitable("auto", dict.fromkeys(["mps", "cpu"])) == ["mps"]
    assert suitable("cuda", dict.fromkeys(["cuda:0", "cuda:1", "cpu"])) == ["cuda:0", "cuda:1"]
