"""The HTTP API as an ASGI application."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp

from outlast.engine import Engine
from outlast.engine.tokens import Tokens
from outlast.http.datasets import DatasetRoutes
from outlast.http.edge import Edge
from outlast.http.health import HealthRoutes
from outlast.http.kinds import KindRoutes
from outlast.http.metrics import Metrics
from outlast.http.openapi import OpenApiRoutes
from outlast.http.operations import OperationRoutes
from outlast.http.routing import Route, Table
from outlast.http.submitting import SubmittingRoutes
from outlast.http.tokens import TokenRoutes
from outlast.resources.datasets import Datasets
from outlast.settings import Settings

BODY_SECONDS = 30.0
"""How long a body may take to arrive; for an upload, how long it may pause."""


def build_http(
    engine: Engine,
    tokens: Tokens,
    datasets: Datasets | None,
    settings: Settings,
    *,
    ready: Callable[[], Awaitable[None]],
    version: str,
    body_seconds: float = BODY_SECONDS,
) -> ASGIApp:
    """The native API over an engine. Without `datasets` it has no /v1/datasets.

    `ready` raises while the server cannot take requests. The hub of the engine is closed when the
    server shuts down, before it waits for connections to end: waits and streams end with it.
    """
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
    if datasets is not None:
        routes += DatasetRoutes(datasets, settings.limits, body_seconds).routes()
    routes += OpenApiRoutes(routes, engine.kinds, version).routes()
    return Edge(Table(routes), tokens, metrics)
