"""The routes of /v1/datasets in the Nebius dialect."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from outlast.dialects.nebius import datasets as wire
from outlast.dialects.nebius.ids import read_id
from outlast.engine import Wish
from outlast.engine.access import Verb
from outlast.http.parsing import (
    check_json_media,
    decode_json,
    parse_integer,
    parse_traceparent,
    read_json,
    upload_chunks,
)
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.operations.documents import canonical
from outlast.operations.errors import IllegalTransition, Invalid, InvalidSpec, NotFound
from outlast.resources.datasets import Dataset, Datasets
from outlast.resources.datasets.calls import Format
from outlast.resources.datasets.declaration import Declaration
from outlast.resources.datasets.model import DatasetStatus

READER: Final = f"{wire.__name__}:{wire.read_new_dataset.__name__}"
_OFFSET_MAX: Final = 2**53
_PROJECT: Final = Parameter(
    name="ai_project_id", schema={"type": "string"}, says="The project that datasets belong to."
)
_LIST: Final = (
    Parameter(
        name="limit",
        schema={
            "type": "integer",
            "minimum": 1,
            "maximum": wire.LIST_MAX,
            "default": wire.LIST_MAX,
        },
        says="How many at most.",
    ),
    Parameter(name="after", schema={"type": "string"}, says="last_id of the page before."),
    _PROJECT,
)
_CONTENT: Final = (
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 1, "maximum": wire.ROWS_MAX, "default": wire.ROWS},
        says="How many rows at most.",
    ),
    Parameter(
        name="offset",
        schema={"type": "integer", "minimum": 0, "default": 0},
        says="How many rows to skip.",
    ),
)
_EXPORT: Final = (
    Parameter(
        name="format",
        schema={"type": "string", "enum": ["jsonl", "csv"], "default": "jsonl"},
        says="The format of the file.",
    ),
)
_MEDIA: Final[dict[Format, bytes]] = {
    "jsonl": b"application/x-ndjson",
    "csv": b"text/csv; charset=utf-8",
}
BODY_ERRORS: Final = (
    "invalid_spec",
    "request_timeout",
    "store_full",
    "too_large",
    "unsupported_media_type",
)


class DatasetRoutes:
    """The routes of /v1/datasets, but for those of uploads in parts."""

    def __init__(self, parts: Parts, datasets: Datasets) -> None:
        self._datasets = datasets
        self._engine = parts.engine
        self._secrets = parts.secrets
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_all(), *self._of_one(), *self._of_rows()]

    def _of_all(self) -> list[Route]:
        path = "/v1/datasets"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Create a dataset of rows, or of objects in S3",
                verb=Verb.SUBMIT,
                body=wire.CreateDatasetRequest,
                answers={200: wire.DatasetResponse},
                errors=(*BODY_ERRORS, "outbound_refused", "prepare_timed_out"),
            ),
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Datasets, newest first",
                verb=Verb.READ,
                query=_LIST,
                answers={200: wire.DatasetList},
            ),
        ]

    def _of_one(self) -> list[Route]:
        path = "/v1/datasets/{dataset_id}"
        return [
            Route(
                method="GET",
                path=path,
                handle=self._get,
                says="A dataset",
                verb=Verb.READ,
                answers={200: wire.DatasetResponse},
                errors=("not_found",),
            ),
            Route(
                method="PATCH",
                path=path,
                handle=self._change,
                says="Give a dataset another name or folder",
                verb=Verb.SUBMIT,
                body=wire.UpdateDatasetRequest,
                answers={200: wire.DatasetResponse},
                errors=("not_found", "revision_mismatch", *BODY_ERRORS),
            ),
            Route(
                method="DELETE",
                path=path,
                handle=self._delete,
                says="Delete a dataset and its versions",
                verb=Verb.SUBMIT,
                answers={200: dict[str, Any]},
                errors=("not_found", "resource_in_use", "revision_mismatch"),
            ),
        ]

    def _of_rows(self) -> list[Route]:
        path = "/v1/datasets/{dataset_id}"
        return [
            Route(
                method="GET",
                path=path + "/content",
                handle=self._content,
                says="Some rows of the current version",
                verb=Verb.READ,
                query=_CONTENT,
                answers={200: wire.DatasetContent},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=path + "/export",
                handle=self._export,
                says="The current version as a file",
                verb=Verb.READ,
                query=_EXPORT,
                answers={200: bytes},
                answer_media=("application/x-ndjson", "text/csv"),
                errors=("not_found",),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        check_json_media(call)
        body_bytes = self._limits.dataset_body_bytes
        chunks = upload_chunks(call, body_bytes, self._body_seconds)
        first = await _first(chunks, self._limits.body_bytes)
        with request_fields():
            # Only what may hold keys is read here: rows are for a locked child.
            if len(first) <= self._limits.body_bytes and not wire.has_rows(first):
                return await self._import(call, decode_json(first, wire.NewDataset))
            made = await self._datasets.create_from_body(
                call.principal, _chain(first, chunks), READER, body_bytes, call.request_id
            )
        return Answer(body=encode(on_wire(made)))

    async def _import(self, call: Call, request: wire.NewDataset) -> Answer:
        """A dataset that an operation will fill with the objects of a bucket."""
        origin = request.origin
        if origin is msgspec.UNSET or self._secrets is None:
            raise InvalidSpec("rows are missing", field_errors={"rows": "Field required"})
        declaration = declaration_of(
            request.name, request.folder, request.ai_project_id, request.schema
        )
        dataset_id, write = self._datasets.plan(call.principal, declaration)
        writes, keys = [write], {}
        for name, text in wire.s3_keys(origin):
            keys[name], sealed = self._secrets.seal(call.principal.tenant, text)
            writes.append(sealed)
        spec = wire.import_spec(origin, dataset_id, msgspec.to_builtins(declaration), keys)
        wish = Wish(
            kind="import_objects",
            spec=canonical(spec),
            project=request.ai_project_id,
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
            writes=writes,
        )
        await self._engine.submit(call.principal, wish)
        made = await self._datasets.get(call.principal, dataset_id)
        return Answer(body=encode(on_wire(made)))

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "limit", wire.LIST_MAX, 1, wire.LIST_MAX)
        after = call.one("after")
        found = await self._datasets.find(
            call.principal,
            None if not after else read_id(after),
            limit + 1,
            project=call.one("ai_project_id"),
        )
        data = [on_wire(await self._with_columns(call, one)) for one in found[:limit]]
        listed = wire.DatasetList(
            data=data, has_more=len(found) > limit, last_id=data[-1].id if data else None
        )
        return Answer(body=encode(listed))

    async def _get(self, call: Call) -> Answer:
        dataset = await self._datasets.get(call.principal, _ref(call))
        return Answer(body=encode(on_wire(await self._with_columns(call, dataset))))

    async def _change(self, call: Call) -> Answer:
        request = await read_json(
            call, wire.UpdateDatasetRequest, self._limits.body_bytes, self._body_seconds
        )
        dataset = await self._datasets.change(
            call.principal,
            _ref(call),
            title=request.name,
            folder=request.folder,
            request_id=call.request_id,
        )
        return Answer(body=encode(on_wire(await self._with_columns(call, dataset))))

    async def _delete(self, call: Call) -> Answer:
        dataset = await self._datasets.get(call.principal, _ref(call))
        await self._datasets.delete(call.principal, dataset.id)
        if dataset.status is DatasetStatus.PENDING and dataset.operation_id is not None:
            # What it would make has nowhere to go any more.
            with suppress(IllegalTransition, NotFound):
                await self._engine.cancel(call.principal, dataset.operation_id, call.request_id)
        return Answer(body=b"{}")

    async def _content(self, call: Call) -> Answer:
        limit = parse_integer(call, "limit", wire.ROWS, 1, wire.ROWS_MAX)
        offset = parse_integer(call, "offset", 0, 0, _OFFSET_MAX)
        found = await self._datasets.rows(call.principal, _ref(call), offset=offset, limit=limit)
        content = wire.DatasetContent(rows=msgspec.Raw(found.rows), version=found.version.version)
        return Answer(body=encode(content))

    async def _export(self, call: Call) -> Answer:
        format = _format(call.one("format") or "jsonl")
        dataset = await self._datasets.get(call.principal, _ref(call))
        pieces = self._datasets.export(call.principal, dataset.id, dataset.current_version, format)
        # Begun here: what cannot be read is an error, not a broken file.
        return Answer(media=_MEDIA[format], stream=await begin(pieces))

    async def _with_columns(self, call: Call, dataset: Dataset) -> Dataset:
        """Datasets that were last published into before they kept their columns have none."""
        if dataset.columns or dataset.current_version is None:
            return dataset
        version = await self._datasets.version(call.principal, dataset.id, dataset.current_version)
        return msgspec.structs.replace(dataset, columns=version.columns)


def declaration_of(name: str, folder: str, project: str | None, schema: Any) -> Declaration:
    """What a request declares. Raises InvalidSpec."""
    columns = None if schema is msgspec.UNSET else schema
    return msgspec.convert(wire.declared(name, folder, project, columns), Declaration)


@contextmanager
def request_fields() -> Iterator[None]:
    """Complaints about our fields become those about the request's."""
    try:
        yield
    except Invalid as error:
        error.field_errors = {
            wire.request_field(field): reason for field, reason in error.field_errors.items()
        }
        raise


def on_wire(dataset: Dataset) -> wire.DatasetResponse:
    """A dataset as the wire has it."""
    return wire.dataset_on_wire(
        id=dataset.id,
        title=dataset.title or dataset.name,
        status=dataset.status,
        is_temporary=dataset.is_temporary,
        error=dataset.error,
        columns=[(column.name, column.type) for column in dataset.columns],
        required=dataset.required,
        folder=dataset.folder,
        project=dataset.project,
        version=dataset.current_version,
        origin=dataset.origin,
        created_at=dataset.created_at,
    )


async def _first(chunks: AsyncIterator[bytes], bytes_max: int) -> bytes:
    """The whole body, or, if it is longer than this, more than this of it."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > bytes_max:
            break
    return b"".join(pieces)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _ref(call: Call) -> str:
    return read_id(call.params["dataset_id"])


def _format(text: str) -> Format:
    for format in _MEDIA:
        if format == text:
            return format
    formats = ", ".join(_MEDIA)
    raise Invalid(f"format is one of {formats}", field_errors={"format": f"is none of {formats}"})
