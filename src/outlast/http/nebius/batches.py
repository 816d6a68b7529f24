"""The routes of /v1/batches in the Nebius dialect: OpenAI's batches API."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.dialects.nebius.batches import (
    BATCH_KIND,
    LIST,
    LIST_MAX,
    Batch,
    BatchList,
    BatchRequest,
    batch_list,
    batch_on_wire,
)
from outlast.dialects.nebius.ids import read_id
from outlast.engine import Principal, Wish
from outlast.engine.access import Verb
from outlast.engine.preparing import TenantCatalog
from outlast.http.cancelling import cancel_operation
from outlast.http.parsing import parse_integer, parse_traceparent, read_json
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS
from outlast.inference.models import find_model
from outlast.operations import ids
from outlast.operations.documents import canonical
from outlast.operations.errors import Invalid, InvalidSpec, NotFound
from outlast.operations.model import Operation
from outlast.resources.files import Files
from outlast.resources.files.model import FILE, published_id
from outlast.store.port import Query, View

_LIST: Final = (
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST},
        says="How many at most.",
    ),
    Parameter(name="after", schema={"type": "string"}, says="The last batch of the page before."),
    Parameter(name="input_file_id", schema={"type": "string"}, says="Only of this file."),
    Parameter(name="ai_project_id", schema={"type": "string"}, says="Only of this project."),
)
_HEAD_BYTES: Final = 4 * 1024 * 1024
_PURPOSE: Final = "batch"
_FIELDS: Final = {
    "file": "input_file_id",
    "labels": "metadata",
    "model": "override_settings.model",
    "parameters": "override_settings",
}


class BatchRoutes:
    """The routes of /v1/batches."""

    def __init__(self, parts: Parts, files: Files) -> None:
        self._engine = parts.engine
        self._files = files
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        path, one = "/v1/batches", "/v1/batches/{batch_id}"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Make a batch of a file of requests",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                body=BatchRequest,
                answers={200: Batch},
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Batches, newest first",
                verb=Verb.READ,
                query=_LIST,
                answers={200: BatchList},
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A batch",
                verb=Verb.READ,
                answers={200: Batch},
                errors=("not_found",),
            ),
            Route(
                method="POST",
                path=one + "/cancel",
                handle=self._cancel,
                says="Ask for a batch to be stopped",
                verb=Verb.SUBMIT,
                answers={200: Batch},
                errors=("illegal_transition", "not_found", "request_timeout", "too_large"),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        limits = self._engine.limits
        request = await read_json(call, BatchRequest, limits.body_bytes, self._body_seconds)
        window = request.window_seconds
        file = await self._files.get(call.principal, read_id(request.input_file_id))
        if file.purpose != _PURPOSE:
            reason = f"the file is for {file.purpose!r}, not for {_PURPOSE!r}"
            raise InvalidSpec(reason, field_errors={"input_file_id": reason})
        model = request.model or await self._known_model(call.principal, file.id)
        wish = Wish(
            kind=BATCH_KIND,
            spec=canonical(request.spec(model)),
            labels=request.metadata or {},
            project=request.ai_project_id,
            resource_type=FILE,
            resource_id=file.id,
            deadline_seconds=window,
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
        )
        try:
            created = await self._engine.submit(call.principal, wish)
        except Invalid as error:
            error.field_errors = _renamed(error.field_errors)
            raise
        return await self._answer(call.principal, created.operation)

    async def _known_model(self, principal: Principal, file_id: str) -> str | None:
        """The model that the first readable request of a file names, if it is known here.

        If it is not, every row of the batch will be invalid, which is said row by row.
        """
        head = await self._head(principal, file_id)
        catalog = TenantCatalog(self._engine.store.catalog, principal.tenant)
        for line in head.splitlines():
            try:
                named = msgspec.json.decode(line, type=_Named).body.model
                return (await find_model(catalog, named)).name
            except NotFound:
                return None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
        return None

    async def _head(self, principal: Principal, file_id: str) -> bytes:
        head = b""
        chunks = self._files.read(principal, file_id)
        async for chunk in chunks:
            head += chunk
            if b"\n" in head or len(head) >= _HEAD_BYTES:
                break
        return head

    async def _list(self, call: Call) -> Answer:
        input_file = call.one("input_file_id")
        query = Query(
            tenant="",
            kinds=frozenset({BATCH_KIND}),
            resource_type=None if input_file is None else FILE,
            resource_id=None if input_file is None else read_id(input_file),
            project=call.one("ai_project_id"),
            before_id=_position(call),
            limit=parse_integer(call, "limit", LIST, 1, LIST_MAX),
            view=View.FULL,
        )
        page = await self._engine.find(call.principal, query)
        data = [await self._on_wire(call.principal, one) for one in page.operations]
        return Answer(body=encode(batch_list(data, has_more=page.next_before_id is not None)))

    async def _get(self, call: Call) -> Answer:
        return await self._answer(call.principal, await self._find(call))

    async def _cancel(self, call: Call) -> Answer:
        found = await self._find(call)
        operation = await cancel_operation(self._engine, call, found, self._body_seconds)
        return await self._answer(call.principal, operation)

    async def _find(self, call: Call) -> Operation:
        operation = await self._engine.get(call.principal, read_id(call.params["batch_id"]))
        if operation.kind != BATCH_KIND:
            raise NotFound("there is no such batch")
        return operation

    async def _answer(self, principal: Principal, operation: Operation) -> Answer:
        return Answer(body=encode(await self._on_wire(principal, operation)))

    async def _on_wire(self, principal: Principal, operation: Operation) -> Batch:
        output_file, error_file = await asyncio.gather(
            self._published(principal, operation, "batch_output"),
            self._published(principal, operation, "batch_errors"),
        )
        return batch_on_wire(operation, output_file=output_file, error_file=error_file)

    async def _published(
        self, principal: Principal, operation: Operation, purpose: str
    ) -> str | None:
        """The id of the file that an operation has published for a purpose, if it has."""
        if not operation.state.is_terminal:
            return None
        try:
            return (await self._files.get(principal, published_id(operation.id, purpose))).id
        except NotFound:
            return None


class _Body(msgspec.Struct):
    model: str


class _Named(msgspec.Struct):
    """A request of a file, as far as it says who shall answer."""

    body: _Body


def _position(call: Call) -> str | None:
    after = call.one("after")
    if after is None:
        return None
    id = ids.decode_any(after)
    if id is None:
        raise Invalid("after is the id of a batch", field_errors={"after": "is not an id"})
    return id


def _renamed(field_errors: Mapping[str, str]) -> dict[str, str]:
    """The same complaints about the fields of the request, in place of those of the spec."""
    renamed = {}
    for path, reason in field_errors.items():
        first, _, rest = path.partition(".")
        name = _FIELDS.get(first, first)
        renamed[f"{name}.{rest}" if rest else name] = reason
    return renamed
