"""Page tokens: where the next page of one list begins."""

import base64
import binascii
import hashlib
from typing import Final

import msgspec

from outlast.operations.errors import InvalidPageToken

_VERSION: Final = b"1"
_DIGEST_BYTES: Final = 9
_TOKEN_CHARS_MAX: Final = 512


def page_token(position: str, filters: object) -> str:
    """The token of a page that begins at a position of the list with these filters."""
    text = position.encode()
    return base64.urlsafe_b64encode(_digest(text, filters) + text).rstrip(b"=").decode()


def page_position(token: str, filters: object) -> str:
    """The position in a token. Raises InvalidPageToken unless it was made for these filters."""
    if len(token) <= _TOKEN_CHARS_MAX:
        try:
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
            digest, text = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
            position = text.decode()
        except (binascii.Error, UnicodeError):
            raise InvalidPageToken from None
        # The last character has bits to spare: only the spelling that we made is ours.
        if digest == _digest(text, filters) and page_token(position, filters) == token:
            return position
    raise InvalidPageToken


def _digest(position: bytes, filters: object) -> bytes:
    # Not a secret: it catches mistakes. What a token may show is decided by the tenant's scope.
    text = b"\0".join((_VERSION, position, _encoder.encode(filters)))
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]


_encoder: Final = msgspec.json.Encoder(order="deterministic")
