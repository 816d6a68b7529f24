"""The edge of a listener: every request passes here, and every one gets an answer of ours."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from outlast.engine.tokens import Tokens
from outlast.http.auth import authenticate
from outlast.http.errors import ClientGone, Internal, MethodNotAllowed
from outlast.http.faces import Door
from outlast.http.metrics import Metrics
from outlast.http.origins import origin_of
from outlast.http.parsing import parse_headers, parse_query, parse_request_id
from outlast.http.routing import Answer, Call, Route, Stream, Table
from outlast.http.streaming import while_connected
from outlast.operations.errors import NotFound, OutlastError

GONE: Final = 499
"""The status that the metrics show for clients that left before the answer."""

PARAM_CHARS_MAX: Final = 255

STALLED_SECONDS: Final = 120.0
"""How long a client may read nothing of a stream before it is taken for gone."""

_NO_BODY: Final = frozenset({204, 304})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A door below a path of another one: /nebius, or, with the path kept, /api/v2."""

    path: str
    door: Door
    is_kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Front:
    """What one listener offers: a door at its root, others below paths or by their host names."""

    root: Door
    mounts: Sequence[Mount] = ()
    hosts: Mapping[str, Door] = field(default_factory=dict)

    def enter(self, scope: Scope) -> tuple[Door, str]:
        """The door that a request comes to, and the path as that door knows it."""
        path: str = scope["path"]
        if self.hosts:
            door = self.hosts.get(_host(scope))
            if door is not None:
                return door, path
        for mount in self.mounts:
            if path.startswith(mount.path + "/"):
                return mount.door, path if mount.is_kept else path[len(mount.path) :]
        return self.root, path


def _host(scope: Scope) -> str:
    """The host name that the client asked for, in lower case and without a port."""
    text = _host_header(scope)
    host = text.rpartition(":")[0] if text[-1:].isdigit() and ":" in text else text
    return host.removesuffix(".")


def _host_header(scope: Scope) -> str:
    """What the client says that it asked, in lower case."""
    for name, value in scope["headers"]:
        if name == b"host":
            text: str = value.decode("latin-1")
            return text.lower()
    return ""


class Edge:
    """An ASGI application over the doors of a listener."""

    def __init__(self, front: Front, tokens: Tokens, metrics: Metrics) -> None:
        self.front = front
        self.tokens = tokens
        self.metrics = metrics

    @property
    def table(self) -> Table:
        """The routes of the door at the root."""
        return self.front.root.table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await _Exchange(self, scope, receive, send).run()


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_door",
        "_edge",
        "_params",
        "_path",
        "_receive",
        "_request_id",
        "_route",
        "_scope",
        "_send",
        "_status",
    )

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._receive = receive
        self._send = send
        self._door, self._path = edge.front.enter(scope)
        self._route: Route | None = None
        self._params: Mapping[str, str] = {}
        self._request_id = ""
        self._status = GONE

    async def run(self) -> None:
        started = perf_counter()
        try:
            await self._reply(await self._answer())
        except ClientGone:
            pass
        finally:
            route = self._route
            self._edge.metrics.count_request(
                "other" if route is None else route.method,
                "none" if route is None else self._door.prefix + route.path,
                self._status,
                perf_counter() - started,
            )

    async def _answer(self) -> Answer:
        try:
            try:
                headers = parse_headers(self._scope)
                self._request_id = parse_request_id(headers) or ""
            finally:
                # An id to find a request by, not a secret.
                self._request_id = self._request_id or f"{random.getrandbits(80):020x}"
            route, params = self._find()
            face = self._door.face
            query = parse_query(self._scope["query_string"], route, is_strict=face.is_strict)
            principal = None
            if route.verb is not None:
                principal = await authenticate(
                    self._edge.tokens, headers, route, face.schemes, face.tenant_header
                )
            client = (self._scope.get("client") or ("",))[0]
            call = Call(
                receive=self._receive,
                client=client,
                root=self._scope["path"].removesuffix(self._path),
                path=self._path,
                request_id=self._request_id,
                headers=headers,
                params=params,
                query=query,
                principal_or_none=principal,
                origin=self._origin,
            )
            return await route.handle(call)
        except _LacksSlash:
            return self._with_slash()
        except OutlastError as error:
            if error.code == "lease_lost":
                logger.exception("request %s failed", self._request_id)
            return self._refuse(error)
        except ClientGone:
            raise
        except Exception:
            logger.exception("request %s failed", self._request_id)
            return self._refuse(Internal())

    def _refuse(self, error: OutlastError) -> Answer:
        return self._door.face.refuse(error, self._request_id, self._route, self._params)

    def _origin(self) -> str:
        public_url = self._door.public_url
        if public_url is not None:
            return public_url.rstrip("/")
        return origin_of(
            _host_header(self._scope),
            self._scope.get("server"),
            scheme=self._scope.get("scheme", "http"),
            hosts=self._edge.front.hosts,
        )

    def _with_slash(self) -> Answer:
        query = self._scope["query_string"]
        location = quote(self._scope["path"] + "/").encode() + (b"?" + query if query else b"")
        return Answer(status=308, headers=[(b"location", location)])

    def _find(self) -> tuple[Route, Mapping[str, str]]:
        found = self._door.table.match(self._path)
        if found is None:
            if self._door.table.match(self._path + "/") is not None:
                raise _LacksSlash
            raise NotFound("there is no such path; see /openapi.json")
        methods, params = found
        self._params = params
        for value in params.values():
            if len(value) > PARAM_CHARS_MAX or not value.isprintable():
                raise NotFound
        route = methods.get(self._scope["method"])
        if route is None:
            raise MethodNotAllowed(", ".join(sorted(methods)))
        self._route = route
        return route, params

    async def _reply(self, answer: Answer) -> None:
        body, stream = answer.body, answer.stream
        headers = [
            (b"x-request-id", self._request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", answer.cache),
            *answer.headers,
        ]
        if answer.status not in _NO_BODY:
            if body or stream is not None:
                headers.append((b"content-type", answer.media))
            if stream is None:
                headers.append((b"content-length", b"%d" % len(body)))
        self._status = answer.status
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        is_head = self._scope["method"] == "HEAD"
        if stream is None:
            await self._send(start)
            await self._send({"type": "http.response.body", "body": b"" if is_head else body})
            return
        try:
            await self._send(start)
            if is_head:
                await self._send({"type": "http.response.body", "body": b""})
            else:
                await while_connected(self._receive, self._pump(stream))
        finally:
            await stream.aclose()

    async def _pump(self, stream: Stream) -> None:
        async for piece in stream:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._send(
                        {"type": "http.response.body", "body": piece, "more_body": True}
                    )
            except TimeoutError:
                # Else who never reads would hold for ever what the stream holds.
                raise ClientGone from None
        await self._send({"type": "http.response.body", "body": b""})


class _LacksSlash(Exception):
    """There is no such path, but one that ends with a slash."""


async def _live(receive: Receive, send: Send) -> None:
    """Nothing of ours begins or ends with the application: its parts are opened elsewhere."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
