"""The routes of database instances and of their data sources."""

from collections.abc import Sequence
from typing import Any, Final

from outlast.dialects.gooddata import encode
from outlast.dialects.gooddata.databases import (
    AddDatabaseDataSourceRequest,
    AddDatabaseDataSourceResponse,
    AnalyzeStatisticsRequest,
    DatabaseInstance,
    DatabaseInstanceDocument,
    DataSourceInfo,
    ListDatabaseInstances,
    ListDataSources,
    ProvisionDatabaseInstanceRequest,
    RemoveDatabaseDataSourceResponse,
    UpdateDatabaseDataSourceRequest,
    UpdateDatabaseDataSourceResponse,
    analyze_spec,
    instance_document,
    instance_list,
    provision_spec,
    source_list,
    wire_path,
)
from outlast.dialects.gooddata.ids import show_id
from outlast.dialects.gooddata.words import OperationKind
from outlast.engine.access import Verb
from outlast.http.gooddata.listing import (
    FIND_MAX,
    THERE,
    WINDOW,
    gather,
    parse_window,
    place_of,
)
from outlast.http.gooddata.operations import (
    ACCEPT_ERRORS,
    ACCEPTED,
    BASE,
    OPERATION_ID,
    accept,
)
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotFound
from outlast.resources.databases.library import Databases
from outlast.resources.databases.model import Database, DataSource

INSTANCES: Final = BASE + "/database/instances"
INSTANCE: Final = INSTANCES + "/{instanceId}"
INSTANCE_PARAMS: Final = {"instanceId": "A database's name, or its id."}

_CHANGE_ERRORS: Final = (
    "conflict",
    "invalid_spec",
    "not_found",
    "request_timeout",
    "resource_exists",
    "revision_mismatch",
    "unsupported_media_type",
)


class DatabaseRoutes:
    """The routes of database instances. One that is being made is not there yet."""

    def __init__(self, parts: Parts, databases: Databases) -> None:
        self._engine = parts.engine
        self._databases = databases
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._starting()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=INSTANCES,
                handle=self._list,
                says="List AI Lake database instances",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ListDatabaseInstances},
            ),
            Route(
                method="GET",
                path=INSTANCE,
                handle=self._get,
                says="Get an AI Lake database instance",
                verb=Verb.READ,
                answers={200: DatabaseInstanceDocument},
                errors=("not_found",),
                params=INSTANCE_PARAMS,
            ),
        ]

    def _starting(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=INSTANCES,
                handle=self._provision,
                says="Provision a new AI Lake database instance",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                body=ProvisionDatabaseInstanceRequest,
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
            ),
            Route(
                method="DELETE",
                path=INSTANCE,
                handle=self._deprovision,
                says="Delete an AI Lake database instance",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
                params=INSTANCE_PARAMS,
            ),
            Route(
                method="POST",
                path=INSTANCE + "/analyzeStatistics",
                handle=self._analyze,
                says="Analyze the statistics of tables",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                body=AnalyzeStatisticsRequest,
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
                params=INSTANCE_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)

        async def find(before_id: str | None) -> Sequence[Database]:
            return await self._databases.find(call.principal, before_id=before_id, limit=FIND_MAX)

        found = await gather(find, window)
        return Answer(body=encode(instance_list([_instance(one) for one in found], window)))

    async def _get(self, call: Call) -> Answer:
        database = await find_instance(self._databases, call)
        return Answer(body=encode(instance_document(_instance(database), place_of(call))))

    async def _provision(self, call: Call) -> Answer:
        request = await self._read(call, ProvisionDatabaseInstanceRequest)
        spec = provision_spec(request)
        kind = OperationKind.PROVISION_DATABASE
        return await accept(self._engine, call, kind, spec, wire_path=wire_path)

    async def _deprovision(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        spec = {"database": call.params["instanceId"]}
        kind = OperationKind.DEPROVISION_DATABASE
        return await accept(self._engine, call, kind, spec, wire_path=wire_path)

    async def _analyze(self, call: Call) -> Answer:
        request = await self._read(call, AnalyzeStatisticsRequest)
        spec = analyze_spec(call.params["instanceId"], request)
        kind = OperationKind.ANALYZE_STATISTICS
        return await accept(self._engine, call, kind, spec, wire_path=wire_path, is_located=False)

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._engine.limits.body_bytes, self._body_seconds)


