"""The plan, for any queue and any box: never two runs on a slot, the order kept, nobody held back by a later one.

A run on several devices gets all of them at once, and nobody behind it can starve it.
"""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.dispatch.plan import demand, plan, suitable
from cockpit.tickets import Ticket, in_order

DEVICES = ["cuda:0", "cuda:1", "cuda:2", "mps", "cpu"]
SEVERAL = [
    "cuda:0,cuda:1",
    "cuda:2,cuda:0",
    "cuda:0,cuda:1,cuda:2",
    "cuda,cuda",
    "cuda,cuda,cuda",
    "cpu,cpu",
    "cpu,cpu,cpu",
]
boxes = st.lists(st.sampled_from(DEVICES[:4]), unique=True).map(lambda found: [*sorted(found), "cpu"])
slots_of_boxes = boxes.flatmap(
    lambda box: st.fixed_dictionaries({device: st.tuples(st.integers(0, 3), st.integers(0, 2)) for device in box})
)
"""By device: the free slots, and those that our runs have."""
tickets = st.builds(
    Ticket,
    time=st.just(0.0),
    host=st.just("here"),
    launches=st.just(0),
    place=st.integers(0, 5).map(float),
    priority=st.integers(-1, 1),
    device=st.sampled_from(["auto", "cuda", *DEVICES, *SEVERAL]),
)
queues = st.lists(tickets, max_size=12).map(
    lambda found: in_order({f"run-{number}": ticket for number, ticket in enumerate(found)})
)


