"""The routes of vector databases: building, looking at and exporting them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.ids import read_id, read_ref, show_id, show_operation_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.vector_databases import (
    NO_USE_CASE,
    TOKEN_CHARS,
    VALIDATED,
    CreateVectorDatabaseRequest,
    EditVectorDatabaseRequest,
    ExportJobResponse,
    VectorDatabaseResponse,
    build_spec,
    told,
    wire_path,
)
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Principal, Verb
from outlast.http.datarobot.accepting import ACCEPT_ERRORS, accepted, submit
from outlast.http.datarobot.dataset_reading import DatasetReader, called
from outlast.http.datarobot.listing import SEARCH, WINDOW, gather, list_things, parse_window
from outlast.http.datarobot.ordering import (
    ordered,
    parse_switch,
    sort_parameter,
    switch_parameter,
)
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import NotSupported
from outlast.operations.model import Operation
from outlast.resources.datasets import Datasets
from outlast.resources.datasets.declaration import Declaration
from outlast.resources.files import File, Files
from outlast.resources.use_cases import UseCases
from outlast.resources.vector_databases import VectorDatabase, VectorDatabases

_ALL: Final = GENAI + "/vectorDatabases/"
_ONE: Final = _ALL + "{vectorDatabaseId}/"
_PARAMS: Final = {"vectorDatabaseId": "A vector database's id."}
_SORTS: Final[Mapping[str, Callable[[VectorDatabase], Any]]] = {
    "name": lambda one: one.name,
    "creationUserId": lambda one: one.created_by,
    "creationDate": lambda one: one.created_at,
    "embeddingModel": lambda one: one.embedding_model,
    "datasetId": lambda one: one.dataset or one.file or "",
    "chunkingMethod": lambda one: one.chunking.method,
    "chunksCount": lambda one: one.chunks,
    "size": lambda one: one.bytes,
}
_QUERY: Final = (
    Parameter(
        name="useCaseId",
        schema={"type": "string"},
        says="Only those of these use cases.",
        is_repeatable=True,
    ),
    Parameter(
        name="playgroundId",
        schema={"type": "string"},
        says="Only those that blueprints of this playground use.",
    ),
    Parameter(name="familyId", schema={"type": "string"}, says="Only the versions of this family."),
    SEARCH,
    sort_parameter(_SORTS),
    switch_parameter("completedOnly", "Only those that are ready."),
)


class VectorDatabaseRoutes:
    """The routes of vector databases. What is built is polled by itself, or by its operation."""

    def __init__(
        self,
        parts: Parts,
        vector_databases: VectorDatabases,
        datasets: Datasets,
        files: Files,
    ) -> None:
        self._engine = parts.engine
        self._vector_databases = vector_databases
        self._playgrounds = parts.playgrounds
        self._datasets = datasets
        self._reader = DatasetReader(datasets, files)
        self._use_cases = UseCases(parts.engine.store).shelf
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._building(), *self._changing()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_ALL,
                handle=self._list,
                says="List vector databases",
                verb=Verb.READ,
                query=(*_QUERY, *WINDOW),
                answers={200: Listed[VectorDatabaseResponse]},
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a vector database",
                verb=Verb.READ,
                answers={200: VectorDatabaseResponse},
                params=_PARAMS,
            ),
        ]

    def _building(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=_ALL,
                handle=self._create,
                says="Build a vector database of a dataset",
                verb=Verb.SUBMIT,
                body=CreateVectorDatabaseRequest,
                answers={202: VectorDatabaseResponse},
                errors=(*ACCEPT_ERRORS, "not_supported"),
            ),
            Route(
                method="POST",
                path=_ONE + "datasetExportJobs/",
                handle=self._export,
                says="Make the chunks of a vector database a dataset",
                verb=Verb.SUBMIT,
                answers={202: ExportJobResponse},
                errors=ACCEPT_ERRORS,
                params=_PARAMS,
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._edit,
                says="Give a vector database another name",
                verb=Verb.SUBMIT,
                body=EditVectorDatabaseRequest,
                answers={200: VectorDatabaseResponse},
                errors=(
                    *("conflict", "invalid_spec", "not_supported", "request_timeout"),
                    *("revision_mismatch", "store_full", "unsupported_media_type"),
                ),
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a vector database that is not being built",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("conflict", "request_timeout", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        family = call.one("familyId")
        find_in = None if family is None else read_id(family, "familyId")
        found = await gather(
            lambda before_id: self._vector_databases.find(
                call.principal, family=find_in, before_id=before_id, limit=1000
            )
        )
        wanted = await self._filtered(call, found)
        shown = await self._shown(call.principal, window.cut(wanted))
        return Answer(body=encode(list_things(wanted, window, lambda one: shown[one.id])))

    async def _filtered(
        self, call: Call, found: Sequence[VectorDatabase]
    ) -> Sequence[VectorDatabase]:
        use_cases = {read_id(one, "useCaseId") for one in call.query.get("useCaseId", ())}
        search = (call.one("search") or "").lower()
        ready_only = parse_switch(call, "completedOnly") or False
        playground = call.one("playgroundId")
        used = None if playground is None else await self._used_in(call, playground)
        kept = [
            one
            for one in found
            if search in one.name.lower()
            and (not use_cases or one.use_case in use_cases)
            and (not ready_only or one.status == "ready")
            and (used is None or one.id in used)
        ]
        return ordered(call, kept, _SORTS)

    async def _used_in(self, call: Call, playground: str) -> set[str]:
        """The vector databases that the blueprints of a playground use."""
        id = read_id(playground, "playgroundId")
        if self._playgrounds is None:
            return set()
        blueprints = await self._playgrounds.blueprints.find(call.principal, playground=id)
        return {one.document.vector_database or "" for one in blueprints}

    async def _get(self, call: Call) -> Answer:
        found = await self._vector_databases.get(call.principal, _id(call))
        return Answer(body=encode((await self._shown(call.principal, [found]))[found.id]))

    async def _create(self, call: Call) -> Answer:
        request = await read_json(
            call, CreateVectorDatabaseRequest, self._bytes_max, self._body_seconds
        )
        if request.unserved:
            raise NotSupported(
                f"this server cannot do what is asked for by {', '.join(request.unserved)}"
            )
        use_case = await self._use_cases.get(
            call.principal, read_id(request.use_case_id, "useCaseId")
        )
        source = await self._reader.get(call.principal, read_ref(request.dataset_id))
        kind = "file" if isinstance(source, File) else "dataset"
        spec = build_spec(request, {kind: source.id}, use_case.id)
        if request.parent_vector_database_id is not None:
            spec["parent"] = read_id(request.parent_vector_database_id, "parentVectorDatabaseId")
        else:
            spec.setdefault("name", f"Vector Database for {called(source)}")
        operation = await submit(
            self._engine, call, "build_vector_database", spec, wire_path=wire_path
        )
        found = await self._vector_databases.get(call.principal, operation.resource_id or "")
        shown = await self._shown(call.principal, [found])
        return accepted(call, operation, shown[found.id])

    async def _export(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        found = await self._vector_databases.get(call.principal, _id(call))
        title = f"Chunks of {found.name}"[:255]
        id, write = self._datasets.plan(call.principal, Declaration(title=title))
        operation = await submit(
            self._engine,
            call,
            "export_vector_database",
            {"vector_database": found.id, "dst": {"dataset": id}},
            writes=[write],
        )
        job = ExportJobResponse(
            job_id=show_operation_id(operation.id, operation.alias),
            vector_database_id=show_id(found.id),
            export_dataset_id=show_id(id),
        )
        return accepted(call, operation, job)

    async def _edit(self, call: Call) -> Answer:
        request = await read_json(
            call, EditVectorDatabaseRequest, self._bytes_max, self._body_seconds
        )
        if request.credential_id is not None:
            raise NotSupported("vector databases have no credentials here")
        found = await self._vector_databases.get(call.principal, _id(call))
        if request.name is not None:
            found = await self._vector_databases.rename(
                call.principal, found.id, request.name, request_id=call.request_id
            )
        return Answer(body=encode((await self._shown(call.principal, [found]))[found.id]))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        await self._vector_databases.delete(call.principal, _id(call), request_id=call.request_id)
        return Answer(status=204)

    async def _shown(
        self, principal: Principal, found: Sequence[VectorDatabase]
    ) -> dict[str, VectorDatabaseResponse]:
        builds = await self._vector_databases.builds(principal, found)
        return {one.id: await self._show(principal, one, builds) for one in found}

    async def _show(
        self, principal: Principal, found: VectorDatabase, builds: Mapping[str, Operation]
    ) -> VectorDatabaseResponse:
        build = builds.get(found.operation_id)
        status, error = ("COMPLETED", None) if found.status == "ready" else told(build)
        maker = found.created_by or ("" if build is None else build.created_by)
        source = found.dataset or found.file
        validation = None
        if found.embedding_model.startswith(VALIDATED):
            validation = found.embedding_model.removeprefix(VALIDATED)
        return VectorDatabaseResponse(
            id=show_id(found.id),
            name=found.name,
            size=found.bytes,
            use_case_id=NO_USE_CASE if found.use_case is None else show_id(found.use_case),
            dataset_id=None if source is None else show_id(source),
            dataset_name=found.source_name,
            embedding_model=None if validation else found.embedding_model,
            embedding_validation_id=show_id(validation) if validation else None,
            chunking_method=found.chunking.method,
            chunk_size=found.chunking.chunk_size // TOKEN_CHARS,
            chunk_overlap_percentage=found.chunking.overlap_percentage,
            chunks_count=found.chunks,
            separators=found.chunking.separators,
            is_separator_regex=found.chunking.is_separator_regex,
            creation_date=instant(found.created_at),
            creation_user_id=maker or "unknown",
            user_name=maker,
            organization_id=show_id(principal.tenant),
            tenant_id=show_id(principal.tenant),
            last_update_date=instant(found.updated_at),
            execution_status=status,
            error_message=error,
            playgrounds_count=await self._playgrounds_count(principal, found.id),
            parent_id=None if found.parent is None else show_id(found.parent),
            family_id=show_id(found.family),
            version=found.version,
        )

    async def _playgrounds_count(self, principal: Principal, id: str) -> int:
        if self._playgrounds is None:
            return 0
        users = await self._playgrounds.blueprints.find(principal, vector_database=id)
        return len({one.document.playground for one in users})


def _id(call: Call) -> str:
    return read_id(call.params["vectorDatabaseId"], "vectorDatabaseId")
