"""The routes of datasets: as many as it takes to get from a file to a vector database and back."""

from typing import Final

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.datasets import (
    FILE_FORM,
    CreatedDataset,
    DatasetResponse,
    PatchDatasetRequest,
    is_table,
)
from outlast.dialects.datarobot.ids import read_ref, show_id, show_operation_id
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.words import PLATFORM
from outlast.engine import Engine
from outlast.engine.access import Verb
from outlast.http.datarobot.accepting import ACCEPT_ERRORS, accepted, submit
from outlast.http.datarobot.dataset_reading import DOCUMENTS, DatasetReader, called
from outlast.http.datarobot.listing import WINDOW, list_things, parse_window
from outlast.http.files import OCTETS, file_content
from outlast.http.multipart import MULTIPART, Form
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.operations.errors import Invalid, NotSupported
from outlast.resources.datasets import Dataset, Datasets
from outlast.resources.datasets.declaration import Declaration
from outlast.resources.files import File, Files, check_file
from outlast.resources.use_cases import UseCases

_ALL: Final = PLATFORM + "/datasets/"
_ONE: Final = _ALL + "{datasetId}/"
_PARAMS: Final = {"datasetId": "The id of a dataset, or of a file that holds documents."}
_SOURCE: Final = "dataset_source"
_SOURCE_SECONDS: Final = 7 * 86_400.0
"""How long the file stays of which a table is made."""
_USE_CASES: Final = Parameter(
    name="useCaseIds",
    schema={"type": "string"},
    says="Only what these use cases link.",
    is_repeatable=True,
)


class DatasetRoutes:
    """The routes of datasets. Rows become a table; documents stay the file that they came in."""

    def __init__(self, parts: Parts, datasets: Datasets, files: Files) -> None:
        self._engine: Engine = parts.engine
        self._datasets = datasets
        self._files = files
        self._reader = DatasetReader(datasets, files)
        self._use_cases = UseCases(parts.engine.store).shelf
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [self._uploading(), *self._reading(), *self._changing()]

    def _uploading(self) -> Route:
        return Route(
            method="POST",
            path=_ALL + "fromFile/",
            handle=self._create,
            says="Create a dataset from a file",
            verb=Verb.SUBMIT,
            body=FILE_FORM,
            body_media=(MULTIPART,),
            answers={202: CreatedDataset},
            errors=ACCEPT_ERRORS,
        )

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_ALL,
                handle=self._list,
                says="List datasets, newest first",
                verb=Verb.READ,
                query=(*WINDOW, _USE_CASES),
                answers={200: Listed[DatasetResponse]},
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a dataset",
                verb=Verb.READ,
                answers={200: DatasetResponse},
                params=_PARAMS,
            ),
            Route(
                method="GET",
                path=_ONE + "file/",
                handle=self._content,
                says="The content of a dataset: a table as CSV, documents as they were uploaded",
                verb=Verb.READ,
                answers={200: bytes},
                answer_media=("text/csv", OCTETS),
                params=_PARAMS,
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._update,
                says="Give a dataset another name",
                verb=Verb.SUBMIT,
                body=PatchDatasetRequest,
                answers={200: DatasetResponse},
                errors=(
                    *("invalid_spec", "not_supported", "request_timeout", "revision_mismatch"),
                    *("store_full", "unsupported_media_type"),
                ),
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a dataset",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("request_timeout", "revision_mismatch", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        form = Form(call, self._limits.upload_bytes, self._body_seconds)
        upload = await form.open_file()
        if upload.field != "file":
            raise Invalid("the form has no file", field_errors={"file": "is missing"})
        is_rows = is_table(upload.name)
        purpose = _SOURCE if is_rows else DOCUMENTS
        seconds = _SOURCE_SECONDS if is_rows else None
        check_file(name=upload.name, purpose=purpose, project=None, expire_seconds=seconds)
        file = await self._files.create(
            call.principal,
            name=upload.name,
            purpose=purpose,
            chunks=form.file_chunks(),
            expire_seconds=seconds,
            request_id=call.request_id,
        )
        return await self._make_table(call, file) if is_rows else _uploaded(call, file)

    async def _make_table(self, call: Call, file: File) -> Answer:
        id, write = self._datasets.plan(call.principal, Declaration(title=file.name))
        operation = await submit(
            self._engine,
            call,
            "file_to_dataset",
            {"file": file.id, "dst": {"dataset": id}},
            resource_type="dataset",
            resource_id=id,
            writes=[write],
        )
        status_id = show_operation_id(operation.id, operation.alias)
        shown = show_id(id)
        body = CreatedDataset(catalog_id=shown, catalog_version_id=shown, status_id=status_id)
        return accepted(call, operation, body, at="platform")

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        found = await self._reader.find(call.principal)
        wanted = call.query.get("useCaseIds", ())
        if wanted:
            linked: set[str] = set()
            for ref in wanted:
                use_case = await self._use_cases.get(call.principal, read_ref(ref))
                linked |= {link.id for link in use_case.document.links}
            found = [one for one in found if one.id in linked]
        shown = {one.id: await self._reader.show(call.principal, one) for one in window.cut(found)}
        return Answer(body=encode(list_things(found, window, lambda one: shown[one.id])))

    async def _get(self, call: Call) -> Answer:
        found = await self._found(call)
        return Answer(body=encode(await self._reader.show(call.principal, found)))

    async def _content(self, call: Call) -> Answer:
        found = await self._found(call)
        if isinstance(found, File):
            return await file_content(self._files, call.principal, found.id)
        rows = self._datasets.export(call.principal, found.id, format="csv")
        return Answer(media=b"text/csv", stream=await begin(rows))

    async def _update(self, call: Call) -> Answer:
        body = await read_json(
            call, PatchDatasetRequest, self._limits.body_bytes, self._body_seconds
        )
        found = await self._found(call)
        if body.name is not None and body.name != called(found):
            if isinstance(found, File):
                raise NotSupported("a dataset of documents keeps the name of its file")
            found = await self._datasets.change(
                call.principal, found.id, title=body.name, request_id=call.request_id
            )
        return Answer(body=encode(await self._reader.show(call.principal, found)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        found = await self._found(call)
        if isinstance(found, File):
            await self._files.delete(call.principal, found.id, request_id=call.request_id)
        else:
            await self._datasets.delete(call.principal, found.id, call.request_id)
        return Answer(status=204)

    async def _found(self, call: Call) -> Dataset | File:
        return await self._reader.get(call.principal, read_ref(call.params["datasetId"]))


def _uploaded(call: Call, file: File) -> Answer:
    """Documents need no operation: the status under the file's own id leads to them at once."""
    shown = show_id(file.id)
    location = call.absolute(f"{PLATFORM}/status/{shown}/")
    body = CreatedDataset(catalog_id=shown, catalog_version_id=shown, status_id=shown)
    return Answer(status=202, body=encode(body), headers=[(b"location", location.encode())])
