"""The native API: its routes, and its document, which has every kind's schemas."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from outlast.http.chat_log import ChatLogRoutes
from outlast.http.connections import ConnectionRoutes
from outlast.http.databases import DatabaseRoutes
from outlast.http.datasets import DatasetRoutes
from outlast.http.errors import STATUS
from outlast.http.evidence import EvidenceRoutes
from outlast.http.faces import NATIVE_FACE
from outlast.http.files import FileRoutes
from outlast.http.health import HealthRoutes
from outlast.http.kinds import KindRoutes, schema_of
from outlast.http.metrics import Metrics
from outlast.http.openapi import REF, describe, openapi_route
from outlast.http.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.pipe_tables import PipeTableRoutes
from outlast.http.policies import PolicyRoutes
from outlast.http.routing import Route
from outlast.http.schedules import ScheduleRoutes
from outlast.http.services import ServiceRoutes
from outlast.http.stacks import StackRoutes
from outlast.http.submitting import SubmittingRoutes
from outlast.http.tokens import TokenRoutes
from outlast.http.vector_databases import VectorDatabaseRoutes
from outlast.operations.kind import Kind
from outlast.settings import Limits


class _Routes(Protocol):
    def routes(self) -> list[Route]: ...


_RESOURCES: Final[Mapping[str, Callable[[Any, Limits, float], _Routes]]] = {
    "datasets": DatasetRoutes,
    "files": FileRoutes,
    "databases": DatabaseRoutes,
    "pipe_tables": lambda tables, limits, _: PipeTableRoutes(tables, limits),
    "vector_databases": VectorDatabaseRoutes,
    "connections": ConnectionRoutes,
    "evidences": EvidenceRoutes,
    "policies": PolicyRoutes,
}
"""What offers each of the Parts, by its name there."""


def native_routes(
    parts: Parts, metrics: Metrics, ready: Callable[[], Awaitable[None]], version: str
) -> list[Route]:
    """Every route. `ready` raises while the server cannot take requests."""
    engine, tokens, body_seconds = parts.engine, parts.tokens, parts.body_seconds
    routes: list[Route] = [
        *OperationRoutes(engine, tokens, body_seconds).routes(),
        *SubmittingRoutes(engine, metrics, body_seconds).routes(),
        *ScheduleRoutes(engine, metrics, body_seconds).routes(),
        *KindRoutes(engine.kinds).routes(),
        *TokenRoutes(engine, tokens, body_seconds).routes(),
        *HealthRoutes(tokens, metrics, ready, version).routes(),
    ]
    routes += _resource_routes(parts)
    if parts.stacks is not None:
        routes += StackRoutes(parts.stacks, engine, metrics, body_seconds).routes()
    url = parts.settings.public_url or "/"
    kinds = {name: kind for name, kind in engine.kinds.items() if not kind.is_part}
    document = openapi_route(routes, lambda all_: _document(all_, kinds, version, url))
    return [*routes, document]


def _resource_routes(parts: Parts) -> list[Route]:
    """The routes of what this API offers."""
    limits, body_seconds = parts.limits, parts.body_seconds
    routes: list[Route] = []
    for name, routes_of in _RESOURCES.items():
        if getattr(parts, name) is not None:
            routes += routes_of(getattr(parts, name), limits, body_seconds).routes()
    if parts.services is not None:
        routes += ServiceRoutes(parts.services, parts.engine.kinds).routes()
    if parts.chat_log is not None:
        routes += ChatLogRoutes(parts, parts.chat_log).routes()
    return routes


def _document(
    routes: Sequence[Route], kinds: Mapping[str, Kind], version: str, url: str
) -> dict[str, Any]:
    document = describe(
        routes,
        NATIVE_FACE,
        title="Outlast",
        summary="Long-running operations: submit, follow, cancel.",
        version=version,
        url=url,
    )
    schemas = document["components"]["schemas"]
    schemas["ErrorCode"] = {"type": "string", "enum": sorted(STATUS)}
    _add_kinds(document["paths"], schemas, kinds)
    return document


def _add_kinds(
    paths: Mapping[str, Any], components: dict[str, Any], kinds: Mapping[str, Kind]
) -> None:
    """The schemas of every kind, and the body of a submission as one of them."""
    choices: list[Any] = []
    for name in sorted(kinds):
        for half, type in (("spec", kinds[name].spec), ("result", kinds[name].result)):
            components[f"{name}.{half}"] = _with_id(schema_of(type), f"{name}.{half}")
        narrowed = {
            "properties": {
                "kind": {"const": name},
                "spec": {"$ref": REF.format(name=f"{name}.spec")},
            }
        }
        choices.append({"allOf": [{"$ref": REF.format(name="SubmitBody")}, narrowed]})
    if choices:
        content = paths["/v1/operations"]["post"]["requestBody"]["content"]
        content["application/json"]["schema"] = {"oneOf": choices}


def _with_id(schema: Any, prefix: str) -> Any:
    """The schema with its $defs found inside of this document's components."""
    base = REF.format(name=prefix) + "/$defs/"
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", base)
            if key == "$ref" and isinstance(value, str)
            else _with_id(value, prefix)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_with_id(item, prefix) for item in schema]
    return schema
