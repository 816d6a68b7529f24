"""The routes of /v1/datasets/uploads in the Nebius dialect.

How a part is sent is not published: here it is the body of a request, or the file of a form, as in
OpenAI's uploads.
"""

from typing import Final

import msgspec

from outlast.dialects.nebius import dataset_uploads as wire
from outlast.dialects.nebius.ids import read_id
from outlast.engine.access import Verb
from outlast.http.multipart import MULTIPART, Form
from outlast.http.nebius.datasets import BODY_ERRORS, declaration_of, request_fields
from outlast.http.parsing import check_encoding, read_json, upload_chunks
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.resources.datasets import Uploads
from outlast.resources.datasets.uploads import Upload

_PROJECT: Final = Parameter(
    name="ai_project_id", schema={"type": "string"}, says="The project that the dataset belongs to."
)
_OCTETS: Final = "application/octet-stream"


class DatasetUploadRoutes:
    """The routes of /v1/datasets/uploads."""

    def __init__(self, parts: Parts, uploads: Uploads) -> None:
        self._uploads = uploads
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        path = "/v1/datasets/uploads"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._begin,
                says="Begin a dataset whose file arrives in parts",
                verb=Verb.SUBMIT,
                query=(_PROJECT,),
                body=wire.CreateUploadRequest,
                answers={200: wire.UploadResponse},
                errors=BODY_ERRORS,
            ),
            *(self._parts(method, path + "/{upload_id}/parts") for method in ("POST", "PUT")),
            Route(
                method="POST",
                path=path + "/{upload_id}/complete",
                handle=self._complete,
                says="Make the parts the first version of the dataset",
                verb=Verb.SUBMIT,
                query=(_PROJECT,),
                body=wire.CompleteUploadRequest,
                answers={200: wire.UploadResponse},
                errors=("not_found", "conflict", "revision_mismatch", *BODY_ERRORS),
            ),
        ]

    def _parts(self, method: str, path: str) -> Route:
        return Route(
            method=method,
            path=path,
            handle=self._add_part,
            says="Send a part: some bytes of the file",
            verb=Verb.SUBMIT,
            body=bytes,
            body_media=(_OCTETS, MULTIPART),
            answers={200: wire.UploadPartResponse},
            errors=("not_found", "conflict", "revision_mismatch", *BODY_ERRORS),
        )

    async def _begin(self, call: Call) -> Answer:
        request = await read_json(
            call, wire.CreateUploadRequest, self._limits.body_bytes, self._body_seconds
        )
        with request_fields():
            declaration = declaration_of(
                request.name, request.folder, call.one("ai_project_id"), request.schema
            )
            upload = await self._uploads.begin(call.principal, declaration, call.request_id)
        return Answer(body=encode(_on_wire(upload)))

    async def _add_part(self, call: Call) -> Answer:
        media = (call.header(b"content-type") or _OCTETS).partition(";")[0].strip().lower()
        if media == MULTIPART:
            form = Form(call, self._limits.upload_bytes, self._body_seconds)
            await form.open_file()
            chunks = form.file_chunks()
        else:
            check_encoding(call)
            chunks = upload_chunks(call, self._limits.upload_bytes, self._body_seconds)
        part = await self._uploads.add_part(call.principal, _upload_id(call), chunks)
        answer = wire.upload_part_on_wire(
            id=part.id, upload=part.upload_id, bytes=part.bytes, created_at=part.created_at
        )
        return Answer(body=encode(answer))

    async def _complete(self, call: Call) -> Answer:
        request = await read_json(
            call, wire.CompleteUploadRequest, self._limits.body_bytes, self._body_seconds
        )
        upload = await self._uploads.complete(
            call.principal,
            _upload_id(call),
            [read_id(id) for id in request.part_ids],
            request_id=call.request_id,
        )
        return Answer(body=encode(_on_wire(upload)))


def _upload_id(call: Call) -> str:
    return read_id(call.params["upload_id"])


def _on_wire(upload: Upload) -> wire.UploadResponse:
    return wire.upload_on_wire(
        id=upload.id,
        dataset=upload.dataset,
        declaration=msgspec.to_builtins(upload.declaration),
        created_at=upload.created_at,
        completed_at=upload.completed_at,
    )
