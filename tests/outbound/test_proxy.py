import asyncio
from urllib.parse import urlsplit

import httpx2
import obstore
import pytest
from obstore.store import S3Store

from outlast.outbound import Gate, open_proxy
from outlast.outbound.proxy import HEAD_BYTES_MAX


def local_gate(echo, *names):
    return Gate([f"{name}:{echo.port}" for name in names], resolve=lambda host, port: ["127.0.0.1"])


async def ask(proxy, text):
    """What the proxy answers to some bytes, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.url).port)
    writer.write(text)
    await writer.drain()
    async with asyncio.timeout(5):
        answer = await reader.read(65536)
    writer.close()
    return answer


async def test_a_client_calls_through_the_proxy(echo):
    async with (
        open_proxy(local_gate(echo, "named.example")) as proxy,
        httpx2.AsyncClient(proxy=proxy.url, timeout=5) as client,
    ):
        answer = await client.get(f"http://named.example:{echo.port}/a?b=c")
        assert answer.text == "hello"
    [head] = echo.heads
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"Host: named.example:{echo.port}\r\n" in head
    assert "proxy" not in head.lower()


@pytest.mark.parametrize("text", ["GET http://{host}/ HTTP/1.1", "CONNECT {host} HTTP/1.1"])
@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Proxy-Authorization: Basic b3V0bGFzdDp3cm9uZw==\r\n",
        "Authorization: Basic x\r\n",
        "Proxy-Authorization: Bearer x\r\n",
        "Proxy-Authorization:\r\n",
    ],
)
async def test_whoever_lacks_the_secret_gets_nothing(echo, text, credentials):
    async with open_proxy(local_gate(echo, "named.example")) as proxy:
        line = text.format(host=f"named.example:{echo.port}")
        answer = await ask(proxy, f"{line}\r\n{credentials}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 407")
    assert echo.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "inward.example", "2130706433", "[::1]"])
async def test_what_the_gate_refuses_is_forbidden(echo, host):
    gate = Gate(resolve=lambda host, port: ["127.0.0.1"])
    async with (
        open_proxy(gate) as proxy,
        httpx2.AsyncClient(proxy=proxy.url, timeout=5) as client,
    ):
        answer = await client.get(f"http://{host}:{echo.port}/")
        assert answer.status_code == 403
        assert proxy.refused.message == answer.text
        with pytest.raises(httpx2.ProxyError, match="403"):
            await client.get(f"https://{host}:{echo.port}/")
    assert echo.heads == []


async def test_a_tunnel_leads_to_the_address_that_was_checked(echo):
    looks = []

    def resolve(host, port):
        looks.append(host)
        return ["127.0.0.1" if len(looks) == 1 else "192.0.2.1"]

    async with open_proxy(Gate(["127.0.0.1/32"], resolve=resolve)) as proxy:
        parts = urlsplit(proxy.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
        secret = httpx2.BasicAuth(parts.username, parts.password)._auth_header
        target = f"named.example:{echo.port}"
        writer.write(f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: {secret}\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"hello")).endswith(b"hello")
        writer.close()
    assert looks == ["named.example"]


@pytest.mark.parametrize(
    "text", [b"\r\n\r\n", b"GET\r\n\r\n", b"x" * (HEAD_BYTES_MAX + 10), b"\x16\x03\x01\r\n\r\n"]
)
async def test_garbage_is_not_served(echo, text):
    async with open_proxy(local_gate(echo, "named.example")) as proxy:
        answer = await ask(proxy, text)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 407")


async def test_what_is_connected_ends_with_the_proxy(echo):
    async with open_proxy(local_gate(echo, "named.example")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.url).port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_the_object_store_client_can_only_go_through_the_proxy(echo):
    """obstore makes its own connections: that it uses the proxy is what all of this is for."""
    echo.answer = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "x"\r\n'
        b"Last-Modified: Sun, 22 Nov 2026 03:00:00 GMT\r\n\r\nabc"
    )
    async with open_proxy(local_gate(echo, "store.example")) as proxy:
        store = S3Store(
            "bucket",
            endpoint=f"http://store.example:{echo.port}",
            access_key_id="key",
            secret_access_key="secret",
            region="us-east-1",
            client_options={"allow_http": True, "proxy_url": proxy.url},
        )
        answer = await obstore.get_async(store, "a/b")
        assert bytes(await answer.bytes_async()) == b"abc"
    [head] = echo.heads
    assert head.startswith("GET /bucket/a/b HTTP/1.1\r\n")
    assert "authorization: AWS4-HMAC-SHA256" in head.replace("Authorization", "authorization")
    assert "proxy-authorization" not in head.lower()
