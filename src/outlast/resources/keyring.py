"""The keys that seal secrets: AES-256 in GCM."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outlast.operations.errors import SecretMissing
from outlast.settings import SettingsError

KEY_VARIABLE: Final = "OUTLAST_SECRET_KEY"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_BETWEEN_KEYS: Final = re.compile(r"[,\s]+")


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as it may be stored. `key` says which key opens it, and reveals nothing of it."""

    key: str
    nonce: bytes
    content: bytes


class Keyring:
    """The keys of one installation: the first seals, every one opens."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_name(key): key for key in keys}
        self._first = keys[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What the keys are called in what they sealed; a name reveals nothing of its key."""
        return tuple(self._keys)

    def seal(self, content: bytes, about: bytes) -> Sealed:
        """The content, locked. It opens only together with what it is `about`."""
        nonce = os.urandom(_NONCE_BYTES)
        locked = AESGCM(self._first).encrypt(nonce, content, about)
        return Sealed(key=_name(self._first), nonce=nonce, content=locked)

    def open(self, sealed: Sealed, about: bytes) -> bytes:
        """What was sealed. Raises SecretMissing without its key, or if anything was altered."""
        key = self._keys.get(sealed.key)
        if key is None:
            known = ", ".join(self._keys)
            raise SecretMissing(f"it was sealed with key {sealed.key}; this server has key {known}")
        try:
            return AESGCM(key).decrypt(sealed.nonce, sealed.content, about)
        except InvalidTag:
            raise SecretMissing("it is not what was sealed, or was sealed for another") from None

    def narrow(self, purpose: bytes) -> str:
        """Keys for one purpose alone, as `read_keys` reads them: one from each, in their order.

        Nothing can be told from them of these, or of those for another purpose.
        """
        keys = (hmac.digest(key, b"outlast " + purpose, "sha256") for key in self._keys.values())
        return ",".join(base64.b64encode(key).decode() for key in keys)

    def digest(self, text: bytes) -> str:
        """32 hex digits that only who has the first key can tell from the text."""
        return hmac.digest(self._first, text, "sha256").hex()[:32]


def stack_purpose(tenant: str, id: str) -> bytes:
    """The purpose of the keys that seal the states of one stack."""
    return f"stack {tenant}/{id}".encode()


def read_keys(text: str, source: str) -> Keyring:
    """The keys in a text: each is 32 bytes in base64. Raises SettingsError, naming the source."""
    keys = [_decode(word, source) for word in _BETWEEN_KEYS.split(text.strip()) if word]
    if not keys:
        raise SettingsError(f"{source} holds no key")
    return Keyring(keys)


def make_key() -> str:
    """A new key, as `read_keys` reads it."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def _decode(word: str, source: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        # Not the word itself: it may be a key with a letter too many.
        raise SettingsError(f"{source}: a key is {_KEY_BYTES} bytes in base64 (44 characters)")
    return key


def _name(key: bytes) -> str:
    return hashlib.sha256(b"outlast key " + key).hexdigest()[:8]
