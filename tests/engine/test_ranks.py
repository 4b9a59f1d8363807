"""What each of several processes takes of a batch, and what their ends mean for the run."""

import itertools
from collections import Counter

import numpy as np
import pytest
import seen
import torch
from hypothesis import given
from hypothesis import strategies as st

from cockpit.engine.augment import ImageBank, Normalization, batches, draw_plan
from cockpit.engine.data import split_indices
from cockpit.engine.group import find_dead, judge
from cockpit.engine.member import LastWord, State, make_room, read_last_words
from cockpit.engine.ranks import own_batches, share
from cockpit.recipe import Recipe
from cockpit.store import RunStore


@pytest.fixture(scope="module")
def bank() -> ImageBank:
    """A bank of 150 noisy images, each labelled with its own number."""
    images = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
    normalization = Normalization(torch.zeros(1, 1, 3), torch.ones(1, 1, 3))
    return ImageBank(images, np.arange(150), normalization, torch.device("cpu"))


@pytest.mark.parametrize(
    ("batch_size", "size", "tail"), [(16, 2, 6), (16, 3, 6), (37, 4, 2), (150, 8, 150), (149, 7, 1)]
)
def test_every_image_is_seen_once_an_epoch_as_one_process_sees_it(bank, batch_size, size, tail):
    assert (150 % batch_size or batch_size) == tail
    plan = draw_plan(150, 7, 3, torch.device("cpu"), augment="seed", hflip=True)
    alone = list(batches(bank, plan, batch_size, first=0))
    ranks = [list(own_batches(bank, plan, batch_size, first=0, rank=rank, size=size)) for rank in range(size)]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert torch.equal(torch.cat([images for images, _ in parts]), whole[0])
        assert torch.equal(torch.cat([labels for _, labels in parts]), whole[1])
        counts = [len(labels) for _, labels in parts]
        assert max(counts) - min(counts) <= 1
    seen = torch.cat([labels for parts in ranks for _, labels in parts])
    assert sorted(seen.tolist()) == list(range(150))


def test_a_resume_in_mid_epoch_sees_what_is_left(bank):
    plan = draw_plan(150, 7, 3, torch.device("cpu"), augment="cutout", hflip=False)
    whole = list(own_batches(bank, plan, 16, first=0, rank=1, size=3))
    left = list(own_batches(bank, plan, 16, first=4, rank=1, size=3))
    for (images, labels), (expected, expected_labels) in zip(left, whole[4:], strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)


@pytest.mark.slow
def test_every_image_is_trained_on_once_an_epoch_that_other_numbers_of_ranks_go_on_with(tmp_path, tiny):
    """The trainer's own loop, stopped and taken up: 144 images, whose last batch has fewer than there are ranks."""
    recipe = Recipe(dataset="tiny", epochs=2, batch_size=71, augment="none").complete()
    run = RunStore(tmp_path).create(recipe)
    parts = [seen.train_on(run, size, num_steps) for size, num_steps in ((3, 1), (2, 1), (4, 1))]
    assert [part.total() for part in parts] == [71, 71, 2]
    assert len(sum(parts, Counter())) == 144
    assert set(sum(parts, Counter()).values()) == {1}


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_shares_are_a_partition(num_images, size):
    parts = [share(num_images, rank, size) for rank in range(size)]
    assert parts[0][0] == 0
    assert parts[-1][1] == num_images
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    lengths = [stop - start for start, stop in parts]
    assert max(lengths) - min(lengths) <= 1


def test_validation_images_are_shared_out_too():
    _, val = split_indices(1_438, 0.1, 0)
    parts = [val[slice(*share(len(val), rank, 3))] for rank in range(3)]
    assert np.array_equal(np.concatenate(parts), val)


def word(state: State, detail: str = "") -> LastWord:
    return LastWord(state=state, detail=detail, step=5, elapsed_s=2.0)


@pytest.mark.parametrize(
    ("words", "failures", "state", "detail"),
    [
        ({0: word("finished", "top-1 9 %"), 1: word("finished")}, {}, "finished", "top-1 9 %"),
        ({0: word("stopped", "by SIGTERM at step 5"), 1: word("stopped")}, {}, "stopped", "by SIGTERM at step 5"),
        ({0: word("stopped", "by SIGTERM at step 5")}, {1: -9}, "stopped", "by SIGTERM at step 5"),
        ({0: word("parted", "closed"), 1: word("failed", "out of it")}, {1: 1, 0: 1}, "failed", "rank 1: out of it"),
        ({0: word("failed", "loss is NaN"), 1: word("parted")}, {0: 1, 1: 1}, "failed", "loss is NaN"),
        ({0: word("parted", "closed")}, {0: 1, 1: -9}, "parted", "rank 1 was ended by signal 9 (SIGKILL)"),
        ({}, {1: -11, 0: -9}, "parted", "rank 1 was ended by signal 11 (SIGSEGV)"),
        ({1: word("parted")}, {0: -9, 1: 1}, "parted", "rank 0 was ended by signal 9 (SIGKILL)"),
        ({1: word("parted")}, {0: 3}, "parted", "rank 0 ended without a word (exit code 3; log.txt may tell more)"),
        ({0: word("unanswered")}, {0: 1, 1: -9}, "failed", "rank 1 did not answer for 60 s"),
        ({0: word("parted", "eh"), 1: word("parted")}, {0: 1, 1: 1}, "parted", "the ranks lost each other: eh"),
    ],
)
def test_the_run_ends_as_its_ranks_did(words, failures, state, detail):
    ended = judge(words, failures, size=2, patience_s=60)
    assert (ended.state, ended.detail) == (state, detail)


@pytest.mark.parametrize(
    ("words", "failures", "dead"),
    [
        ({0: word("parted")}, {0: 1, 3: -9, 1: -15}, 3),
        ({0: word("finished"), 1: word("finished")}, {}, None),
        ({0: word("parted"), 1: word("parted")}, {1: 1, 0: 1}, None),
    ],
)
def test_the_dead_rank_is_the_first_that_had_no_last_word(words, failures, dead):
    assert find_dead(words, failures) == dead


def test_last_words_that_another_trainer_has_swept_away_are_none(tmp_path):
    assert read_last_words(tmp_path / "gone", range(2)) == {}


def test_a_last_word_has_its_room_before_the_disk_is_full(tmp_path):
    make_room(tmp_path, 2)
    assert all(path.stat().st_size > 4_096 for path in tmp_path.iterdir())
    assert read_last_words(tmp_path, range(2)) == {}
