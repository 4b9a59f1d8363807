"""Any recipe survives its command line and its file; any words give a recipe or a sentence."""

import contextlib
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import attempt, examples

from cockpit.cli.parser import parse
from cockpit.datasets import DATASETS
from cockpit.errors import CockpitError
from cockpit.options import Option
from cockpit.recipe import Recipe, changes, command, from_json, options, to_json, usual_recipe
from nets.catalog import MODELS

FIELDS = {option.name: option for option in options()}
NAMED = ("model", "dataset", "preset")


def values(option: Option) -> st.SearchStrategy:
    """All that a field may be."""
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind is bool:
        return st.booleans()
    limits = option.limits
    assert limits is not None
    if option.kind is int:
        assert limits.ge is not None
        return st.integers(int(limits.ge), int(limits.le) if limits.le is not None else 2**31 - 1)
    low, high = (limits.ge if limits.gt is None else limits.gt), (limits.le if limits.lt is None else limits.lt)
    return st.floats(low, high, exclude_min=limits.gt is not None, exclude_max=limits.lt is not None)


@st.composite
def recipes(draw) -> Recipe:
    """A recipe with some of its fields chosen."""
    model, dataset = draw(st.sampled_from(sorted(MODELS))), draw(st.sampled_from(sorted(DATASETS)))
    free = [option for option in options() if option.name not in NAMED]
    chosen = {option.name: draw(values(option)) for option in draw(st.lists(st.sampled_from(free), unique=True))}
    return usual_recipe(model, dataset, draw(st.sampled_from(FIELDS["preset"].choices)), **chosen)


@pytest.fixture(autouse=True)
def no_cache(data_dir):
    """No imported dataset."""


def parsed(words: list[str]) -> Recipe:
    return getattr(parse(words), "recipe")  # noqa: B009


@examples(few=25, many=600)
def test_a_recipe_is_the_same_from_its_command_line(examples):
    @examples
    @given(recipes())
    def check(recipe: Recipe) -> None:
        assert parsed(command(recipe).split()[1:]) == recipe

    check()


@examples(few=200, many=5000)
def test_a_recipe_is_the_same_from_its_file_and_complete_once(examples):
    @examples
    @given(recipes())
    def check(recipe: Recipe) -> None:
        assert from_json(to_json(recipe), Path("recipe.json")) == recipe
        complete = attempt(recipe.complete)
        if not isinstance(complete, Recipe):
            assert "\n" not in str(complete)
            return
        assert complete.complete() == from_json(to_json(complete), Path("recipe.json")) == complete
        assert changes(complete).count("preset") == (recipe.preset != "seed")

    check()


WORDS = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "-", "--", "yes", "no", "nan", "inf", "-inf", "1e999", "1_0", "٣", "9" * 400, "9" * 5000, "\0"]
    ),
    st.sampled_from([choice for option in options() for choice in option.choices]),
)


@examples(few=300, many=10_000)
def test_any_text_in_the_form_is_a_value_or_a_sentence(examples):
    @examples
    @given(st.dictionaries(st.sampled_from(sorted(FIELDS)), WORDS, min_size=1, max_size=4))
    def check(typed: dict[str, str]) -> None:
        recipe = attempt(lambda: Recipe(**{name: FIELDS[name].parse(text) for name, text in typed.items()}).complete())
        if not isinstance(recipe, Recipe):
            assert isinstance(recipe, CockpitError)
            return
        assert recipe.model in MODELS
        assert all(math.isfinite(value) for value in vars(recipe).values() if isinstance(value, float))

    check()


@examples(few=25, many=600)
def test_any_words_behind_train_are_a_recipe_or_refused(examples):
    flags = st.sampled_from([option.flag for option in options()])

    @examples
    @given(st.lists(st.one_of(WORDS, flags, st.builds("{}={}".format, flags, WORDS)), max_size=6))
    def check(words: list[str]) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            recipe = attempt(lambda: parsed(["train", *words]))
        if isinstance(recipe, SystemExit):
            assert recipe.code in (0, 2)
        elif isinstance(recipe, Recipe):
            attempt(recipe.complete)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@examples(few=200, many=5000)
def test_any_file_is_a_recipe_or_named(examples):
    fields = st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=5), JSON | WORDS, max_size=5)

    @examples
    @given(st.binary(max_size=60) | st.one_of(JSON, fields).map(lambda value: json.dumps(value).encode()))
    def check(content: bytes) -> None:
        recipe = attempt(lambda: from_json(content, Path("recipe.json")))
        if isinstance(recipe, Recipe):
            attempt(recipe.complete)
            attempt(lambda: changes(recipe))
        else:
            assert str(recipe).startswith("recipe.json is not a recipe: ")

    check()
