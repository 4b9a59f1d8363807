"""How devices are named: every way to type the same comes to one form, and a mistake is a sentence with its remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.cli.parser import parse
from cockpit.device_names import MOST, count, first_of, is_open, normal
from cockpit.devices import Gpu, settle
from cockpit.errors import CockpitError


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("auto", "auto"),
        ("CPU", "cpu"),
        ("0", "cuda:0"),
        ("0,1", "cuda:0,cuda:1"),
        ("cuda:3, 1", "cuda:3,cuda:1"),
        ("cuda:01", "cuda:1"),
        ("cuda,cuda", "cuda,cuda"),
        ("cpu,cpu,cpu", "cpu,cpu,cpu"),
        (" mps ", "mps"),
    ],
)
def test_what_is_typed_becomes_one_form(typed, expected):
    assert normal(typed) == normal(expected) == expected
    assert count(normal(typed)) == len(expected.split(","))
    assert first_of(normal(typed)) == expected.split(",")[0]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "there is no device ''; choose auto, cpu, mps, cuda or cuda:<n>, or several, for example cuda:0,cuda:1"),
        ("tpu", "there is no device 'tpu'; choose auto"),
        ("cuda:", "there is no device 'cuda:'"),
        ("-1", "there is no device '-1'"),
        ("٣", "there is no device '٣'"),
        ("0;1", "there is no device '0;1'"),
        ("99999", "there is no device '99999'"),
        ("0,", "device '0,' lacks a name beside a comma; name each, for example cuda:0,cuda:1"),
        ("0,0", "device 'cuda:0' is named twice in '0,0'; name each card once"),
        ("cpu,0", "device 'cpu,0' mixes cards and CPU, which would wait for the CPU; take one kind"),
        ("cpu,cuda", "device 'cpu,cuda' mixes cards and CPU"),
        (
            "auto,auto",
            "device 'auto' of 'auto,auto' cannot be one of several; name each card, for example cuda:0,cuda:1",
        ),
        ("mps,mps", "device 'mps' of 'mps,mps' cannot be one of several"),
        ("cuda,1", "device 'cuda,1' names some of its cards and not the others; name each"),
        ("cpu," * 100_000, "… is 100,001 devices; a run has 64 at most"),
    ],
    ids=lambda value: value[:20],
)
def test_a_mistake_is_told_with_its_remedy(typed, sentence):
    with pytest.raises(CockpitError) as caught:
        normal(typed)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.text(max_size=30) | st.lists(st.sampled_from(["cuda", "cuda:0", "1", "cpu", "auto", "", "x"])).map(",".join))
def test_a_form_is_its_own_form_or_a_mistake(typed):
    try:
        found = normal(typed)
    except CockpitError:
        return
    assert normal(found) == found
    assert 1 <= count(found) <= MOST


@pytest.mark.parametrize("flag", ["--device", "--devices"])
@pytest.mark.parametrize(
    "words",
    ["train", "resume RUN", "test RUN", "preflight", "bench"],
)
def test_both_spellings_are_one_flag_of_every_command(flag, words):
    command = parse([*words.split(), flag, "0,1"])
    assert command.device == "cuda:0,cuda:1"  # pyright: ignore[reportAttributeAccessIssue]
    command = parse([*words.split(), "--device", "cpu", flag + "=cpu,cpu"])
    assert command.device == "cpu,cpu"  # pyright: ignore[reportAttributeAccessIssue]


def gpu(index: int, gib: float, *pids: int) -> Gpu:
    facts = {"name": "H200", "memory_total_bytes": 140 << 30, "busy": None, "power_w": None, "temperature_c": None}
    return Gpu(index=index, memory_bytes=int(gib * 2**30), pids=pids, **facts)  # pyright: ignore[reportArgumentType]


def test_any_two_cards_are_those_on_which_fewest_compute_and_then_the_emptiest():
    gpus = [gpu(0, 1, 77), gpu(1, 9), gpu(2, 0), gpu(3, 5)]
    assert settle("cuda,cuda", gpus) == "cuda:2,cuda:3"
    assert settle("cuda,cuda,cuda,cuda", gpus) == "cuda:0,cuda:1,cuda:2,cuda:3"
    assert settle("cuda", gpus) == "cuda:2"
    assert [settle(one, gpus) for one in ("auto", "cuda:1,cuda:0", "cpu,cpu")] == [
        "auto",
        "cuda:1,cuda:0",
        "cpu,cpu",
    ]
    assert is_open("cuda,cuda")
    assert not is_open("cuda")
