import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations import documents
from outlast.operations.errors import Invalid, TooLarge

MANY = 10_000_000
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def refusal(document, bytes_max=MANY, name="spec"):
    with pytest.raises(Invalid) as caught:
        documents.check(document, bytes_max, name)
    assert type(caught.value) is Invalid
    assert str(caught.value).startswith(f"{name} ")
    return str(caught.value)


@given(JSON_VALUES)
def test_what_passes_is_returned_as_it_was_and_reads_back_equal(value):
    document = documents.encode(value)
    assert documents.check(document, MANY) is document
    assert documents.decode(document) == value


@given(JSON_VALUES, st.booleans())
def test_other_encoders_of_the_same_value_pass_as_well(value, ascii_only):
    document = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert documents.decode(documents.check(document, MANY)) == value


@pytest.mark.parametrize(
    "document",
    [
        rb'"\u0000"',
        rb'"a\u0000b"',
        rb'"\\\u0000"',
        rb'"\\\\\u0000"',
        rb'["a", {"\u0000": 1}]',
        rb'"\n\u0000"',
        rb'"\"\u0000"',
    ],
)
def test_a_nul_is_refused_however_it_is_escaped(document):
    assert "NUL" in refusal(document)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (rb'"\\u0000"', r"\u0000"),
        (rb'"\\\\u0000"', r"\\u0000"),
        (rb'"\\\\\\u0000"', r"\\\u0000"),
        (rb'"u0000"', "u0000"),
        (rb'"\u0001"', "\x01"),
        (rb'"\u00000"'.replace(b"u0000", b"u0041"), "A0"),
    ],
)
def test_a_backslash_before_u0000_is_not_a_nul(document, text):
    assert documents.decode(documents.check(document, MANY)) == text


@given(st.text(alphabet='\\u0"', max_size=12))
def test_nul_is_found_exactly_where_the_text_has_one(text):
    for value in (text, text + "\0" + text):
        document = json.dumps(value).encode()
        if "\0" in value:
            assert "NUL" in refusal(document)
        else:
            documents.check(document, MANY)


@pytest.mark.parametrize("document", [b'"\x00"', b"\x00", b'"\x01"', b'{"\x00":1}', b"1\x00"])
def test_raw_control_bytes_are_not_json(document):
    assert "not valid JSON" in refusal(document)


@pytest.mark.parametrize(
    "document",
    [
        rb'"\ud800"',
        rb'"\ud800x"',
        rb'"\udc00"',
        rb'"\ud800\ud800"',
        rb'"\udc00\ud800"',
        rb'{"\ud800": 1}',
        b'"\xed\xa0\x80"',
        b'{"\xed\xb0\x80": 1}',
    ],
)
def test_a_lone_surrogate_is_refused(document):
    assert "not valid JSON" in refusal(document)


def test_a_pair_of_surrogates_is_a_character():
    assert documents.decode(documents.check(rb'"\ud83d\ude00"', MANY)) == "\U0001f600"


@pytest.mark.parametrize("document", [b'"\xff"', b'"\xc0\x80"', b'"\xe2\x82"', b"\xff", b'"\x80"'])
def test_invalid_utf8_is_refused(document):
    refusal(document)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -1, 10**18])
def test_integers_of_64_bits_pass(number):
    for value in (number, [number], {"a": {"b": [number]}}):
        documents.check(json.dumps(value).encode(), MANY)


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 2**64 - 1, 2**64, -(2**64), 10**30, 10**4000]
)
def test_integers_beyond_64_bits_are_refused_wherever_they_stand(number):
    for value in (number, [1, number], {"a": {"b": [1.5, number]}}):
        assert "integer beyond 64 bits" in refusal(json.dumps(value).encode())


@pytest.mark.parametrize("document", [b"1" * 5000, b"[-" + b"9" * 100_000 + b"]"])
def test_an_integer_too_long_for_the_decoder_is_refused(document):
    assert "not valid JSON" in refusal(document)


