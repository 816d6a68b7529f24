"""The HTTP API as an ASGI application."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp

from outlast.http.datasets import DatasetRoutes
from outlast.http.edge import Edge
from outlast.http.health import HealthRoutes
from outlast.http.kinds import KindRoutes
from outlast.http.metrics import Metrics
from outlast.http.openapi import OpenApiRoutes
from outlast.http.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route, Table
from outlast.http.submitting import SubmittingRoutes
from outlast.http.tokens import TokenRoutes


def build_http(parts: Parts, *, ready: Callable[[], Awaitable[None]], version: str) -> ASGIApp:
    """The native API over its parts.

    `ready` raises while the server cannot take requests. The hub of the engine is closed when the
    server shuts down, before it waits for connections to end: waits and streams end with it.
    """
    engine, tokens, body_seconds = parts.engine, parts.tokens, parts.body_seconds
    metrics = Metrics(
        {"outlast_watchers": ("Requests that wait for a change.", lambda: engine.watchers)}
    )
    routes: list[Route] = [
        *OperationRoutes(engine, tokens, body_seconds).routes(),
        *SubmittingRoutes(engine, metrics, body_seconds).routes(),
        *KindRoutes(engine.kinds).routes(),
        *TokenRoutes(engine, tokens, body_seconds).routes(),
        *HealthRoutes(tokens, metrics, ready, version).routes(),
    ]
    if parts.datasets is not None:
        routes += DatasetRoutes(parts.datasets, parts.limits, body_seconds).routes()
    routes += OpenApiRoutes(routes, engine.kinds, version).routes()
    return Edge(Table(routes), tokens, metrics)
