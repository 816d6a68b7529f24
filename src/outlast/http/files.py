"""Files: named bytes that callers bring and that operations leave."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.http.errors import UnsupportedMediaType
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.multipart import MULTIPART, Form
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import check_encoding, parse_integer, parse_seconds, upload_chunks
from outlast.http.rendering import Instant, encode, instant
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.operations.errors import Invalid
from outlast.resources.files import EXPIRE_SECONDS_MAX, File, Files, check_file
from outlast.settings import Limits

OCTETS: Final = "application/octet-stream"
_FIELDS: Final = ("name", "purpose", "project", "expire_seconds")
_PURPOSE: Final = {"type": "string", "pattern": "^[a-z_-]{1,64}$"}
_TEXT: Final = {"type": "string"}
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._ -]")
CREATE_ERRORS: Final = (
    "invalid_spec",
    "request_timeout",
    "store_full",
    "unsupported_media_type",
)


class FileView(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `operation_id` is what published it; `is_partial`: without having succeeded."""

    id: str
    name: str
    purpose: str
    bytes: int
    created_at: Instant
    created_by: str
    project: str | None
    expire_at: Instant | None
    operation_id: str | None
    is_partial: bool


class FilesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files, newest first."""

    files: Sequence[FileView]
    next_page_token: str | None


class FileRoutes:
    """The routes of /v1/files."""

    def __init__(self, files: Files, limits: Limits, body_seconds: float) -> None:
        self._files = files
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [self._uploading(), *self._of_files()]

    def _uploading(self) -> Route:
        return Route(
            method="POST",
            path="/v1/files",
            handle=self._create,
            says="Upload a file",
            verb=Verb.SUBMIT,
            query=(
                Parameter(name="name", schema=_TEXT, says="What it is called."),
                Parameter(name="purpose", schema=_PURPOSE, says="What it is for."),
                Parameter(name="project", schema=_TEXT, says="The project it belongs to."),
                Parameter(
                    name="expire_seconds",
                    schema={"type": "number", "exclusiveMinimum": 0},
                    says="How long it is kept; else until it is deleted.",
                ),
            ),
            body=bytes,
            body_media=(OCTETS, MULTIPART),
            answers={201: FileView},
            errors=CREATE_ERRORS,
        )

    def _of_files(self) -> list[Route]:
        path, one = "/v1/files", "/v1/files/{id}"
        return [
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Files, newest first",
                verb=Verb.READ,
                query=(
                    Parameter(name="purpose", schema=_PURPOSE, says="Only for this purpose."),
                    Parameter(name="project", schema=_TEXT, says="Only of this project."),
                    *PAGE,
                ),
                answers={200: FilesView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A file",
                verb=Verb.READ,
                answers={200: FileView},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete a file",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/content",
                handle=self._content,
                says="The content of a file",
                verb=Verb.READ,
                answers={200: bytes},
                answer_media=(OCTETS,),
                errors=("not_found",),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        media = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media == MULTIPART:
            file = await self._create_of_form(call)
        elif media == OCTETS:
            file = await self._create_of_body(call)
        else:
            raise UnsupportedMediaType(f"send a file as {OCTETS} or as {MULTIPART}")
        return Answer(
            status=201,
            body=encode(_view(file)),
            headers=[(b"location", f"/v1/files/{file.id}".encode())],
        )

    async def _create_of_body(self, call: Call) -> File:
        check_encoding(call)
        wish = _wish({name: value for name in _FIELDS if (value := call.one(name)) is not None})
        return await self._files.create(
            call.principal,
            name=wish.name,
            purpose=wish.purpose,
            project=wish.project,
            expire_seconds=wish.expire_seconds,
            chunks=upload_chunks(call, self._limits.upload_bytes, self._body_seconds),
            request_id=call.request_id,
        )

    async def _create_of_form(self, call: Call) -> File:
        form = Form(call, self._limits.upload_bytes, self._body_seconds)
        file = await form.open_file()
        if file.field != "file":
            raise Invalid("the form's file is its field `file`", field_errors={"file": "missing"})
        async with self._files.receive(call.principal, form.file_chunks()) as upload:
            wish = _wish({"name": file.name} | form.fields)
            return await self._files.keep(
                call.principal,
                upload,
                name=wish.name,
                purpose=wish.purpose,
                project=wish.project,
                expire_seconds=wish.expire_seconds,
                request_id=call.request_id,
            )

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        purpose, project = call.one("purpose"), call.one("project")
        bound_to = ["files", call.principal.tenant, purpose, project]
        token = call.one("page_token")
        found = await self._files.find(
            call.principal,
            purpose=purpose,
            project=project,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = FilesView(files=[_view(file) for file in page], next_page_token=next_token)
        return Answer(body=encode(listed))

    async def _get(self, call: Call) -> Answer:
        return Answer(body=encode(_view(await self._files.get(call.principal, call.params["id"]))))

    async def _delete(self, call: Call) -> Answer:
        await self._files.delete(call.principal, call.params["id"], request_id=call.request_id)
        return Answer(status=204)

    async def _content(self, call: Call) -> Answer:
        return await file_content(self._files, call.principal, call.params["id"])


async def file_content(files: Files, principal: Principal, id: str) -> Answer:
    """The content of a file as an answer. Raises NotFound."""
    file = await files.get(principal, id)
    return Answer(
        media=OCTETS.encode(),
        headers=[
            (b"content-length", b"%d" % file.bytes),
            (b"content-disposition", _disposition(file.name)),
        ],
        # Begun here: what cannot be read is an error, not a broken file.
        stream=await begin(files.read(principal, id)),
    )


def _disposition(name: str) -> bytes:
    plain = _NOT_PLAIN.sub("_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'.encode()


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    purpose: str
    project: str | None
    expire_seconds: float | None


def _wish(fields: Mapping[str, str]) -> _Wish:
    """What a caller says of a new file. Raises Invalid and InvalidSpec, naming the field."""
    for name in fields:
        if name not in _FIELDS:
            raise Invalid(f"unknown field {name!r}", field_errors={name: "unknown"})
    for name in ("name", "purpose"):
        if name not in fields:
            raise Invalid(f"a file needs a {name}", field_errors={name: "is missing"})
    seconds = fields.get("expire_seconds")
    wish = _Wish(
        name=fields["name"],
        purpose=fields["purpose"],
        project=fields.get("project"),
        expire_seconds=(
            None
            if seconds is None
            else parse_seconds(seconds, "expire_seconds", EXPIRE_SECONDS_MAX)
        ),
    )
    check_file(
        name=wish.name,
        purpose=wish.purpose,
        project=wish.project,
        expire_seconds=wish.expire_seconds,
    )
    return wish


def _view(file: File) -> FileView:
    return FileView(
        id=file.id,
        name=file.name,
        purpose=file.purpose,
        bytes=file.bytes,
        created_at=instant(file.created_at),
        created_by=file.created_by,
        project=file.project,
        expire_at=None if file.expire_at is None else instant(file.expire_at),
        operation_id=file.operation_id,
        is_partial=file.is_partial,
    )
