"""The routes of /v1/operations in the Nebius dialect."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.dialects.nebius.ids import read_id
from outlast.dialects.nebius.operation_types import OperationResponse, RunOperationRequest
from outlast.dialects.nebius.operation_types.files import DatasetToFileResults, file_results
from outlast.dialects.nebius.operations import (
    LIST_MAX,
    OperationErrors,
    OperationList,
    error_lines,
    operation_on_wire,
    read_request,
    request_kind,
    request_path,
)
from outlast.dialects.nebius.tuning_history import JobCheckpointList
from outlast.dialects.nebius.words import TYPES, OperationType
from outlast.engine import Wish
from outlast.engine.access import Verb
from outlast.http.cancelling import cancel_operation
from outlast.http.nebius.fine_tuning import CHECKPOINT_PAGE, find_checkpoints
from outlast.http.parsing import (
    parse_instant,
    parse_integer,
    parse_traceparent,
    read_json,
)
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS
from outlast.operations import ids
from outlast.operations.documents import canonical
from outlast.operations.errors import Invalid, NotFound
from outlast.operations.model import Operation
from outlast.store.port import Query, View

_LIST: Final = (
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST_MAX},
        says="How many at most.",
    ),
    Parameter(
        name="cursor_time",
        schema={"type": ["string", "null"]},
        says="Only what was created before this instant (ISO 8601), or before this operation (id).",
    ),
    Parameter(name="ai_project_id", schema={"type": "string"}, says="Only of this project."),
)

_REQUEST: Final[Any] = RunOperationRequest


class OperationRoutes:
    """The routes of /v1/operations."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._models = parts.models
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented. The status poll, which is asked most, comes first."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        one = "/v1/operations/{operation_id}"
        return [
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="Get operation info by id",
                verb=Verb.READ,
                answers={200: OperationResponse},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path="/v1/operations",
                handle=self._list,
                says="Operations, newest first",
                verb=Verb.READ,
                query=_LIST,
                answers={200: OperationList},
            ),
            Route(
                method="GET",
                path=one + "/errors",
                handle=self._errors,
                says="What went wrong in an operation, a line for each problem",
                verb=Verb.READ,
                answers={200: OperationErrors},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/results",
                handle=self._results,
                says="The checkpoints of a fine-tuning, or the file that a dataset became",
                verb=Verb.READ,
                query=CHECKPOINT_PAGE,
                answers={200: (JobCheckpointList, DatasetToFileResults)},
                errors=("not_found",),
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/v1/operations",
                handle=self._run,
                says="Run an operation",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                body=RunOperationRequest,
                answers={200: OperationResponse},
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="POST",
                path="/v1/operations/{operation_id}/cancel",
                handle=self._cancel,
                says="Ask for an operation to be stopped",
                verb=Verb.SUBMIT,
                answers={200: OperationResponse},
                errors=("illegal_transition", "not_found", "request_timeout", "too_large"),
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        return _answer(await self._find(call))

    async def _list(self, call: Call) -> Answer:
        cursor = call.one("cursor_time") or None
        # Instants are not fine enough to tell operations apart that were created together.
        before_id = ids.decode_any(cursor or "")
        query = Query(
            tenant="",
            kinds=frozenset(TYPES),
            project=call.one("ai_project_id"),
            before_id=before_id,
            created_before=_instant(cursor) if before_id is None else None,
            limit=parse_integer(call, "limit", LIST_MAX, 1, LIST_MAX),
            view=View.FULL,
        )
        page = await self._engine.find(call.principal, query)
        listed = OperationList(data=[operation_on_wire(one) for one in page.operations])
        return Answer(body=encode(listed))

    async def _errors(self, call: Call) -> Answer:
        operation = await self._find(call)
        return Answer(body=encode(OperationErrors(data=error_lines(operation.failure))))

    async def _results(self, call: Call) -> Answer:
        operation = await self._find(call)
        match TYPES[operation.kind]:
            case OperationType.DATASET_TO_FILE:
                return Answer(body=encode(file_results(operation)))
            case OperationType.FINETUNING if self._models is not None:
                checkpoints = await find_checkpoints(self._models, call, operation)
                return Answer(body=encode(checkpoints))
            case type:
                raise NotFound(f"an operation of type {type} leaves its rows in dst, or in files")

    async def _run(self, call: Call) -> Answer:
        limits = self._engine.limits
        request: RunOperationRequest = await read_json(
            call, _REQUEST, limits.body_bytes, self._body_seconds
        )
        wanted = read_request(request)
        wish = Wish(
            kind=request_kind(request),
            spec=canonical(wanted.spec),
            project=request.ai_project_id,
            deadline_seconds=wanted.window_seconds,
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
        )
        try:
            created = await self._engine.submit(call.principal, wish)
        except Invalid as error:
            error.field_errors = _renamed(error.field_errors, request)
            raise
        replayed: list[Header] = [] if created.is_new else [(b"idempotent-replayed", b"true")]
        return msgspec.structs.replace(_answer(created.operation), headers=replayed)

    async def _cancel(self, call: Call) -> Answer:
        found = await self._find(call)
        operation = await cancel_operation(self._engine, call, found, self._body_seconds)
        return _answer(operation)

    async def _find(self, call: Call) -> Operation:
        operation = await self._engine.get(call.principal, read_id(call.params["operation_id"]))
        if operation.kind not in TYPES:
            raise NotFound("there is no such operation")
        return operation


def _answer(operation: Operation) -> Answer:
    return Answer(body=encode(operation_on_wire(operation)))


def _instant(cursor: str | None) -> int | None:
    return None if cursor is None else parse_instant(cursor, "cursor_time")


def _renamed(field_errors: Mapping[str, str], request: RunOperationRequest) -> dict[str, str]:
    """The same complaints about the fields of the request, in place of those of the spec."""
    return {request_path(request, path): reason for path, reason in field_errors.items()}
