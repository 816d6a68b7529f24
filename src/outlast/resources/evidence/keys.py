"""Public keys that signatures of evidence are held to."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from outlast.settings import EvidenceKey, SettingsError

PublicKey: TypeAlias = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

CURVE_HASHES: Final = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
"""By the bits of a curve, what is signed with it."""

_RSA_BITS_MIN: Final = 2048


class WrongKeyError(ValueError):
    """This is not a public key that signatures can be held to."""


def check_keys(keys: Mapping[str, EvidenceKey]) -> None:
    """Raise SettingsError for a key of the settings that is none."""
    for name, key in keys.items():
        try:
            read_key(key.pem or "")
        except WrongKeyError as error:
            raise SettingsError(f"evidence.keys.{name}: {error}") from error


def read_key(pem: str) -> PublicKey:
    """A public key from its PEM text. Raises WrongKeyError."""
    if "PRIVATE KEY" in pem:
        raise WrongKeyError("it is a private key: only public ones are needed here")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WrongKeyError("it is not the PEM text of a public key") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size in CURVE_HASHES:
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN:
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    message = f"it is not Ed25519, ECDSA on a NIST curve, or RSA with {_RSA_BITS_MIN} bits or more"
    raise WrongKeyError(message)
