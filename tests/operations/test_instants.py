import pytest
from hypothesis import given
from hypothesis import strategies as some

from outlast.operations.instants import read_instant, show_instant


@given(milliseconds=some.integers(0, 253_402_300_799_999))
def test_an_instant_comes_back_as_it_went_to_the_millisecond(milliseconds):
    shown = show_instant(milliseconds * 1000)
    assert shown.endswith("Z")
    assert read_instant(shown) == milliseconds * 1000


def test_another_zone_is_the_same_instant():
    assert read_instant("2026-11-22T12:30:00+02:30") == read_instant("2026-11-22T10:00:00Z")


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00", "2026-11-22", "yesterday", ""])
def test_what_names_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_instant(text)
