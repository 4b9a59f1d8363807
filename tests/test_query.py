"""The filter language: each kind of term, each mistake in a sentence, and what holds for any filter."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import attempt, examples

from cockpit import fields
from cockpit.errors import CockpitError
from cockpit.query import Query, parse
from cockpit.recipe import Recipe
from cockpit.status import RunInfo, TestScores
from cockpit.suggest import complete, search


def row(number: int = 1, **values) -> RunInfo:
    scores = values.pop("top1", None)
    recipe = values.pop("recipe", None) or Recipe(model=values.get("model", "resnet20")).complete()
    usual = {
        "id": f"20261120-14{number:02}00-{recipe.model}-digits-{number:04x}",
        "path": "/runs",
        "status": "finished",
        "detail": "",
        "model": recipe.model,
        "dataset": "digits",
        "epoch": 3,
        "epochs": 30,
        "best_val_acc": None,
        "best_epoch": None,
        "test": None
        if scores is None
        else TestScores(top1=scores, top5=0.99, loss=0.1, epoch=1, run="", dataset="", images=0),
        "elapsed_s": 0.0,
        "launched": None,
        "changes": "",
        "recipe": recipe,
    }
    return RunInfo(**usual | values)


def found(text: str, *rows: RunInfo) -> list[int]:
    """Return the places of the rows that match."""
    kept = parse(text).select(rows)
    return [place for place, one in enumerate(rows) if one in kept]


RESNET = row(1, model="resnet20", best_val_acc=0.912, top1=0.9, tags=("base", "long-run"), note="Nice curve")
FAST = Recipe(model="vgg16_bn", lr=0.05, preset="fast", nesterov=True).complete()
VGG = row(2, recipe=FAST, status="running", best_val_acc=0.5, elapsed_s=7300.0, changes="lr 0.05")
NEW = row(3, model="seresnet18", status="created")
ROWS = (RESNET, VGG, NEW)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [0, 1, 2]),
        ("resnet", [0, 2]),
        ("RESNET finished", [0]),
        ("nice", [0]),
        ("long", [0]),
        ("lr", [1]),
        ("model:resnet*", [0]),
        ("model:*resnet*", [0, 2]),
        ("model:resnet", []),
        ("model:resnet2?", [0]),
        ("model=VGG16_BN", [1]),
        ("model!=vgg16_bn", [0, 2]),
        ("status:running,created", [1, 2]),
        ("-status:running", [0, 2]),
        ("!status:running", [0, 2]),
        ("-resnet", [1]),
        ("dataset:digits model:vgg*", [1]),
        ("tag:base", [0]),
        ("tag:ba", []),
        ("tag:ba*", [0]),
        ("-tag:*", [1, 2]),
        ("note:curve", [0]),
        ('note:"nice curve"', [0]),
        ('"nice curve"', [0]),
        ("note:*", [0]),
        ("id:-0002", [1]),
        ("id:20261120*0003", [2]),
        ("lr:0.05", [1]),
        ("lr>0.05", [0, 2]),
        ("lr>=0.05", [0, 1, 2]),
        ("preset:fast", [1]),
        ("batch_size:128", [0, 1, 2]),
        ("batch-size:128,64", [0, 1, 2]),
        ("nesterov:yes", [1]),
        ("val>0.9", [0]),
        ("val>90", [0]),
        ("val>90%", [0]),
        ("val>1%", [0, 1]),
        ("val<=50", [1]),
        ("val:91.2", [0]),
        ("-val>0.9", [1, 2]),
        ("test>=0.9", [0]),
        ("test:*", [0]),
        ("-test:*", [1, 2]),
        ("took>2h", [1]),
        ("took>2h1m40s", []),
        ("took<1w", [1]),
        ("epoch:3 epochs>20", [0, 1, 2]),
        ("model:", [0, 1, 2]),
        ("val>", [0, 1, 2]),
        ("status:running,", [1]),
        ("recipe:lr", [1]),
    ],
)
def test_a_filter_finds(text, places):
    assert found(text, *ROWS) == places


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle:x", "unknown field 'modle' (did you mean model"),
        ("foo:bar", "unknown field 'foo'"),
        ("val>high", "val is an accuracy, and 'high' is none; write 0.9 or 90%"),
        ("val>900", "val is an accuracy, from 0 to 100 %, and '900' is not"),
        ("epoch>three", "epoch is a number, and 'three' is none"),
        ("lr>nan", "lr is a number, and 'nan' is none"),
        ("took>2", "took is a duration, and '2' is none; write 90s, 30m, 2h, 1h30m, 3d or 1w"),
        ("started>soon", "started is a day, and 'soon' is none; write 2026-11-20, 2026-11, today or yesterday"),
        ("started>2026-13", "started is a day"),
        ("model>resnet", "model is no number; write model:resnet"),
        ("nesterov:maybe", "nesterov is yes or no, not 'maybe'"),
        ("x" * 2000, "the filter has 2,000 characters"),
    ],
)
def test_a_mistake_is_a_sentence(text, sentence):
    with pytest.raises(CockpitError, match=re.escape(sentence)):
        parse(text)


def test_days_are_whole_days_of_local_time():
    def at(day: int, hour: int, minute: int = 0) -> RunInfo:
        return row(launched=time.mktime((2026, 11, day, hour, minute, 0, 0, 0, -1)))

    days = (at(19, 23, 59), at(20, 0), at(20, 23, 59), at(21, 0), row())
    assert found("started:2026-11-20", *days) == [1, 2]
    assert found("started>2026-11-20", *days) == [3]
    assert found("started>=2026-11-20", *days) == [1, 2, 3]
    assert found("started<2026-11-20", *days) == [0]
    assert found("started<=2026-11-20", *days) == [0, 1, 2]
    assert found("started:2026-11", *days) == [0, 1, 2, 3]
    assert found("started:2026-11-20T23:59", *days) == [2]
    assert found("-started:*", *days) == [4]


def test_ages_are_counted_from_the_newest_launch():
    now = time.time()
    rows = (row(launched=now - 3600), row(launched=now - 5 * 86_400), row())
    assert found("age<3d", *rows) == [0]
    assert found("age>3d", *rows) == [1]
    assert found("started:today,yesterday", *rows) == [0]


@pytest.mark.parametrize(
    ("text", "places", "meant"),
    [
        ("model:res", [0], "model:res*"),
        ("digits model:res", [0], "digits model:res*"),
        ("model:resnet20", [0], ""),
        ("vgg epo", [1], "vgg"),
        ("vgg -sta", [1], ""),
        ("sta", [0, 1, 2], ""),
        ("nothing", [], ""),
    ],
)
def test_what_is_still_being_typed_finds_what_it_may_become(text, places, meant):
    rows, taken = search(text, ROWS)
    assert [ROWS.index(one) for one in rows] == places
    assert taken == meant


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("mo", "model:"),
        ("model:v", "model:vgg16_bn"),
        ("vgg -st", "vgg -status:"),
        ("status:running,f", "status:running,finished"),
        ("tag:lo", "tag:long-run"),
        ("tag:base", ""),
        ("val>0", ""),
        ("", ""),
        ("x", ""),
    ],
)
def test_the_last_word_is_completed(text, completed):
    assert complete(text, ROWS) == completed


PIECES = st.sampled_from([*fields.fields(), *":=<>!-*?,%\"'\\[]().", ">=", " ", "9", "0.5", "2h", "running", "é", "\0"])
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join))
VALUES = st.one_of(st.none(), st.floats(0, 1))
MANY = st.lists(
    st.builds(
        row,
        st.integers(0, 99),
        model=st.sampled_from(["resnet20", "vgg16_bn"]),
        status=st.sampled_from(["running", "failed"]),
        note=st.text(max_size=20),
        tags=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
        best_val_acc=VALUES,
        elapsed_s=st.floats(0, 1e6),
    ),
    max_size=6,
)
TERMS = st.sampled_from(
    ["resnet", "model:res*", "val>0.5", "val<=50%", "tag:a", "tag:a,b", "took>1h", "note:*", '"x y"']
)


@examples(few=300, many=20_000)
def test_any_text_is_a_filter_or_a_sentence(examples):
    @examples
    @given(TEXTS, MANY)
    def check(text: str, rows: list[RunInfo]) -> None:
        query = attempt(lambda: parse(text))
        if isinstance(query, Query):
            assert all(one in rows for one in query.select(rows))
            assert all(one in rows for one in search(text, rows).rows)
        complete(text, rows)

    check()


@examples(few=150, many=5000)
def test_terms_combine_as_sets_do(examples):
    @examples
    @given(TERMS, TERMS, MANY)
    def check(one: str, other: str, rows: list[RunInfo]) -> None:
        def select(text: str) -> list[int]:
            kept = parse(text).select(rows)
            return [place for place, each in enumerate(rows) if any(each is match for match in kept)]

        all_of_them = {*range(len(rows))}
        assert {*select(f"-{one}")} == all_of_them - {*select(one)}
        assert {*select(f"{one} {other}")} == {*select(one)} & {*select(other)}
        assert select(f"{one} {other}") == select(f"  {other}   {one} {other}")
        assert {*select("tag:a,b")} == {*select("tag:a")} | {*select("tag:b")}

    check()


@examples(few=150, many=5000)
def test_a_bare_word_stands_anywhere(examples):
    @examples
    @given(st.text("rsnet20v_-19.", min_size=1, max_size=4), MANY)
    def check(word: str, rows: list[RunInfo]) -> None:
        if word[0] != "-":
            texts = [f"{r.id} {r.status} {r.model} {r.dataset} {r.changes}\n{r.note}\n{r.tags}".lower() for r in rows]
            matches = [word in text for text in texts]
            assert parse(word).select(rows) == [one for one, match in zip(rows, matches, strict=True) if match]

    check()


def test_a_pattern_of_many_stars_is_no_trap():
    hostile = row(note="a" * 2000)
    assert found("note:" + "*a" * 400 + "*b", hostile) == []


@pytest.mark.parametrize(
    ("name", "reverse", "places"),
    [
        ("val", False, [0, 1, 2]),
        ("val", True, [1, 0, 2]),
        ("model", False, [0, 2, 1]),
        ("model", True, [1, 2, 0]),
        ("tag", False, [0, 1, 2]),
        ("took", False, [1, 0, 2]),
        ("lr", False, [1, 0, 2]),
        ("", True, [2, 1, 0]),
        ("", False, [0, 1, 2]),
    ],
)
def test_rows_sort_by_any_field_and_those_without_a_value_are_last(name, reverse, places):
    assert [ROWS.index(one) for one in fields.sort_rows(ROWS, name, reverse=reverse)] == places


@pytest.mark.parametrize("name", fields.fields())
def test_every_field_sorts_and_filters(name):
    assert len(fields.sort_rows(ROWS, name)) == 3
    assert {*found(f"{name}:*", *ROWS), *found(f"-{name}:*", *ROWS)} == {0, 1, 2}


def test_an_unknown_field_to_sort_by_is_a_sentence():
    with pytest.raises(CockpitError, match=r"unknown field 'vall'.*did you mean val"):
        fields.sort_rows(ROWS, "vall")
