import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from outlast.operations.errors import OutboundRefused
from outlast.outbound import AsyncGatedTransport, Gate, GatedTransport


def client_of(gate, **options):
    return httpx2.AsyncClient(transport=AsyncGatedTransport(gate), timeout=5, **options)


class Changing:
    """Names whose address changes between two looks: the second one is what an attacker wants."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.looks = 0

    def __call__(self, host, port):
        self.looks += 1
        return [self.answers[min(self.looks, len(self.answers)) - 1]]


async def test_a_call_goes_to_the_address_that_was_checked(echo):
    names = Changing("127.0.0.1", "192.0.2.1")
    gate = Gate(["127.0.0.1/32"], resolve=names)
    async with client_of(gate) as client:
        answer = await client.get(f"http://named.example:{echo.port}/path")
    assert answer.text == "hello"
    assert names.looks == 1
    assert f"Host: named.example:{echo.port}\r\n" in echo.heads[0]


async def test_an_answer_of_the_resolver_that_turns_inward_is_refused(echo):
    gate = Gate(resolve=Changing("127.0.0.1"))
    async with client_of(gate) as client:
        with pytest.raises(OutboundRefused):
            await client.get(f"http://rebound.example:{echo.port}/")
    assert echo.heads == []


@pytest.mark.parametrize("inward", ["127.0.0.1", "[::1]", "localhost", "0", "[::ffff:127.0.0.1]"])
async def test_a_redirect_inward_is_refused(echo, redirect, inward):
    gate = Gate([f"front.example:{echo.port}"], resolve=_local_resolver)
    echo.answer = redirect(f"http://{inward}:{echo.port}/secret")
    async with client_of(gate, follow_redirects=True) as client:
        with pytest.raises(OutboundRefused):
            await client.get(f"http://front.example:{echo.port}/")
    assert len(echo.heads) == 1


async def test_a_redirect_to_what_is_no_web_is_refused(echo, redirect):
    gate = Gate([f"front.example:{echo.port}"], resolve=_local_resolver)
    echo.answer = redirect(f"http://user:secret@front.example:{echo.port}/")
    async with client_of(gate, follow_redirects=True) as client:
        with pytest.raises(OutboundRefused):
            await client.get(f"http://front.example:{echo.port}/")


async def test_proxies_of_the_environment_are_not_used(echo, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{echo.port}")
    async with client_of(Gate(resolve=Changing("192.0.2.1"))) as client:
        with pytest.raises(OutboundRefused):
            await client.get("http://outside.example/")
    assert echo.heads == []


async def test_the_next_address_is_tried_when_one_does_not_answer(echo):
    gate = Gate(["127.0.0.0/8"], resolve=lambda host, port: ["127.77.0.1", "127.0.0.1"])
    async with client_of(gate) as client:
        assert (await client.get(f"http://two.example:{echo.port}/")).text == "hello"


async def test_a_plain_client_goes_through_the_gate_too(echo):
    names = Changing("127.0.0.1", "192.0.2.1")

    def call(gate):
        with httpx2.Client(transport=GatedTransport(gate), timeout=5) as client:
            return client.get(f"http://named.example:{echo.port}/").text

    gate = Gate(["127.0.0.1/32"], resolve=names)
    assert await asyncio.to_thread(call, gate) == "hello"
    assert names.looks == 1
    with pytest.raises(OutboundRefused):
        await asyncio.to_thread(call, Gate(resolve=Changing("127.0.0.1")))


async def test_tls_is_for_the_name_and_not_for_the_address(start_echo, tmp_path, monkeypatch):
    server = await start_echo(_certified(tmp_path, "named.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    gate = Gate(["127.0.0.1/32"], resolve=_local_resolver)
    async with client_of(gate) as client:
        answer = await client.get(f"https://named.example:{server.port}/")
        assert answer.text == "hello"
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await client.get(f"https://other.example:{server.port}/")


def _local_resolver(host, port):
    return ["127.0.0.1"]


def _certified(folder, name):
    """A TLS context for a name, whose own certificate stands in `ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context
