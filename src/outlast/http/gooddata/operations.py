"""The status poll, and how whatever takes its time is accepted."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from outlast.dialects.gooddata import encode
from outlast.dialects.gooddata.ids import read_id
from outlast.dialects.gooddata.operations import AnyOperation, operation_id, operation_on_wire
from outlast.dialects.gooddata.words import KINDS, WORDS, OperationKind
from outlast.engine import Engine, Wish
from outlast.engine.access import Verb
from outlast.http.parsing import parse_traceparent
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.submitting import SUBMIT_ERRORS
from outlast.operations import ids
from outlast.operations.documents import canonical
from outlast.operations.errors import NotFound

BASE: Final = "/api/v1/ailake"
ACCEPT_ERRORS: Final = tuple(code for code in SUBMIT_ERRORS if code != "idempotency_mismatch")
OPERATION_ID: Final = Parameter(
    name="operation-id",
    schema={
        "type": "string",
        "pattern": ids.ALIAS_PATTERN.pattern,
        "examples": ["e9fd5d74-8a1b-46bd-ac60-bd91e9206897"],
    },
    says="The id that the operation shall have, unique in the tenant; made if there is none.",
)
ACCEPTED: Final = {202: dict[str, Any]}
"""What clients read of the body of a 202 is nothing, but it must be JSON."""


class OperationRoutes:
    """The route of operations."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=BASE + "/operations/{operationId}",
                handle=self._get,
                says="Get Long Running Operation details",
                verb=Verb.READ,
                answers={200: AnyOperation},
                errors=("not_found",),
                params={"operationId": "The id that the caller chose, or one of this server's."},
            )
        ]

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params["operationId"])
        operation = await self._engine.get(call.principal, ref)
        if operation.kind not in WORDS:
            raise NotFound("there is no such operation")
        return Answer(body=encode(operation_on_wire(operation)))


async def accept(
    engine: Engine,
    call: Call,
    kind: OperationKind,
    spec: Mapping[str, Any],
    *,
    wire_path: Callable[[str], str],
    is_located: bool = True,
) -> Answer:
    """Create an operation; it can be polled before this answers.

    `wire_path` tells what a field of the spec is called in the request.
    """
    wish = Wish(
        kind=KINDS[kind],
        spec=canonical(spec),
        operation_id=call.header(b"operation-id"),
        request_id=call.request_id,
        traceparent=parse_traceparent(call),
    )
    with renaming(wire_path):
        created = await engine.submit(call.principal, wish)
    id = operation_id(created.operation)
    headers: list[Header] = [(b"operation-id", id.encode())]
    if is_located:
        location = f"{call.root}{BASE}/operations/{id}"
        headers.append((b"operation-location", location.encode()))
    return Answer(status=202, body=b"{}", headers=headers)
