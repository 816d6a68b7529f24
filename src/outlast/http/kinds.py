"""What this server can run, with the JSON Schema of each spec and result."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outlast.engine.access import Verb
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotFound
from outlast.operations.kind import Kind


class KindView(msgspec.Struct, frozen=True, kw_only=True):
    """A named type of operation."""

    name: str
    version: str
    description: str
    executor: str
    attempts_max: int
    spec_schema: dict[str, Any]
    result_schema: dict[str, Any]


class KindsView(msgspec.Struct, frozen=True, kw_only=True):
    """All kinds of this server, by name."""

    kinds: Sequence[KindView]


class KindRoutes:
    """The routes of /v1/kinds. Kinds do not change while a server runs: they are encoded once."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        views = [kind_view(kinds[name]) for name in sorted(kinds) if not kinds[name].is_part]
        self._all = encode(KindsView(kinds=views))
        self._each = {view.name: encode(view) for view in views}

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path="/v1/kinds",
                handle=self._list,
                says="The kinds that this server can run",
                verb=Verb.READ,
                crosses=True,
                answers={200: KindsView},
            ),
            Route(
                method="GET",
                path="/v1/kinds/{name}",
                handle=self._get,
                says="A kind, with the JSON Schema of its spec and its result",
                verb=Verb.READ,
                crosses=True,
                answers={200: KindView},
                errors=("not_found",),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        _ = call
        return Answer(body=self._all)

    async def _get(self, call: Call) -> Answer:
        body = self._each.get(call.params["name"])
        if body is None:
            raise NotFound("there is no such kind")
        return Answer(body=body)


def kind_view(kind: Kind) -> KindView:
    """A kind as clients see it."""
    return KindView(
        name=kind.name,
        version=kind.version,
        description=kind.summary,
        executor=kind.executor,
        attempts_max=kind.retry.attempts_max,
        spec_schema=schema_of(kind.spec),
        result_schema=schema_of(kind.result),
    )


def schema_of(type: Any) -> dict[str, Any]:
    """The JSON Schema of a type, with what it refers to under $defs; {} for one that has none."""
    try:
        return msgspec.json.schema(type)
    except TypeError:
        # A type that only the kind's own hooks can read: anything may be said of it.
        return {}