@pytest.mark.parametrize(
    "document",
    [
        b"12345678901234567890.5",
        b"12345678901234567890e2",
        b'"12345678901234567890"',
        b'{"12345678901234567890": 1}',
        b"0." + b"1" * 60,
        b"1e-5000",
        b"-0",
    ],
)
def test_long_digits_that_are_no_integer_pass(document):
    documents.check(document, MANY)


@pytest.mark.parametrize(
    "document", [b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"1e400", b"-1e400", b"[1e309]"]
)
def test_numbers_that_are_not_finite_are_refused(document):
    assert "not valid JSON" in refusal(document)


def nested(depth, opening, closing):
    return opening * depth + b"0" + closing * depth


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_64_levels_pass_and_65_are_refused(opening, closing):
    documents.check(nested(documents.DEPTH_MAX, opening, closing), MANY)
    assert "deeper than 64" in refusal(nested(documents.DEPTH_MAX + 1, opening, closing))


def test_many_brackets_side_by_side_are_not_deep():
    documents.check(b"[" + b",".join([b"[{}]"] * 1000) + b"]", MANY)


@pytest.mark.parametrize(
    "text", ["[" * 100, '"[' * 100, "\\[" * 100, '\\"{' * 100, "[" * 99 + "\\"]
)
def test_brackets_in_a_string_are_not_nesting(text):
    document = json.dumps({text: [text]}).encode()
    documents.check(document, MANY)
    assert documents.depth(document) == 2


@pytest.mark.parametrize(
    "document", [b"[" * 1_000_000, b'{"a":' * 200_000, b"[" * 500_000 + b"]" * 500_000, b"]" * 100]
)
def test_very_deep_nesting_is_refused_without_overflowing_the_stack(document):
    refusal(document)


@pytest.mark.parametrize("tail", [b'"' + b'\\"' * 200_000, b'"' + b"\\" * 200_001, b'""' * 200_000])
def test_a_hostile_document_costs_no_more_than_its_length(tail):
    started = time.monotonic()
    refusal(b"[" * 65 + tail)
    assert time.monotonic() - started < 2


@given(JSON_VALUES)
def test_depth_is_what_a_recursive_count_gives(value):
    def count(one):
        if isinstance(one, dict):
            return 1 + max(map(count, one.values()), default=0)
        if isinstance(one, list):
            return 1 + max(map(count, one), default=0)
        return 0

    assert documents.depth(documents.encode(value)) == count(value)


@pytest.mark.parametrize(
    "document", [b"", b" ", b"{", b"[1,]", b"1 2", b"{'a':1}", b"\xef\xbb\xbf1"]
)
def test_what_is_not_json_is_refused(document):
    assert "not valid JSON" in refusal(document)


def test_a_document_may_be_as_large_as_the_limit_and_not_a_byte_larger():
    assert documents.check(b'"abc"', 5) == b'"abc"'
    with pytest.raises(TooLarge, match=r"result has 6 bytes; at most 5"):
        documents.check(b'"abcd"', 5, "result")


def test_size_is_looked_at_before_anything_else():
    with pytest.raises(TooLarge):
        documents.check(b"[" * 1000, 999)


class Unknown:
    pass


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [Unknown(), {"a": Unknown()}, "\ud800", {(1, 2): 3}, endless()])
def test_what_cannot_be_encoded_is_invalid(value):
    with pytest.raises(Invalid, match="not a JSON document"):
        documents.encode(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_encoded_as_null(value):
    assert documents.encode([value]) == b"[null]"


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9)))
def test_equal_values_have_the_same_canonical_bytes(value):
    backwards = dict(reversed(value.items()))
    assert documents.canonical(value) == documents.canonical(backwards)


def test_canonical_bytes_sort_keys_on_every_level():
    assert documents.canonical({"b": {"d": 1, "c": 2}, "a": []}) == b'{"a":[],"b":{"c":2,"d":1}}'
