"""Why a run waits, in words, for boxes with cards: a pure function, so the cards are made up."""

import pytest

from cockpit.dispatch.obstacles import explain
from cockpit.dispatch.plan import Plan
from cockpit.dispatch.slots import Slot

THEIRS = "another program (pid 7)"


def card(number: int, *runs: str, stranger: str = "", slots: int = 1, kept: tuple[str, ...] = ()) -> Slot:
    return Slot(device=f"cuda:{number}", title="", slots=slots, runs=runs, stranger=stranger, kept=kept)


def why(device: str, *slots: Slot, **kept: str) -> str:
    cpu = Slot(device="cpu", title="", slots=1, runs=(), stranger="")
    return explain("me", device, {slot.device: slot for slot in [*slots, cpu]}, Plan({}, kept))


@pytest.mark.parametrize(
    ("device", "slots", "kept", "sentence"),
    [
        ("cuda:0", [card(0, "a")], {}, "cuda:0 is busy with a"),
        ("cuda:0", [card(0, stranger=THEIRS)], {}, "cuda:0 is busy with another program (pid 7)"),
        ("cuda:1", [card(0), card(1, kept=("big",))], {}, "cuda:1 is kept for big"),
        ("auto", [card(0, "a"), card(1, kept=("big",))], {}, "cuda:1 is kept for big"),
        ("auto", [card(0, "a"), card(1)], {}, "earlier runs come first"),
        ("auto", [card(0, "a"), card(1, stranger=THEIRS)], {}, "all 2 devices are busy, 1 with other programs"),
        ("cuda:7", [card(0)], {}, "cuda:7 is not on this machine"),
        ("cuda:0,cuda:7", [card(0)], {}, "cuda:7 is not on this machine"),
        (
            "cuda:0,cuda:1",
            [card(0, kept=("me",)), card(1, "a")],
            {"me": "cuda:0"},
            "cuda:1 is busy with a; cuda:0 is kept for it",
        ),
        (
            "cuda:0,cuda:1,cuda:2",
            [card(0, kept=("me",)), card(1, kept=("me",)), card(2, kept=("first",))],
            {"me": "cuda:0,cuda:1"},
            "cuda:2 is kept for first; cuda:0, cuda:1 are kept for it",
        ),
        (
            "cuda:0,cuda:1",
            [card(0, stranger=THEIRS), card(1)],
            {},
            "cuda:0 is busy with another program (pid 7)",
        ),
        (
            "cuda:0,cuda:1",
            [card(0, slots=0), card(1, "a")],
            {},
            "cuda:0 has no slots; `cockpit queue slots cuda:0 1` gives it one",
        ),
        (
            "cuda,cuda",
            [card(0, kept=("me",)), card(1, "a")],
            {"me": "cuda:0"},
            "it takes 2 cards at once; cuda:0 is kept",
        ),
        ("cuda,cuda", [card(0, "a"), card(1, "b")], {}, "it takes 2 cards at once, and none is free for it"),
        ("cuda,cuda", [card(0)], {}, "it takes 2 cards, and this machine has 1"),
        ("cuda,cuda", [], {}, "it takes 2 cards, and this machine has none"),
        (
            "cuda,cuda",
            [card(0), card(1, stranger=THEIRS)],
            {},
            "it takes 2 cards, and of 2 only 1 can be had, 1 busy with other programs",
        ),
        (
            "cuda,cuda",
            [card(0), card(1, slots=0)],
            {},
            "it takes 2 cards, and of 2 only 1 can be had, the others have no",
        ),
    ],
)
def test_it_says_what_is_missing_and_what_is_kept(device, slots, kept, sentence):
    said = why(device, *slots, **kept)
    assert said.startswith(sentence)


def test_a_device_without_slots_is_to_have_as_many_as_the_run_takes():
    none = Slot(device="cpu", title="", slots=0, runs=(), stranger="")
    said = explain("me", "cpu,cpu,cpu", {"cpu": none}, Plan({}, {}))
    assert said == "cpu has no slots; `cockpit queue slots cpu 3` gives it them"
