import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from outlast.resources.evidence.keys import WrongKeyError, check_keys, read_key
from outlast.resources.evidence.recognition import recognise
from outlast.settings import EvidenceKey, SettingsError, load_settings

TYPE = "application/vnd.in-toto+json"
PAYLOAD = json.dumps({"_type": "https://in-toto.io/Statement/v1"}).encode()
SIGNED = b"DSSEv1 28 %b %d %b" % (TYPE.encode(), len(PAYLOAD), PAYLOAD)

ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)


def pem_of(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def seen(*signatures, keys, payload=PAYLOAD):
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": TYPE,
        "signatures": [{"sig": base64.b64encode(one).decode(), "keyid": ""} for one in signatures],
    }
    found = recognise(json.dumps(envelope).encode(), keys=keys)
    return [(one.verified, one.key, one.reason) for one in found.signatures]


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (ED25519, ED25519.sign(SIGNED)),
        (P256, P256.sign(SIGNED, ec.ECDSA(hashes.SHA256()))),
        (P384, P384.sign(SIGNED, ec.ECDSA(hashes.SHA384()))),
        (RSA, RSA.sign(SIGNED, padding.PKCS1v15(), hashes.SHA256())),
        (RSA, RSA.sign(SIGNED, PSS, hashes.SHA256())),
    ],
    ids=["ed25519", "p256", "p384", "rsa", "rsa_pss"],
)
def test_a_signature_says_which_key_it_fits(key, signature):
    keys = {"other": pem_of(ed25519.Ed25519PrivateKey.generate()), "release": pem_of(key)}
    assert seen(signature, keys=keys) == [(True, "release", None)]


def test_a_signature_over_other_bytes_fits_no_key():
    keys = {"release": pem_of(ED25519)}
    fits_none = (False, None, "it fits none of the configured keys")
    assert seen(ED25519.sign(PAYLOAD), keys=keys) == [fits_none]
    assert seen(ED25519.sign(SIGNED), keys=keys, payload=PAYLOAD + b" ") == [fits_none]
    assert seen(b"", ED25519.sign(SIGNED), keys=keys) == [fits_none, (True, "release", None)]


def test_only_public_keys_that_are_strong_enough_are_keys():
    private = ED25519.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    weak = rsa.generate_private_key(65537, 1024)
    for pem, message in [
        (private.decode(), "only public ones"),
        (pem_of(weak), "2048 bits or more"),
        ("nonsense", "not the PEM text of a public key"),
    ]:
        with pytest.raises(WrongKeyError, match=message):
            read_key(pem)


def test_keys_come_from_files_of_the_settings(tmp_path):
    file = tmp_path / "release.pem"
    file.write_text(pem_of(P256))
    settings = tmp_path / "outlast.toml"
    settings.write_text(f'[evidence.keys.release]\nfile = "{file}"\n')
    keys = load_settings({}, {}, settings).evidence.keys
    assert keys["release"].pem == file.read_text()
    check_keys(keys)
    file.unlink()
    with pytest.raises(SettingsError, match=r"evidence\.keys\.release: "):
        load_settings({}, {}, settings)
    with pytest.raises(SettingsError, match=r"evidence\.keys\.old: it is not the PEM"):
        check_keys({"old": EvidenceKey(pem="?")})
