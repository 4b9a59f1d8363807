"""Text from outside loses what a terminal would obey; numbers read as people write them."""

import pytest

from cockpit.tui.bars import styled_bar
from cockpit.tui.text import COLORS, SYMBOLS, bar, duration, millions, percent, plain, status_word, words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("resnet20", "resnet20"),
        ("[/x] [red]", "[/x] [red]"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mC1", "31mC1"),
        ("a\x00b\x7fc\x08", "abc"),
        ("\u202eevil\u2066", "evil"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("two\nlines", "two lines"),
        ("a\tb", "a   b"),
        ("Überraschung 训练 é", "Überraschung 训练 é"),
    ],
)
def test_plain_text_has_nothing_that_a_terminal_obeys(text, shown):
    assert plain(text) == shown


def test_long_text_is_cut():
    assert plain("x" * 10_000) == "x" * 399 + "…"
    assert plain("x" * 50, 10) == "x" * 9 + "…"


def test_words_are_literal_and_leave_out_what_is_empty():
    assert words("a", "", ("[b]b[/b]", "bold"), between=" · ").plain == "a · [b]b[/b]"
    assert words(words("", between="x"), "c", between="x").plain == "c"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "—"), (0, "0:00"), (48.4, "0:48"), (725, "12:05"), (10_929, "3:02:09")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("fraction", "text"), [(None, "—"), (0.9716, "97.2"), (1.0, "100.0"), (0.0, "0.0")])
def test_percentages(fraction, text):
    assert percent(fraction) == text


@pytest.mark.parametrize(("count", "text"), [(269_722, "0.27M"), (11_173_962, "11.2M"), (138_000_000, "138M")])
def test_millions(count, text):
    assert millions(count) == text


@pytest.mark.parametrize(("fraction", "done"), [(-1.0, 0), (0.0, 0), (0.5, 5), (1.0, 10), (7.0, 10)])
def test_the_bar_is_always_as_wide_as_asked(fraction, done):
    full, empty = bar(fraction, 10)
    assert (len(full), len(empty)) == (done, 10 - done)
    assert [part for part, _ in styled_bar(fraction, 10)] == [full, empty]


def test_every_status_has_its_own_sign_and_a_colour():
    assert SYMBOLS.keys() == COLORS.keys()
    assert len({status_word(status) for status in SYMBOLS}) == len(SYMBOLS)
