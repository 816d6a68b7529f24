"""A forward proxy on the loopback interface, for clients that make their own connections.

It is for this process alone: whoever else finds its port lacks the secret of its URL.
"""

import asyncio
import base64
import contextlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Final

from outlast.operations.errors import OutboundRefused, OutlastError
from outlast.outbound.gate import Destination, Gate

HEAD_BYTES_MAX: Final = 64 * 1024
HEAD_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
CONNECTIONS_MAX: Final = 256
_CHUNK_BYTES: Final = 64 * 1024
_USER: Final = "outlast"
_PROXY_HEADERS: Final = (b"proxy-", b"connection:", b"keep-alive:")

logger = logging.getLogger(__name__)


class ForwardProxy:
    """A running proxy. `url` has the secret: keep it out of logs and process lists."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._secret = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""
        self.refused: OutboundRefused | None = None
        """What was refused last: the client that used the proxy saw only a status."""

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=HEAD_BYTES_MAX
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{_USER}:{self._secret}@127.0.0.1:{port}"

    async def close(self) -> None:
        """Stop listening and cut what is connected."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._serve(head, reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            logger.debug("a connection to the forward proxy broke")
        except asyncio.CancelledError:
            # Cut by `close`. What is still cancelled here, asyncio logs as an error.
            logger.debug("a connection to the forward proxy was cut")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request, *headers = head[:-4].split(b"\r\n")
        if not self._is_ours(headers):
            await _answer(writer, b"407 Proxy Authentication Required")
            return
        method, _, rest = request.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        try:
            destination = self._destination(method, target.decode("ascii"))
            addresses = await self._gate.find_addresses(destination)
        except OutlastError as error:
            if isinstance(error, OutboundRefused):
                self.refused = error
            await _answer(writer, b"403 Forbidden", error.message)
            return
        except (UnicodeDecodeError, ValueError):
            await _answer(writer, b"400 Bad Request")
            return
        connection = await _connect(addresses, destination.port)
        if connection is None:
            await _answer(writer, b"502 Bad Gateway", f"{destination.host} cannot be reached")
            return
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            connection[1].write(_origin_form(method, target, version, headers))
        await _join((reader, writer), connection)

    def _is_ours(self, headers: list[bytes]) -> bool:
        expected = b"basic " + base64.b64encode(f"{_USER}:{self._secret}".encode())
        for header in headers:
            name, _, value = header.partition(b":")
            if name.strip().lower() == b"proxy-authorization":
                scheme, _, text = value.strip().partition(b" ")
                given = scheme.lower() + b" " + text.strip()
                return hmac.compare_digest(given, expected)
        return False

    def _destination(self, method: bytes, target: str) -> Destination:
        if method != b"CONNECT":
            return self._gate.check(target)
        host, _, port = target.rpartition(":")
        return self._gate.check_host("https", host, int(port))


@contextlib.asynccontextmanager
async def open_proxy(gate: Gate) -> AsyncIterator[ForwardProxy]:
    """A forward proxy on the running loop, as long as the context lasts."""
    proxy = ForwardProxy(gate)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _connect(
    addresses: list[str], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    for address in addresses:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(address, port)
    return None


def _origin_form(method: bytes, target: bytes, version: bytes, headers: list[bytes]) -> bytes:
    """The request as the server itself is asked; the connection serves it alone."""
    path = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    kept = [header for header in headers if not header.lower().startswith(_PROXY_HEADERS)]
    lines = [b" ".join((method, path, version)), *kept, b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _answer(writer: asyncio.StreamWriter, status: bytes, text: str = "") -> None:
    body = text.encode()
    writer.write(
        b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%b" % (status, len(body), body)
    )
    await writer.drain()


async def _join(
    here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(here[0], there[1]))
            group.create_task(_pump(there[0], here[1]))
    except* OSError:
        logger.debug("a connection through the forward proxy broke")
    finally:
        there[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        chunk = await reader.read(_CHUNK_BYTES)
        if not chunk:
            break
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