class DataSourceRoutes:
    """The routes of the data sources of a database instance."""

    def __init__(self, parts: Parts, databases: Databases) -> None:
        self._databases = databases
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=INSTANCE + "/dataSources",
                handle=self._list,
                says="List the data sources of a database instance",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ListDataSources},
                errors=("not_found",),
                params=INSTANCE_PARAMS,
            ),
            Route(
                method="POST",
                path=INSTANCE + "/dataSources",
                handle=self._attach,
                says="Add a data source to a database instance",
                verb=Verb.SUBMIT,
                body=AddDatabaseDataSourceRequest,
                answers={200: AddDatabaseDataSourceResponse},
                errors=_CHANGE_ERRORS,
                params=INSTANCE_PARAMS,
            ),
            Route(
                method="DELETE",
                path=INSTANCE + "/dataSources/{dataSourceId}",
                handle=self._detach,
                says="Remove a data source from a database instance; the last one stays",
                verb=Verb.SUBMIT,
                answers={200: RemoveDatabaseDataSourceResponse},
                errors=_CHANGE_ERRORS,
                params=INSTANCE_PARAMS,
            ),
            Route(
                method="PATCH",
                path=INSTANCE + "/dataSource",
                handle=self._replace,
                says="Put a data source in the place of another",
                verb=Verb.SUBMIT,
                body=UpdateDatabaseDataSourceRequest,
                answers={200: UpdateDatabaseDataSourceResponse},
                errors=_CHANGE_ERRORS,
                params=INSTANCE_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        database = await find_instance(self._databases, call)
        return Answer(body=encode(source_list(_instance(database).data_sources, window)))

    async def _attach(self, call: Call) -> Answer:
        request: AddDatabaseDataSourceRequest = await self._read(call, AddDatabaseDataSourceRequest)
        with renaming(wire_path):
            made = await self._databases.attach(
                call.principal,
                call.params["instanceId"],
                request.data_source_id,
                request.data_source_name,
                request_id=call.request_id,
            )
        return Answer(body=encode(AddDatabaseDataSourceResponse(data_source=_source(made))))

    async def _detach(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        gone = await self._databases.detach(
            call.principal,
            call.params["instanceId"],
            call.params["dataSourceId"],
            request_id=call.request_id,
        )
        answer = RemoveDatabaseDataSourceResponse(data_source_id=gone.data_source_id)
        return Answer(body=encode(answer))

    async def _replace(self, call: Call) -> Answer:
        request = await self._read(call, UpdateDatabaseDataSourceRequest)
        with renaming(wire_path):
            made = await self._databases.replace_data_source(
                call.principal,
                call.params["instanceId"],
                request.old_data_source_id,
                request.data_source_id,
                request.data_source_name,
                request_id=call.request_id,
            )
        answer = UpdateDatabaseDataSourceResponse(
            data_source_id=made.data_source_id, data_source_name=made.name
        )
        return Answer(body=encode(answer))

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._limits.body_bytes, self._body_seconds)


async def find_instance(databases: Databases, call: Call) -> Database:
    """The database of a request, if it is there. Raises NotFound."""
    ref = call.params["instanceId"]
    database = await databases.get(call.principal, ref)
    if database.status not in THERE:
        raise NotFound(f"the database {ref!r} is not there yet")
    return database


def _instance(database: Database) -> DatabaseInstance:
    return DatabaseInstance(
        id=show_id(database.id),
        name=database.name,
        storage_ids=database.storages,
        data_sources=[_source(one) for one in database.data_sources],
    )


def _source(source: DataSource) -> DataSourceInfo:
    return DataSourceInfo(
        id=show_id(source.id),
        data_source_id=source.data_source_id,
        data_source_name=source.name,
    )