def sides(box: dict[str, tuple[int, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Return what is free, and what would be if all of our runs had ended."""
    return {device: free for device, (free, _) in box.items()}, {device: sum(both) for device, both in box.items()}


def given_away(devices_of: dict[str, str]) -> Counter[str]:
    return Counter(device for devices in devices_of.values() for device in devices.split(","))


@given(queues, slots_of_boxes)
def test_no_slot_is_given_twice_and_each_run_gets_what_it_asked_for(queue, box):
    free, most = sides(box)
    planned = plan(queue, free, most)
    for run_id, devices in planned.starts.items():
        wants, names = demand(queue[run_id].device, free), devices.split(",")
        assert len(names) == wants.num_slots
        assert all(names.count(name) <= wants.most[name] for name in names)
        assert queue[run_id].device in ("auto", "cuda", devices) or queue[run_id].device.startswith("cuda,")
    assert not planned.starts.keys() & planned.kept.keys()
    taken = given_away(planned.starts) + given_away(planned.kept)
    assert all(taken[device] <= free[device] for device in free)


@given(queues, slots_of_boxes)
def test_the_first_comes_first_and_the_rest_takes_nothing_from_it(queue, box):
    """Who starts is who would start if nobody behind were there, and as much is kept for who does not."""
    free, most = sides(box)
    planned = plan(queue, free, most)
    assert [*planned.starts] == [run_id for run_id in queue if run_id in planned.starts]
    names = [*queue]
    for number in range(len(names)):
        ahead = {name: queue[name] for name in names[:number]}
        alone = plan(ahead, free, most)
        assert {*alone.starts} == {*planned.starts} & {*ahead}
        assert {run_id: kept.count(",") for run_id, kept in alone.kept.items()} == {
            run_id: kept.count(",") for run_id, kept in planned.kept.items() if run_id in ahead
        }


@given(queues, slots_of_boxes)
def test_the_first_starts_whenever_its_devices_are_free(queue, box):
    free, most = sides(box)
    for run_id, ticket in itertools.islice(queue.items(), 1):
        assert (run_id in plan(queue, free, most).starts) == demand(ticket.device, free).is_met_by(free)


@given(queues, slots_of_boxes)
def test_a_slot_stays_free_only_if_it_is_kept_for_an_earlier_run(queue, box):
    free, most = sides(box)
    planned = plan(queue, free, most)
    left = Counter(free) - given_away(planned.starts) - given_away(planned.kept)
    for run_id in set(queue) - set(planned.starts):
        wants, has = demand(queue[run_id].device, free), planned.kept.get(run_id, "").split(",")
        if wants.is_met_by(most):
            assert not any(left[device] and has.count(device) < count for device, count in wants.most.items())
        else:
            assert run_id not in planned.kept, "it can never start, and keeps something from others"


@given(
    st.lists(st.sampled_from(["auto", "cuda:0", "cuda:1", "cuda,cuda", "cuda:0,cuda:1", "cpu", "cpu,cpu"]), max_size=4),
    st.data(),
)
def test_it_is_the_best_of_all_ways_to_seat_them_in_their_order(wanted, data):
    """Brute force: of all ways to give slots away, that in which the first has most, then the second, and so on."""
    queue = {f"run-{number}": ticket(device) for number, device in enumerate(wanted)}
    free = {device: data.draw(st.integers(0, 2), device) for device in ("cuda:0", "cuda:1", "cpu")}
    most = {device: count + data.draw(st.integers(0, 2), device) for device, count in free.items()}
    demands = [demand(device, free) for device in wanted]
    ways = [list(_ways(wants)) if wants.is_met_by(most) else [()] for wants in demands]
    possible = (
        way for way in itertools.product(*ways) if all(n <= free[d] for d, n in Counter(itertools.chain(*way)).items())
    )
    best = max(tuple(map(len, way)) for way in possible)
    planned = plan(queue, free, most)
    found = planned.starts | planned.kept
    assert tuple(len(found[run_id].split(",")) if run_id in found else 0 for run_id in queue) == best
    assert [run_id in planned.starts for run_id in queue] == [
        count == wants.num_slots for count, wants in zip(best, demands, strict=True)
    ]


def _ways(wants):
    """Yield all ways to give a run some of the slots that it asks for, or none."""
    seats = [device for device, count in wants.most.items() for _ in range(count)]
    for count in range(wants.num_slots + 1):
        yield from set(itertools.combinations(seats, count))


@given(queues, slots_of_boxes, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_small_runs_that_keep_coming_starve_nobody(queue, box, random):
    """Whoever is first has started once all that trained by then have ended, however many come in behind it."""
    _, most = sides(box)
    wanted = [run_id for run_id, ticket in queue.items() if demand(ticket.device, most).is_met_by(most)]
    waiting = {run_id: queue[run_id] for run_id in wanted}
    training: dict[str, str] = {}
    numbers = itertools.count()
    while wanted:
        first = next(run_id for run_id in wanted)
        for run_id in random.sample([*training], len(training)):  # they end one after another
            del training[run_id]
            for device in most:
                waiting[f"small-{next(numbers)}"] = ticket(device)
            free = dict(Counter(most) - given_away(training))
            planned = plan(waiting, {device: free.get(device, 0) for device in most}, most)
            training |= planned.starts
            waiting = {name: waiting[name] for name in waiting if name not in planned.starts}
        planned = plan(waiting, {d: n - given_away(training)[d] for d, n in most.items()}, most)
        training |= planned.starts
        waiting = {name: waiting[name] for name in waiting if name not in planned.starts}
        assert first in training or first not in waiting
        wanted = [run_id for run_id in wanted if run_id in waiting]


@given(queues, slots_of_boxes)
@settings(max_examples=20)
def test_a_paused_queue_starts_and_keeps_nothing(queue, box):
    assert plan(queue, *sides(box), paused=True) == ({}, {})


def ticket(device: str) -> Ticket:
    return Ticket(time=0.0, host="here", launches=0, place=0.0, device=device)


def starts(queue: dict[str, str], free: dict[str, int], most: dict[str, int] | None = None) -> dict[str, str]:
    return plan({run_id: ticket(device) for run_id, device in queue.items()}, free, most).starts


def test_a_run_that_waits_for_one_card_holds_up_nobody():
    queue = {"picky": "cuda:1", "other": "auto", "third": "cpu"}
    assert starts(queue, {"cuda:0": 1, "cuda:1": 0, "cpu": 1}) == {"other": "cuda:0", "third": "cpu"}


def test_a_run_that_takes_any_card_leaves_the_one_that_another_asks_for():
    queue = {"any": "auto", "picky": "cuda:0"}
    assert starts(queue, {"cuda:0": 1, "cuda:1": 1, "cpu": 1}) == {"any": "cuda:1", "picky": "cuda:0"}


def test_auto_is_the_cpu_only_where_there_is_no_gpu():
    assert starts({"any": "auto"}, {"cuda:0": 0, "cpu": 1}) == {}
    assert starts({"any": "auto"}, {"cpu": 1}) == {"any": "cpu"}
    assert suitable("auto", dict.fromkeys(["mps", "cpu"])) == ["mps"]
    assert suitable("cuda", dict.fromkeys(["cuda:0", "cuda:1", "cpu"])) == ["cuda:0", "cuda:1"]


FOUR = {"cuda:0": 1, "cuda:1": 1, "cuda:2": 1, "cuda:3": 1, "cpu": 1}


def test_a_run_on_several_cards_keeps_those_that_are_free_and_gives_on_the_others():
    queue = {"large": ticket("cuda:0,cuda:1"), "small": ticket("cuda:0"), "other": ticket("auto"), "cpu": ticket("cpu")}
    planned = plan(queue, FOUR | {"cuda:1": 0}, FOUR)
    assert planned.kept == {"large": "cuda:0"}
    assert planned.starts == {"other": "cuda:2", "cpu": "cpu"}


def test_any_two_cards_are_two_different_ones():
    queue = {"two": "cuda,cuda"}
    assert starts(queue, {"cuda:0": 3, "cuda:1": 0, "cpu": 1}, {"cuda:0": 3, "cuda:1": 1, "cpu": 1}) == {}
    assert starts(queue, {"cuda:0": 3, "cuda:1": 1, "cpu": 1}) == {"two": "cuda:0,cuda:1"}


def test_any_two_cards_make_room_for_who_names_one():
    queue = {"two": "cuda,cuda", "picky": "cuda:0", "third": "cuda:1"}
    assert starts(queue, FOUR) == {"two": "cuda:2,cuda:3", "picky": "cuda:0", "third": "cuda:1"}


def test_the_cards_come_in_the_order_in_which_they_were_asked_for():
    assert starts({"run": "cuda:2,cuda:0"}, FOUR) == {"run": "cuda:2,cuda:0"}


def test_two_processes_on_the_cpu_take_two_of_its_slots():
    assert starts({"two": "cpu,cpu"}, {"cpu": 1}, {"cpu": 2}) == {}
    assert starts({"two": "cpu,cpu"}, {"cpu": 2}) == {"two": "cpu,cpu"}


def test_a_run_that_cannot_start_however_many_end_keeps_nothing():
    """Somebody else's program has cuda:1: it is not ours to wait for, and others may have cuda:0 meanwhile."""
    queue = {"large": ticket("cuda:0,cuda:1"), "small": ticket("auto")}
    planned = plan(queue, {"cuda:0": 1, "cuda:1": 0, "cpu": 1}, {"cuda:0": 1, "cuda:1": 0, "cpu": 1})
    assert (planned.starts, planned.kept) == ({"small": "cuda:0"}, {})


@pytest.mark.parametrize(
    "device", ["cuda:0,cuda:0", "cpu,cuda:0", "auto,auto", "cuda:0,", "", "\x1b[2J", "cuda:9,cuda:0"]
)
def test_a_ticket_that_names_no_devices_gets_none(device):
    assert plan({"odd": ticket(device)}, FOUR) == ({}, {})
