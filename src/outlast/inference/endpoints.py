"""Reaching a model: an endpoint that answers, wherever the model is served."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from outlast.inference.local import start_local_server
from outlast.inference.models import ServedModel
from outlast.operations.errors import Unavailable
from outlast.outbound import AsyncGatedTransport, Gate

CONNECT_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
NO_KEY: Final = "no-key"
"""What is said to a backend that asks for no key: clients insist on one."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAI-compatible endpoint, which knows the model as `model`.

    `http` carries neither key nor base URL, and follows no redirects.
    """

    base_url: str
    api_key: str
    model: str
    http: httpx2.AsyncClient


@asynccontextmanager
async def open_endpoint(
    model: ServedModel, api_key: str | None, *, folder: Path | None = None
) -> AsyncIterator[Endpoint]:
    """An endpoint that serves the model until the context ends.

    `folder` holds the files of a tuned model, by their names. A model of a local folder is loaded
    in a process of its own, which ends with the context. Raises Unavailable.
    """
    if model.url is not None:
        async with _client(model.url, model) as http:
            yield Endpoint(
                base_url=model.url.rstrip("/"),
                api_key=api_key or NO_KEY,
                model=model.upstream,
                http=http,
            )
        return
    if model.folder is None:
        raise Unavailable(f"model {model.name!r} is served nowhere")
    tuned = folder if model.files else None
    async with (
        start_local_server(Path(model.folder), name=model.upstream, tuned=tuned) as server,
        _client(server.base_url, model) as http,
    ):
        yield Endpoint(base_url=server.base_url, api_key=server.key, model=server.name, http=http)


def _client(url: str, model: ServedModel) -> httpx2.AsyncClient:
    """A client that reaches this URL's host and port and nothing else.

    Where a caller named the URL, it goes only where the gate lets callers go.
    """
    if model.allow is None:
        gate = Gate(configured=[url], is_public_allowed=False)
    else:
        gate = Gate(model.allow)
    limits = httpx2.Limits(
        max_connections=model.concurrency, max_keepalive_connections=model.concurrency
    )
    return httpx2.AsyncClient(
        transport=_BoundedTransport(gate, limits=limits),
        timeout=httpx2.Timeout(model.timeout_seconds, connect=CONNECT_SECONDS),
        # What is bounded on the wire is then bounded in memory.
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
    )


class _BoundedTransport(AsyncGatedTransport):
    """A transport whose answers have at most `ANSWER_BYTES_MAX`."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = ANSWER_BYTES_MAX
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
