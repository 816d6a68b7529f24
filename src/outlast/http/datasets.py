"""Datasets: tables of immutable versions."""

from typing import Final, cast, get_args

import msgspec

from outlast.engine.access import Verb
from outlast.http.dataset_views import (
    DatasetsView,
    DatasetView,
    RowsView,
    VersionsView,
    VersionView,
    dataset_view,
    version_view,
)
from outlast.http.errors import UnsupportedMediaType
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import check_encoding, parse_integer, read_json, upload_chunks
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.operations.errors import Invalid, InvalidPageToken
from outlast.resources.datasets import Datasets
from outlast.resources.datasets.calls import Format
from outlast.settings import Limits

ROWS_MAX: Final = 1000
_ROWS: Final = 100
_OFFSET_MAX: Final = 2**53
_MEDIA: Final[dict[str, Format]] = {
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
_MEDIA_OF: Final[dict[Format, bytes]] = {
    "jsonl": b"application/x-ndjson",
    "csv": b"text/csv; charset=utf-8",
    "parquet": b"application/vnd.apache.parquet",
}
_VERSION: Final = Parameter(
    name="version", schema={"type": "string"}, says="A version or its name; else the current one."
)


class DatasetBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset to create."""

    name: str


class DatasetRoutes:
    """The routes of /v1/datasets."""

    def __init__(self, datasets: Datasets, limits: Limits, body_seconds: float) -> None:
        self._datasets = datasets
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_datasets(), *self._of_versions(), *self._of_rows()]

    def _of_datasets(self) -> list[Route]:
        path = "/v1/datasets"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Create an empty dataset",
                verb=Verb.SUBMIT,
                body=DatasetBody,
                answers={201: DatasetView},
                errors=(
                    "invalid_spec",
                    "request_timeout",
                    "resource_exists",
                    "store_full",
                    "too_large",
                    "unsupported_media_type",
                ),
            ),
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Datasets, newest first",
                verb=Verb.READ,
                query=PAGE,
                answers={200: DatasetsView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=path + "/{ref}",
                handle=self._get,
                says="A dataset",
                verb=Verb.READ,
                answers={200: DatasetView},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path=path + "/{ref}",
                handle=self._delete,
                says="Delete a dataset and its versions",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "resource_in_use", "revision_mismatch"),
            ),
        ]

    def _of_versions(self) -> list[Route]:
        path = "/v1/datasets/{ref}/versions"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._upload,
                says="Upload a file as a new version",
                verb=Verb.SUBMIT,
                query=(
                    Parameter(
                        name="name", schema={"type": "string"}, says="A name for the version."
                    ),
                ),
                body=bytes,
                body_media=tuple(_MEDIA),
                answers={201: VersionView},
                errors=(
                    "conflict",
                    "invalid_spec",
                    "not_found",
                    "request_timeout",
                    "resource_exists",
                    "revision_mismatch",
                    "store_full",
                    "too_large",
                    "unsupported_media_type",
                ),
            ),
            Route(
                method="GET",
                path=path,
                handle=self._versions,
                says="The versions of a dataset, newest first",
                verb=Verb.READ,
                query=PAGE,
                answers={200: VersionsView},
                errors=("invalid_page_token", "not_found"),
            ),
            Route(
                method="GET",
                path=path + "/{version}",
                handle=self._version,
                says="A version of a dataset",
                verb=Verb.READ,
                answers={200: VersionView},
                errors=("not_found",),
            ),
        ]

    def _of_rows(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/v1/datasets/{ref}/rows",
                handle=self._rows,
                says="Some rows of a version",
                verb=Verb.READ,
                query=(
                    _VERSION,
                    Parameter(
                        name="offset",
                        schema={"type": "integer", "minimum": 0, "default": 0},
                        says="How many rows to skip.",
                    ),
                    Parameter(
                        name="limit",
                        schema={
                            "type": "integer",
                            "minimum": 1,
                            "maximum": ROWS_MAX,
                            "default": _ROWS,
                        },
                        says="How many at most.",
                    ),
                ),
                answers={200: RowsView},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path="/v1/datasets/{ref}/export",
                handle=self._export,
                says="A version as a file",
                verb=Verb.READ,
                query=(
                    _VERSION,
                    Parameter(
                        name="format",
                        schema={"type": "string", "enum": list(_MEDIA_OF), "default": "jsonl"},
                        says="The file's format.",
                    ),
                ),
                answers={200: bytes},
                answer_media=tuple(
                    media.decode().partition(";")[0] for media in _MEDIA_OF.values()
                ),
                errors=("not_found",),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        body = await read_json(call, DatasetBody, self._limits.body_bytes, self._body_seconds)
        dataset = await self._datasets.create(call.principal, body.name, call.request_id)
        return Answer(
            status=201,
            body=encode(dataset_view(dataset)),
            headers=[(b"location", f"/v1/datasets/{dataset.id}".encode())],
        )

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        bound_to = ["datasets", call.principal.tenant]
        token = call.one("page_token")
        before_id = None if token is None else page_position(token, bound_to)
        found = await self._datasets.find(call.principal, before_id, limit + 1)
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = DatasetsView(
            datasets=[dataset_view(dataset) for dataset in page], next_page_token=next_token
        )
        return Answer(body=encode(listed))

    async def _get(self, call: Call) -> Answer:
        return Answer(
            body=encode(dataset_view(await self._datasets.get(call.principal, call.params["ref"])))
        )

    async def _delete(self, call: Call) -> Answer:
        await self._datasets.delete(call.principal, call.params["ref"], call.request_id)
        return Answer(status=204)

    async def _upload(self, call: Call) -> Answer:
        media = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media not in _MEDIA:
            raise UnsupportedMediaType(f"send a file as one of {', '.join(_MEDIA)}")
        check_encoding(call)
        version = await self._datasets.upload(
            call.principal,
            call.params["ref"],
            upload_chunks(call, self._limits.upload_bytes, self._body_seconds),
            _MEDIA[media],
            version_name=call.one("name"),
            request_id=call.request_id,
        )
        location = f"/v1/datasets/{version.dataset_id}/versions/{version.version}"
        return Answer(
            status=201,
            body=encode(version_view(version)),
            headers=[(b"location", location.encode())],
        )

    async def _versions(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        ref = call.params["ref"]
        bound_to = ["versions", call.principal.tenant, ref]
        token = call.one("page_token")
        offset = 0 if token is None else _offset(page_position(token, bound_to))
        found = await self._datasets.versions(call.principal, ref, limit + 1, offset)
        next_token = page_token(str(offset + limit), bound_to) if len(found) > limit else None
        listed = VersionsView(
            versions=[version_view(version) for version in found[:limit]],
            next_page_token=next_token,
        )
        return Answer(body=encode(listed))

    async def _version(self, call: Call) -> Answer:
        version = await self._datasets.version(
            call.principal, call.params["ref"], call.params["version"]
        )
        return Answer(body=encode(version_view(version)))

    async def _rows(self, call: Call) -> Answer:
        offset = parse_integer(call, "offset", 0, 0, _OFFSET_MAX)
        limit = parse_integer(call, "limit", _ROWS, 1, ROWS_MAX)
        found = await self._datasets.rows(
            call.principal, call.params["ref"], call.one("version"), offset, limit
        )
        shown = RowsView(
            version=found.version.version,
            columns=found.version.columns,
            rows=msgspec.Raw(found.rows),
            offset=offset,
            total=found.version.rows,
        )
        return Answer(body=encode(shown))

    async def _export(self, call: Call) -> Answer:
        format = _format(call)
        ref = call.params["ref"]
        version = await self._datasets.version(call.principal, ref, call.one("version"))
        pieces = self._datasets.export(call.principal, ref, version.version, format)
        name = f"{version.dataset_id}-{version.version}.{format}"
        return Answer(
            media=_MEDIA_OF[format],
            headers=[(b"content-disposition", f'attachment; filename="{name}"'.encode())],
            # Begun here: what cannot be read is an error, not a broken file.
            stream=await begin(pieces),
        )


def _format(call: Call) -> Format:
    text = call.one("format") or "jsonl"
    for format in get_args(Format):
        if format == text:
            return cast("Format", format)
    formats = ", ".join(_MEDIA_OF)
    raise Invalid(f"format is one of {formats}", field_errors={"format": "unknown"})


def _offset(position: str) -> int:
    if not position.isdecimal():
        raise InvalidPageToken
    return int(position)
