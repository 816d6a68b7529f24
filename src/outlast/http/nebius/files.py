"""The routes of /v1/files in the Nebius dialect: OpenAI's files API."""

from typing import Final

from outlast.dialects.nebius.files import (
    FILE_FORM,
    LIST_MAX,
    PAGE_MAX,
    FileDeleted,
    FileList,
    FileObject,
    file_list,
    file_on_wire,
    our_purposes,
    read_upload,
)
from outlast.dialects.nebius.ids import read_id, show_id
from outlast.engine.access import Verb
from outlast.http.files import CREATE_ERRORS, OCTETS, file_content
from outlast.http.multipart import MULTIPART, Form
from outlast.http.parsing import parse_integer
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations import ids
from outlast.operations.errors import Invalid
from outlast.resources.files import File, Files, check_file

_PROJECT: Final = Parameter(
    name="ai_project_id", schema={"type": "string"}, says="The project that files belong to."
)
_LIST: Final = (
    Parameter(name="purpose", schema={"type": "string"}, says="Only for this purpose."),
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": PAGE_MAX},
        says=f"How many at most; a page has up to {PAGE_MAX}.",
    ),
    Parameter(name="after", schema={"type": "string"}, says="The last file of the page before."),
    Parameter(
        name="order",
        schema={"type": "string", "enum": ["asc", "desc"], "default": "desc"},
        says="By creation.",
    ),
    _PROJECT,
)


class FileRoutes:
    """The routes of /v1/files."""

    def __init__(self, parts: Parts, files: Files) -> None:
        self._files = files
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_all(), *self._of_one()]

    def _of_all(self) -> list[Route]:
        path = "/v1/files"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Upload a file",
                verb=Verb.SUBMIT,
                query=(_PROJECT,),
                body=FILE_FORM,
                body_media=(MULTIPART,),
                answers={200: FileObject},
                errors=CREATE_ERRORS,
            ),
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Files, newest first",
                verb=Verb.READ,
                query=_LIST,
                answers={200: FileList},
            ),
        ]

    def _of_one(self) -> list[Route]:
        one = "/v1/files/{file_id}"
        return [
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A file",
                verb=Verb.READ,
                answers={200: FileObject},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete a file",
                verb=Verb.SUBMIT,
                answers={200: FileDeleted},
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
        form = Form(call, self._limits.upload_bytes, self._body_seconds)
        file = await form.open_file()
        if file.field != "file":
            raise Invalid("the form has no file", field_errors={"file": "missing"})
        if "purpose" in form.fields:
            read_upload(form.fields)  # refused before the file has arrived
        async with self._files.receive(call.principal, form.file_chunks()) as upload:
            wish = read_upload(form.fields)
            project = wish.project or call.one("ai_project_id")
            check_file(
                name=file.name,
                purpose=wish.purpose,
                project=project,
                expire_seconds=wish.expire_seconds,
            )
            made = await self._files.keep(
                call.principal,
                upload,
                name=file.name,
                purpose=wish.purpose,
                project=project,
                expire_seconds=wish.expire_seconds,
                request_id=call.request_id,
            )
        return Answer(body=encode(_on_wire(made)))

    async def _list(self, call: Call) -> Answer:
        limit = min(parse_integer(call, "limit", PAGE_MAX, 1, LIST_MAX), PAGE_MAX)
        order = call.one("order") or "desc"
        if order not in {"asc", "desc"}:
            raise Invalid("order is asc or desc", field_errors={"order": "is not asc or desc"})
        found: list[File] = []
        for purpose in our_purposes(call.one("purpose")):
            found += await self._files.find(
                call.principal,
                purpose=purpose,
                project=call.one("ai_project_id"),
                limit=limit + 1,
                **_position(call, is_ascending=order == "asc"),
            )
        found.sort(key=lambda file: file.id, reverse=order == "desc")
        data = [_on_wire(file) for file in found[:limit]]
        return Answer(body=encode(file_list(data, has_more=len(found) > limit)))

    async def _get(self, call: Call) -> Answer:
        file = await self._files.get(call.principal, call.params["file_id"])
        return Answer(body=encode(_on_wire(file)))

    async def _delete(self, call: Call) -> Answer:
        id = read_id(call.params["file_id"])
        await self._files.delete(call.principal, id, request_id=call.request_id)
        return Answer(body=encode(FileDeleted(id=show_id(id), object="file", deleted=True)))

    async def _content(self, call: Call) -> Answer:
        return await file_content(self._files, call.principal, call.params["file_id"])


def _position(call: Call, *, is_ascending: bool) -> dict[str, str]:
    after = call.one("after")
    id = "" if after is None else ids.decode_any(after)
    if id is None:
        raise Invalid("after is the id of a file", field_errors={"after": "is not an id"})
    if is_ascending:
        return {"after_id": id}
    return {"before_id": id} if id else {}


def _on_wire(file: File) -> FileObject:
    return file_on_wire(
        id=file.id,
        name=file.name,
        purpose=file.purpose,
        bytes=file.bytes,
        created_at=file.created_at,
        expire_at=file.expire_at,
        project=file.project,
    )
