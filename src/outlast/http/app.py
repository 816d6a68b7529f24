"""The HTTP API as ASGI applications: one for each listener, over the same doors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from outlast.dialects.chainloop import Chainloop
from outlast.dialects.datarobot import DataRobot
from outlast.dialects.gooddata import GoodData
from outlast.dialects.lakesail import LakeSail
from outlast.dialects.nebius import Nebius
from outlast.dialects.port import Dialect
from outlast.http.chainloop import chainloop_routes
from outlast.http.datarobot import datarobot_routes
from outlast.http.edge import Edge, Front, Mount
from outlast.http.faces import NATIVE_FACE, DialectFace, Door
from outlast.http.gooddata import gooddata_routes
from outlast.http.lakesail import lakesail_routes
from outlast.http.metrics import Metrics
from outlast.http.native import native_routes
from outlast.http.nebius import nebius_routes
from outlast.http.openapi import describe, openapi_route
from outlast.http.parts import Parts
from outlast.http.routing import Route, Table


class Site:
    """Every door of a server, and the application of each listener."""

    def __init__(self, parts: Parts, *, ready: Callable[[], Awaitable[None]], version: str) -> None:
        """`ready` raises while the server cannot take requests.

        The hub of the engine is closed when the server shuts down, before it waits for connections
        to end: waits and streams end with it.
        """
        self._tokens = parts.tokens
        self._settings = parts.settings
        self._version = version
        self._metrics = Metrics(_gauges(parts))
        routes = native_routes(parts, self._metrics, ready, version)
        self._native = Door(table=Table(routes), face=NATIVE_FACE)
        self._routes = {name: routes(parts) for name, (_, routes) in DIALECTS.items()}

    @property
    def main(self) -> Edge:
        """The main port: the native API at its root, every dialect below its name.

        What a dialect must own at the root it has there too.
        """
        mounts: list[Mount] = []
        for dialect, _ in DIALECTS.values():
            below = f"/{dialect.name}"
            root = (self._settings.public_url or "").rstrip("/")
            url = root + ("/" if dialect.fixed_paths else below)
            door = self._door(dialect.name, url, root or None)
            mounts.append(Mount(path=below, door=door))
            mounts.extend(Mount(path=one, door=door, is_kept=True) for one in dialect.fixed_paths)
        hosts = {
            host: self._door(profile.dialect, profile.public_url or "/", profile.public_url)
            for profile in self._settings.profiles.values()
            for host in profile.hosts
        }
        return self._edge(Front(root=self._native, mounts=mounts, hosts=hosts))

    def alone(self, profile: str) -> Edge:
        """The listener of a profile: one dialect, at its root."""
        wanted = self._settings.profiles[profile]
        door = self._door(wanted.dialect, wanted.public_url or "/", wanted.public_url)
        return self._edge(Front(root=door))

    def _edge(self, front: Front) -> Edge:
        return Edge(front, self._tokens, self._metrics)

    def _door(self, name: str, url: str, public_url: str | None) -> Door:
        """A dialect's door whose document says that its paths begin at a URL."""
        dialect, routes = DIALECTS[name][0], self._routes[name]
        face = DialectFace(dialect)
        document = openapi_route(
            routes,
            lambda all_: describe(
                all_,
                face,
                title=f"{dialect.title}, as Outlast serves it",
                summary="The wire format of another platform, over this server's operations.",
                version=self._version,
                url=url,
            ),
        )
        table = Table([*routes, document])
        return Door(table=table, face=face, prefix=f"/{name}", public_url=public_url)


def _gauges(parts: Parts) -> dict[str, tuple[str, Callable[[], float]]]:
    engine, log = parts.engine, parts.chat_log
    gauges: dict[str, tuple[str, Callable[[], float]]] = {
        "outlast_watchers": ("Requests that wait for a change.", lambda: engine.watchers)
    }
    if log is not None:
        gauges["outlast_chat_entries_logged"] = ("Chats logged.", lambda: log.logged)
        gauges["outlast_chat_entries_dropped"] = (
            "Entries of the chat log that were not kept.",
            lambda: sum(log.dropped.values()),
        )
    return gauges


DIALECTS: Final[Mapping[str, tuple[Dialect, Callable[[Parts], Sequence[Route]]]]] = (
    MappingProxyType(
        {
            "chainloop": (Chainloop(), chainloop_routes),
            "datarobot": (DataRobot(), datarobot_routes),
            "gooddata": (GoodData(), gooddata_routes),
            "lakesail": (LakeSail(), lakesail_routes),
            "nebius": (Nebius(), nebius_routes),
        }
    )
)
"""Every dialect by name, and what makes its routes."""
