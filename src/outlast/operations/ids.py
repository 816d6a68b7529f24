"""Operation ids: 100 bits that sort by creation and fit every wire format (decision 0001).

48 bits of Unix milliseconds, then 52 random bits, written as 20 upper-case Crockford base32
characters. The same 100 bits make a UUIDv8 (followed by 22 zero bits) and 32 hex digits.
"""

import re
import secrets
from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 20
_RANDOM_BITS: Final = 52
_PATTERN: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS: Final = tuple(a + b for a in ALPHABET for b in ALPHABET)
# The UUID class also takes braces, URNs, signs, underscores and digits of other scripts.
_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}(-?)(?:[0-9A-Fa-f]{4}\1){3}[0-9A-Fa-f]{12}")
_UUID_VERSION: Final = 8 << 76
_UUID_VARIANT: Final = 2 << 62
ALIAS_PATTERN: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def random_bits() -> int:
    """52 random bits for `make_id`."""
    return secrets.randbits(_RANDOM_BITS)


def make_id(now: int, bits: int) -> str:
    """The id of something created at `now` (microseconds since the epoch) with 52 random bits."""
    return _encode(((now // 1000) << _RANDOM_BITS) | bits)


def _encode(value: int) -> str:
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(90, -10, -10)])


def _decode(text: str) -> int:
    value = 0
    for letter in text:
        value = value << 5 | _VALUES[letter]
    return value


def is_id(text: str) -> bool:
    """Whether the text has the form of one of our ids."""
    return _PATTERN.fullmatch(text) is not None


def created_at(text: str) -> int:
    """When an id was made, in microseconds since the epoch (millisecond precision)."""
    return (_decode(text) >> _RANDOM_BITS) * 1000


def first_id_at(now: int) -> str:
    """The smallest id that something created at `now` or later can have."""
    return make_id(now, 0)


def to_uuid(text: str) -> UUID:
    """The id as a UUIDv8: its 100 bits around the version and variant bits, then zeros."""
    bits = _decode(text) << 22
    high, middle, low = bits >> 74, (bits >> 62) & 0xFFF, bits & ((1 << 62) - 1)
    return UUID(int=high << 80 | _UUID_VERSION | middle << 64 | _UUID_VARIANT | low)


def from_uuid(value: UUID) -> str | None:
    """The id that `to_uuid` turned into this UUID, or None if no id did."""
    number = value.int
    bits = (number >> 80) << 74 | ((number >> 64) & 0xFFF) << 62 | (number & ((1 << 62) - 1))
    text = _encode(bits >> 22)
    return text if to_uuid(text) == value else None


def to_hex(text: str) -> str:
    """The id's UUID as 32 hex digits."""
    return to_uuid(text).hex


def from_hex(text: str) -> str | None:
    """The id behind 32 hex digits (with a UUID's dashes or without any), or None."""
    return from_uuid(UUID(text)) if _HEX.fullmatch(text) else None


def decode_any(text: str) -> str | None:
    """The id that a text names in any of its three forms, or None."""
    return text if is_id(text) else from_hex(text)
