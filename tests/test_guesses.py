"""The guesses of a run as their readers see them."""

from cockpit import records
from cockpit.guesses import MAX_EPOCHS, GuessHistory, is_right, num_right, right_since, told_of


def guesses(epoch: int, *best: int, step: int | None = None, share: float | None = 0.5) -> records.Guesses:
    found = [records.Guess(100 + label, label, one, share, 0.25) for label, one in enumerate(best)]
    return records.Guesses(epoch=epoch, step=step if step is not None else 10 * epoch, guesses=found)


def running(step: int) -> records.Phase:
    return records.Phase(time=0.0, state="running", step=step)


def test_what_a_resume_went_back_behind_is_gone():
    history = GuessHistory([running(0), guesses(1, 0), guesses(2, 0), guesses(3, 0)])
    handed_out = history.epochs
    history.extend([running(15), guesses(2, 1)])
    assert [(one.epoch, one.guesses[0].best) for one in history.epochs] == [(1, 0), (2, 1)]
    assert len(handed_out) == 3


def test_a_record_that_does_not_go_forward_is_left_out():
    history = GuessHistory([guesses(3, 0), guesses(3, 1), guesses(2, 0), guesses(4, 0, step=1), guesses(5)])
    assert [one.epoch for one in history.epochs] == [3]


def test_the_newest_of_too_many_are_kept():
    history = GuessHistory(guesses(epoch, 0) for epoch in range(1, 3 * MAX_EPOCHS))
    assert len(history.epochs) == MAX_EPOCHS
    assert history.epochs[-1].epoch == 3 * MAX_EPOCHS - 1


def test_an_image_has_a_history():
    epochs = [guesses(1, 0, 0), guesses(2, 1, 1), guesses(3, 0, 1), guesses(4, 0, 1)]
    assert [right_since(epochs, image) for image in (100, 101, 999)] == [3, 2, None]
    assert [num_right(one) for one in epochs] == [1, 1, 2, 2]
    assert told_of(epochs, 999) == [None] * 4
    assert not is_right(guesses(1, 0, share=None).guesses[0])


def test_what_no_network_can_say_is_no_record():
    good = records.encode(guesses(1, 0, 1))
    bad = [good.replace(b"0.5", word) for word in (b"1.5", b"-0.1", b'"x"', b"1e999")]
    bad += [good.replace(b"[100", b"[-1"), good.replace(b"[100,0,0,0.5,0.25]", b"[100,0]")]
    assert len(list(records.decode_lines([good]))) == 1
    assert list(records.decode_lines(bad)) == []
    many = records.Guesses(epoch=1, step=1, guesses=guesses(1, 0).guesses * 65)
    assert list(records.decode_lines([records.encode(many)])) == []
