"""The edge of the API: every request passes here, and every one gets an answer of ours."""

import logging
import random
from collections.abc import Mapping
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from outlast.engine.tokens import Tokens
from outlast.http.auth import authenticate
from outlast.http.errors import ClientGone, Internal, MethodNotAllowed, problem_answer
from outlast.http.metrics import Metrics
from outlast.http.parsing import parse_headers, parse_query, parse_request_id
from outlast.http.routing import Answer, Call, Route, Stream, Table
from outlast.http.streaming import while_connected
from outlast.operations.errors import NotFound, OutlastError

GONE: Final = 499
"""The status that the metrics show for clients that left before the answer."""

PARAM_CHARS_MAX: Final = 255

_NO_BODY: Final = frozenset({204, 304})

logger = logging.getLogger(__name__)


class Edge:
    """An ASGI application over a table of routes."""

    def __init__(self, table: Table, tokens: Tokens, metrics: Metrics) -> None:
        self.table = table
        self.tokens = tokens
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await _Exchange(self, scope, receive, send).run()


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_edge", "_receive", "_request_id", "_route", "_scope", "_send", "_status")

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._receive = receive
        self._send = send
        self._route: Route | None = None
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
                "none" if route is None else route.path,
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
            query = parse_query(self._scope["query_string"], route)
            principal = None
            if route.verb is not None:
                principal = await authenticate(self._edge.tokens, headers, route)
            client = (self._scope.get("client") or ("",))[0]
            call = Call(
                receive=self._receive,
                client=client,
                request_id=self._request_id,
                headers=headers,
                params=params,
                query=query,
                principal_or_none=principal,
            )
            return await route.handle(call)
        except OutlastError as error:
            if error.code == "lease_lost":
                logger.exception("request %s failed", self._request_id)
            return problem_answer(error, self._request_id)
        except ClientGone:
            raise
        except Exception:
            logger.exception("request %s failed", self._request_id)
            return problem_answer(Internal(), self._request_id)

    def _find(self) -> tuple[Route, Mapping[str, str]]:
        found = self._edge.table.match(self._scope["path"])
        if found is None:
            raise NotFound("there is no such path; see /openapi.json")
        methods, params = found
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
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    """Nothing of ours begins or ends with the application: its parts are opened elsewhere."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
