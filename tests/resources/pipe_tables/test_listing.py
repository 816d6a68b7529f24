import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations.errors import Invalid, TooLarge
from outlast.resources.pipe_tables.listing import (
    ListedFile,
    check_prefix,
    choose,
    fingerprint,
    format_of,
    is_loaded,
    partition_types,
    partition_values,
)


def listed(**identities):
    return [ListedFile(key=key, bytes=10, identity=of) for key, of in identities.items()]


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("in/a.parquet", True),
        ("in/x/y/A.CSV.GZ", True),
        ("in/a.csv", True),
        ("in/a.txt", False),
        ("in/.a.csv", False),
        ("in/_temporary/a.csv", False),
        ("in/_SUCCESS", False),
    ],
)
def test_files_are_told_by_their_endings_and_hidden_ones_are_passed_over(key, wanted):
    assert is_loaded(key, "in") is wanted


def test_names_of_the_prefix_itself_hide_nothing_and_are_no_columns():
    assert is_loaded("_raw/day=1/a.csv", "_raw/day=1")
    assert partition_values("_raw/day=1/n=2/a.csv", "_raw/day=1") == {"n": "2"}
    assert partition_values("n=1/a.csv", "") == {"n": "1"}


def test_a_file_says_its_format():
    assert [format_of(f"a.{one}") for one in ("parquet", "csv", "csv.gz")] == [
        ("parquet", False),
        ("csv", False),
        ("csv", True),
    ]


@pytest.mark.parametrize("prefix", ["../x", "a/../b", "a//b", "./a", "a\nb", "x" * 1025])
def test_a_prefix_leads_nowhere_else(prefix):
    with pytest.raises(Invalid):
        check_prefix(prefix)


def test_a_prefix_is_without_slashes_around_it():
    assert [check_prefix(one) for one in ("", "/", "a/b/", "/a")] == ["", "", "a/b", "a"]


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "-20", None], "BIGINT"),
        (["01", "2"], "VARCHAR"),
        (["9" * 19], "VARCHAR"),
        (["2026-01-02"], "DATE"),
        (["2026-02-30"], "VARCHAR"),
        ([None], "VARCHAR"),
    ],
)
def test_the_type_of_a_partition_fits_all_of_its_values(values, type):
    [found] = partition_types([{"p": value} for value in values]).values()
    assert found.text == type


def test_all_files_lie_in_folders_of_the_same_names():
    with pytest.raises(Invalid, match="folders"):
        partition_types([{"a": "1"}, {"b": "1"}])


def test_what_is_new_is_chosen_and_what_is_amiss_is_told():
    chosen = choose(listed(a="1", b="2", c="1"), {"b": "1", "gone": "1"}, 100, 10)
    assert (chosen.keys, chosen.left) == (("a", "c"), 0)
    assert (chosen.changed, chosen.vanished) == (("b",), ("gone",))


def test_no_more_is_chosen_than_allowed_and_what_never_fits_is_refused():
    files = listed(a="1", b="1", c="1")
    assert choose(files, {}, 20, 10).left == 1
    assert choose(files, {}, 100, 1).keys == ("a",)
    with pytest.raises(TooLarge, match=r"limits\.pipe_table_bytes"):
        choose(files, {}, 9, 10)


_FILES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 30), max_size=8)


@given(sizes=_FILES, bytes_max=st.integers(30, 60), files_max=st.integers(1, 4))
def test_round_after_round_takes_every_file_once_in_order(sizes, bytes_max, files_max):
    files = [ListedFile(key=key, bytes=size, identity="1") for key, size in sizes.items()]
    loaded = {}
    taken = []
    while keys := choose(files, loaded, bytes_max, files_max).keys:
        assert len(keys) <= files_max
        assert sum(sizes[key] for key in keys) <= bytes_max
        taken += keys
        loaded |= dict.fromkeys(keys, "1")
    assert taken == sorted(sizes)


def test_a_fingerprint_differs_where_listings_do_and_not_by_their_order():
    assert fingerprint(listed(a="1", b="2")) == fingerprint(listed(b="2", a="1"))
    others = [listed(a="1"), listed(a="1", b="3"), listed(a="1", c="2"), []]
    assert len({fingerprint(one) for one in [*others, listed(a="1", b="2")]}) == 5
