"""Signatures of envelopes, held to the public keys that the installation trusts."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from outlast.resources.evidence.keys import CURVE_HASHES, PublicKey, read_key
from outlast.resources.evidence.recognition.found import BadEvidence, Signature

SIGNATURES_MAX: Final = 20
_KEY_ID_CHARS_MAX: Final = 200


class _Signed(msgspec.Struct):
    sig: str
    keyid: str | None = None


def check_signatures(
    payload: bytes, payload_type: str, signatures: Sequence[Any], keys: Mapping[str, str]
) -> list[Signature]:
    """What is to be said of each signature of a DSSE envelope. Raises BadEvidence."""
    if len(signatures) > SIGNATURES_MAX:
        raise BadEvidence(f"an envelope has at most {SIGNATURES_MAX} signatures")
    trusted = {name: read_key(pem) for name, pem in sorted(keys.items())}
    signed = b"DSSEv1 %d %b %d %b" % (
        *(len(payload_type.encode()), payload_type.encode()),
        *(len(payload), payload),
    )
    return [_check(signature, signed, trusted) for signature in signatures]


def decode_base64(text: str) -> bytes:
    """Bytes from either of the two alphabets. Raises BadEvidence."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvidence("this is not base64") from error


def _check(signature: Any, signed: bytes, trusted: Mapping[str, PublicKey]) -> Signature:
    try:
        given = msgspec.convert(signature, _Signed)
    except msgspec.ValidationError as error:
        raise BadEvidence(f"one of them is none: {error}") from error
    key_id = (given.keyid or "")[:_KEY_ID_CHARS_MAX] or None
    bytes_ = decode_base64(given.sig)
    for name, key in trusted.items():
        if _fits(key, bytes_, signed):
            return Signature(key=name, key_id=key_id, verified=True)
    reason = "it fits none of the configured keys" if trusted else "no keys are configured"
    return Signature(key=None, key_id=key_id, verified=False, reason=reason)


def _fits(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _passes(lambda: key.verify(signature, signed))
    if isinstance(key, ec.EllipticCurvePublicKey):
        scheme = ec.ECDSA(CURVE_HASHES[key.curve.key_size])
        return _passes(lambda: key.verify(signature, signed, scheme))
    hash_ = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(hash_), padding.PSS.AUTO)
    return any(
        _passes(lambda way=way: key.verify(signature, signed, way, hash_))
        for way in (padding.PKCS1v15(), pss)
    )


def _passes(verify: Any) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True
