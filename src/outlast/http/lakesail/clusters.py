"""The route of the clusters that a member can use: all of the tenant's."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from msgspec import UNSET

from outlast.dialects.lakesail.ids import show_id
from outlast.dialects.lakesail.stacks import ClusterReference, IncludedWithClusters, MyClusters
from outlast.engine.access import Principal, Verb
from outlast.http.lakesail.answering import ANSWER_MEDIA, BASE, LIMIT_MAX, answered
from outlast.http.lakesail.connections import show_connection
from outlast.http.lakesail.including import NamedOperations
from outlast.http.lakesail.stack_views import show_cluster
from outlast.http.parsing import parse_integer
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import Invalid, NotFound
from outlast.resources.connections import Connection, Connections
from outlast.resources.stacks import Stack, Stacks

CLUSTERS_MAX: Final = 10_000
"""More than these are not sorted."""

FIND_MAX: Final = 1000
_PAGE_MAX: Final = 1_000_000
_DIRECTIONS: Final = ("asc", "desc")
_WINDOW: Final = (
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 0, "maximum": LIMIT_MAX, "default": LIMIT_MAX},
        says="How many at most.",
    ),
    Parameter(
        name="page",
        schema={"type": "integer", "minimum": 1, "maximum": _PAGE_MAX, "default": 1},
        says="Which page.",
    ),
    Parameter(
        name="sortBy",
        schema={"type": "string", "enum": ["name"], "default": "name"},
        says="What to sort by.",
    ),
    Parameter(
        name="sortDirection",
        schema={"type": "string", "enum": list(_DIRECTIONS), "default": "asc"},
        says="In which direction.",
    ),
)


class MyClusterRoutes:
    """The route of /me/clusters."""

    def __init__(self, parts: Parts, stacks: Stacks, connections: Connections | None) -> None:
        self._engine = parts.engine
        self._stacks = stacks
        self._connections = connections

    def routes(self) -> list[Route]:
        """The route, documented."""
        return [
            Route(
                method="GET",
                path=BASE + "/me/clusters",
                handle=self._list,
                says="List my clusters",
                verb=Verb.READ,
                query=_WINDOW,
                answers={200: MyClusters},
                answer_media=ANSWER_MEDIA,
            )
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "limit", LIMIT_MAX, 0, LIMIT_MAX)
        start = (parse_integer(call, "page", 1, 1, _PAGE_MAX) - 1) * limit
        is_descending = _one_of(call, "sortDirection", _DIRECTIONS) == "desc"
        _one_of(call, "sortBy", ("name",))
        found = await self._find(call.principal)
        found.sort(key=attrgetter("name"), reverse=is_descending)
        shown = found[start : start + limit]
        connections = await self._used(call.principal, shown)
        ids = [one.operation_id for one in shown] + [one.operation_id for one in connections]
        named = await NamedOperations.find(self._engine, call.principal, ids)
        page = MyClusters(
            total=len(found),
            items=[_reference(one) for one in shown],
            included=IncludedWithClusters(
                clusters=[show_cluster(one, named) for one in shown],
                connections=[show_connection(one, named) for one in connections],
                operations=named.on_wire(),
            ),
        )
        return answered(page)

    async def _find(self, principal: Principal) -> list[Stack]:
        found: list[Stack] = []
        before_id: str | None = None
        while len(found) < CLUSTERS_MAX:
            page = await self._stacks.find(
                principal, word="cluster", before_id=before_id, limit=FIND_MAX
            )
            found += page
            if len(page) < FIND_MAX:
                break
            before_id = page[-1].id
        return found

    async def _used(self, principal: Principal, clusters: Sequence[Stack]) -> list[Connection]:
        """The connections of clusters, each once, that are there."""
        found: list[Connection] = []
        if self._connections is not None:
            for id in dict.fromkeys(filter(None, (one.connection for one in clusters))):
                try:
                    found.append(await self._connections.get(principal, id))
                except NotFound:
                    continue
        return found


def _reference(cluster: Stack) -> ClusterReference:
    return ClusterReference(
        id=show_id(cluster.id),
        external_cluster_id=show_id(cluster.id),
        connection_id=UNSET if cluster.connection is None else show_id(cluster.connection),
    )


def _one_of(call: Call, name: str, words: Sequence[str]) -> str:
    said = call.one(name) or words[0]
    if said not in words:
        raise Invalid(f"{name} is one of: {', '.join(words)}", field_errors={name: "unknown"})
    return said
