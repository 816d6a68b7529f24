import re
import string
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outlast.operations import ids

NOW_MAX = (2**48 - 1) * 1000 + 999
NOWS = st.integers(0, NOW_MAX)
RANDOM = st.integers(0, 2**52 - 1)
IDS = st.builds(ids.make_id, NOWS, RANDOM)


@given(IDS)
def test_an_id_fits_the_narrowest_wire_format(one):
    assert re.fullmatch(r"[A-Z0-9]{1,20}", one)
    assert len(one) == 20
    assert ids.is_id(one)


@given(NOWS, RANDOM, NOWS, RANDOM)
def test_ids_sort_by_creation(now, bits, later, other):
    assume(now // 1000 < later // 1000)
    assert ids.make_id(now, bits) < ids.make_id(later, other)
    assert ids.to_hex(ids.make_id(now, bits)) < ids.to_hex(ids.make_id(later, other))


@given(NOWS, RANDOM)
def test_an_id_tells_when_it_was_made(now, bits):
    assert ids.created_at(ids.make_id(now, bits)) == now // 1000 * 1000


@given(NOWS, RANDOM)
def test_no_id_of_an_instant_is_smaller_than_its_first(now, bits):
    assert ids.first_id_at(now) <= ids.make_id(now, bits)


@given(NOWS, RANDOM, RANDOM)
def test_different_random_bits_give_different_ids(now, bits, other):
    assert (ids.make_id(now, bits) == ids.make_id(now, other)) == (bits == other)


def test_random_bits_are_52_and_not_always_the_same():
    drawn = {ids.random_bits() for _ in range(100)}
    assert len(drawn) == 100
    assert all(0 <= bits < 2**52 for bits in drawn)


@given(IDS)
def test_an_id_survives_the_way_through_a_uuid(one):
    uuid = ids.to_uuid(one)
    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")
    assert ids.from_uuid(uuid) == one


@given(IDS)
def test_an_id_survives_the_way_through_hex(one):
    text = ids.to_hex(one)
    assert re.fullmatch(r"[0-9a-f]{32}", text)
    assert ids.from_hex(text) == ids.from_hex(text.upper()) == one
    assert ids.from_hex(str(UUID(text))) == one


@given(IDS)
def test_all_three_forms_name_the_same_operation(one):
    uuid = ids.to_uuid(one)
    assert ids.decode_any(one) == ids.decode_any(uuid.hex) == ids.decode_any(str(uuid)) == one


@given(st.integers(0, 2**128 - 1))
def test_a_uuid_that_no_id_made_is_nobody(number):
    uuid = UUID(int=number)
    found = ids.from_uuid(uuid)
    assert found is None or ids.to_uuid(found) == uuid


@given(IDS, st.integers(0, 21))
def test_one_of_the_22_zero_bits_set_is_nobody(one, bit):
    assert ids.from_uuid(UUID(int=ids.to_uuid(one).int | 1 << bit)) is None


@given(IDS, st.sampled_from([0, 1, 4, 7, 9, 15]))
def test_another_version_is_nobody(one, version):
    number = ids.to_uuid(one).int & ~(0xF << 76) | version << 76
    assert ids.from_uuid(UUID(int=number)) is None


@given(IDS, st.sampled_from([0, 1, 3]))
def test_another_variant_is_nobody(one, variant):
    number = ids.to_uuid(one).int & ~(3 << 62) | variant << 62
    assert ids.from_uuid(UUID(int=number)) is None


def test_a_random_uuid_is_nobody():
    assert all(ids.from_uuid(uuid4()) is None for _ in range(100))


HEX_OF_ZERO = "00000000000080008000000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0" * 19,
        "0" * 21,
        "0" * 19 + "I",
        "0" * 19 + "L",
        "0" * 19 + "O",
        "0" * 19 + "U",
        "0" * 19 + "a",
        "0" * 19 + "\n",
        "0" * 20 + "\n",
        "\u0660" * 20,
        "0" * 32,
        "g" + HEX_OF_ZERO[1:],
        "0x" + HEX_OF_ZERO[2:],
        "0_" + HEX_OF_ZERO[2:],
        "+" + HEX_OF_ZERO[1:],
        " " + HEX_OF_ZERO[1:],
        "\u0660" + HEX_OF_ZERO[1:],
        "----" + HEX_OF_ZERO,
        "{" + HEX_OF_ZERO + "}--",
        "urn:uuid:" + HEX_OF_ZERO,
        HEX_OF_ZERO + "\n",
    ],
)
def test_what_has_none_of_the_three_forms_names_nobody(text):
    assert ids.decode_any(text) is None
    assert ids.from_hex(text) is None


def test_the_smallest_id_is_found_in_all_three_forms():
    dashed = "00000000-0000-8000-8000-000000000000"
    assert ids.to_hex("0" * 20) == HEX_OF_ZERO
    assert ids.decode_any(HEX_OF_ZERO) == ids.decode_any(dashed) == "0" * 20


@given(st.text(alphabet=string.hexdigits + "-_x+", min_size=30, max_size=38))
def test_only_the_exact_hex_of_an_id_decodes(text):
    found = ids.from_hex(text)
    assert found is None or ids.to_hex(found) == text.replace("-", "").lower()


def test_the_alphabet_is_in_ascending_order_and_leaves_out_what_reads_alike():
    assert list(ids.ALPHABET) == sorted(ids.ALPHABET)
    assert not set("ILOU") & set(ids.ALPHABET)
    assert len(set(ids.ALPHABET)) == 32


@pytest.mark.parametrize("alias", ["a", "A-z.0_~", "x" * 128, "0" * 32])
def test_a_callers_id_may_be_any_short_unreserved_text(alias):
    assert ids.ALIAS_PATTERN.fullmatch(alias)


@pytest.mark.parametrize("alias", ["", "x" * 129, "a b", "a/b", "a\n", "ä", "a:b", "a%20"])
def test_a_callers_id_has_nothing_that_a_path_or_a_header_must_escape(alias):
    assert not ids.ALIAS_PATTERN.fullmatch(alias)


@given(IDS)
def test_every_form_of_an_id_could_be_chosen_by_a_caller(one):
    for text in (one, ids.to_hex(one), str(ids.to_uuid(one))):
        assert ids.ALIAS_PATTERN.fullmatch(text)
