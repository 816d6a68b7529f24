"""The routes of operations: of every kind, whichever door they came through."""

from outlast.dialects.chainloop import encode
from outlast.dialects.chainloop.ids import read_id
from outlast.dialects.chainloop.operations import (
    GetOperationResponse,
    ListOperationsResponse,
    operation_on_wire,
)
from outlast.dialects.chainloop.paging import SIZE_MAX, read_window
from outlast.dialects.chainloop.words import Status, read_status
from outlast.engine.access import Verb
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import Invalid
from outlast.store.port import Count, Query, View

_TEXT = {"type": "string"}
_QUERY = (
    Parameter(
        name="pagination.page",
        schema={"type": "integer", "format": "int32", "minimum": 0, "default": 1},
        says="Which page, from 1. 0 is the first one too.",
    ),
    Parameter(
        name="pagination.page_size",
        schema={"type": "integer", "format": "int32", "minimum": 0, "default": SIZE_MAX},
        says=f"How many at most. More than {SIZE_MAX} is {SIZE_MAX}.",
    ),
    Parameter(name="resource_type", schema=_TEXT, says="Goes with resource_id."),
    Parameter(name="resource_id", schema=_TEXT, says="Goes with resource_type."),
    Parameter(
        name="status",
        schema={
            "anyOf": [
                {"type": "string", "enum": list(Status)},
                {"type": "integer", "minimum": 0, "maximum": len(Status) - 1},
            ],
            "default": Status.UNSPECIFIED,
        },
        says="Only with this status, by its name or its number.",
    ),
    Parameter(name="kind", schema=_TEXT, says="Only of this kind."),
)


class OperationRoutes:
    """The routes of operations."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine

    def routes(self) -> list[Route]:
        """The routes, documented. The status poll, which is asked most, comes first."""
        return [
            Route(
                method="GET",
                path="/v1/operations/{operation_id}",
                handle=self._get,
                says="Get async operation status",
                verb=Verb.READ,
                answers={200: GetOperationResponse},
                errors=("not_found",),
                params={"operation_id": "An operation's id; other forms of it are taken too."},
            ),
            Route(
                method="GET",
                path="/v1/operations",
                handle=self._list,
                says="List async operations",
                verb=Verb.READ,
                query=_QUERY,
                answers={200: ListOperationsResponse},
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        operation = await self._engine.get(call.principal, read_id(call.params["operation_id"]))
        return Answer(body=encode(GetOperationResponse(operation=operation_on_wire(operation))))

    async def _list(self, call: Call) -> Answer:
        window = read_window(call.one("pagination.page"), call.one("pagination.page_size"))
        kind, resource = call.one("kind"), _resource(call)
        wanted = Count(
            tenant="",
            kinds=frozenset({kind} if kind else ()),
            states=read_status(call.one("status") or Status.UNSPECIFIED),
            resource=resource,
        )
        type_, id_ = resource or (None, None)
        query = Query(
            tenant="",
            kinds=wanted.kinds,
            states=wanted.states,
            resource_type=type_,
            resource_id=id_,
            offset=window.offset,
            limit=window.size,
            view=View.FULL,
        )
        page = await self._engine.find(call.principal, query)
        total = await self._engine.count(call.principal, wanted)
        listed = ListOperationsResponse(
            operations=[operation_on_wire(one) for one in page.operations],
            pagination=window.of(total),
        )
        return Answer(body=encode(listed))


def _resource(call: Call) -> tuple[str, str] | None:
    """The resource whose operations are asked for. An empty text is none. Raises Invalid."""
    type_, id_ = call.one("resource_type"), call.one("resource_id")
    if type_ and id_:
        return type_, id_
    if type_ or id_:
        missing = "resource_id" if type_ else "resource_type"
        raise Invalid(
            "resource_type and resource_id go together", field_errors={missing: "is missing"}
        )
    return None
