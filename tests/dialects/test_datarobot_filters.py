"""Metadata filters of DataRobot's wire are conditions of ours, and are shown as filters again."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.dialects.datarobot.metadata_filters import conditions_of, filter_of
from outlast.operations.errors import Invalid
from outlast.resources.vector_databases.filtering import Where

FIELDS = st.text("abc/~", min_size=1, max_size=3)
SCALARS = st.one_of(st.text(max_size=3), st.integers(-5, 5), st.booleans())
COMPARED = st.one_of(
    SCALARS,
    st.fixed_dictionaries({"$ne": SCALARS}),
    st.fixed_dictionaries({"$gt": st.integers(), "$lte": st.floats(0, 9)}),
    st.fixed_dictionaries({"$in": st.lists(SCALARS, min_size=2, max_size=3)}),
    st.fixed_dictionaries({"$nin": st.lists(SCALARS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"$contains": st.text(max_size=3)}),
)
PLAIN = st.dictionaries(FIELDS, COMPARED, min_size=1, max_size=3)
FILTERS = st.recursive(
    PLAIN,
    lambda inner: (
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=5,
)


@given(FILTERS)
def test_what_is_shown_asks_for_the_same_as_what_was_sent(sent):
    conditions = conditions_of(sent)
    msgspec.convert(conditions, Where)
    assert flat(conditions_of(filter_of(conditions))) == flat(conditions)


def flat(conditions):
    """The conditions without those that join one thing, or join as what they stand in does."""
    if conditions["type"] == "field":
        return conditions
    of = []
    for one in map(flat, conditions["of"]):
        of += one["of"] if one["type"] == conditions["type"] else [one]
    return of[0] if len(of) == 1 else conditions | {"of": of}


@pytest.mark.parametrize(
    "sent",
    [
        {"a": 1, "b": "x"},
        {"a": {"$gt": 5}},
        {"$or": [{"a": 1}, {"$and": [{"b": 2}, {"b": {"$ne": 3}}]}]},
        {"a": {"$in": [1, 2]}},
        {"a": {"$not_contains": "x"}},
    ],
)
def test_a_usual_filter_is_shown_as_it_was_sent(sent):
    assert filter_of(conditions_of(sent)) == sent


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_empty_filter_asks_for_nothing(nothing):
    assert conditions_of(nothing) is None


@pytest.mark.parametrize(
    "sent",
    [
        {"$not": [{"a": 1}]},
        {"$or": {"a": 1}},
        {"$and": [1]},
        {"a": {"$like": "x"}},
        {"a": {"$in": "x"}},
        {"a": [1]},
        {"a": None},
        {"a": {"$eq": {"b": 1}}},
    ],
)
def test_what_is_no_filter_is_refused(sent):
    with pytest.raises(Invalid, match="metadataFilter"):
        conditions_of(sent)


def test_a_filter_that_is_nested_without_end_is_refused():
    sent = {"a": 1}
    for _ in range(50):
        sent = {"$and": [sent]}
    with pytest.raises(Invalid, match="deep"):
        conditions_of(sent)
