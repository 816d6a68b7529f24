"""The HTTP API as ASGI applications: one for each listener, over the same doors."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from outlast.dialects.nebius import Nebius
from outlast.dialects.port import Dialect
from outlast.http.datasets import DatasetRoutes
from outlast.http.edge import Edge, Front, Mount
from outlast.http.faces import NATIVE_FACE, DialectFace, Door
from outlast.http.health import HealthRoutes
from outlast.http.kinds import KindRoutes
from outlast.http.metrics import Metrics
from outlast.http.nebius import nebius_routes
from outlast.http.openapi import OpenApiRoutes
from outlast.http.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route, Table
from outlast.http.submitting import SubmittingRoutes
from outlast.http.tokens import TokenRoutes


class Site:
    """Every door of a server, and the application of each listener."""

    def __init__(self, parts: Parts, *, ready: Callable[[], Awaitable[None]], version: str) -> None:
        """`ready` raises while the server cannot take requests.

        The hub of the engine is closed when the server shuts down, before it waits for connections
        to end: waits and streams end with it.
        """
        self._parts = parts
        engine = parts.engine
        self._metrics = Metrics(
            {"outlast_watchers": ("Requests that wait for a change.", lambda: engine.watchers)}
        )
        self._native = self._native_door(ready, version)
        self._dialects = {
            dialect.name: _dialect_door(dialect, routes(parts)) for dialect, routes in DIALECTS
        }

    @property
    def main(self) -> Edge:
        """The main port: the native API at its root, every dialect below its name."""
        mounts = [
            Mount(path=path, door=self._dialects[dialect.name], is_kept=bool(dialect.fixed_paths))
            for dialect, _ in DIALECTS
            for path in dialect.fixed_paths or (f"/{dialect.name}",)
        ]
        return self._edge(Front(root=self._native, mounts=mounts))

    def alone(self, dialect: str) -> Edge:
        """A listener that has nothing but one dialect, at its root."""
        return self._edge(Front(root=self._dialects[dialect]))

    def _edge(self, front: Front) -> Edge:
        return Edge(front, self._parts.tokens, self._metrics)

    def _native_door(self, ready: Callable[[], Awaitable[None]], version: str) -> Door:
        parts, metrics = self._parts, self._metrics
        engine, tokens, body_seconds = parts.engine, parts.tokens, parts.body_seconds
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
        return Door(table=Table(routes), face=NATIVE_FACE)


def _dialect_door(dialect: Dialect, routes: Sequence[Route]) -> Door:
    return Door(table=Table(routes), face=DialectFace(dialect), prefix=f"/{dialect.name}")


DIALECTS: Final[Sequence[tuple[Dialect, Callable[[Parts], Sequence[Route]]]]] = (
    (Nebius(), nebius_routes),
)
"""Every dialect, and what makes its routes."""
