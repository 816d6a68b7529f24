"""Ids on the wire: 1 to 20 of `A-Z` and `0-9`, which our own ids are (decision 0001).

Tenants, members and resources may have names in place of ids. A name that does not fit is shown as
a digest of the same form: always the same for the same name, and of no use in a request.
"""

import hashlib
import re
from typing import Annotated, Final

import msgspec

from outlast.operations import ids

_RESOURCE_ID: Final = re.compile(r"[A-Z0-9]{1,20}")
_SHORT_NAME: Final = re.compile(r"[a-z0-9]{1,19}")
_DIGEST_BITS: Final = 52

ResourceId = Annotated[
    str,
    msgspec.Meta(pattern="^[A-Z0-9]+$", min_length=1, max_length=20, examples=["A1B2C3D4E5"]),
]


def show_id(text: str) -> str:
    """An id as the wire writes it, or the digest of a name."""
    return text if _RESOURCE_ID.fullmatch(text) else _digest(text)


def show_name(name: str) -> str:
    """A tenant's or a member's name, which has no upper case: as an id where it fits as one.

    A name of 20 characters could be taken for an id of ours.
    """
    return name.upper() if _SHORT_NAME.fullmatch(name) else show_id(name)


def _digest(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    milliseconds = (number >> _DIGEST_BITS) & ((1 << 48) - 1)
    return ids.make_id(milliseconds * 1000, number & ((1 << _DIGEST_BITS) - 1))
