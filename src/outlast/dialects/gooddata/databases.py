"""Database instances and their data sources on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from outlast.dialects.gooddata.errors import renamed
from outlast.dialects.gooddata.lists import Item, Links, Listed, Window, listed

INSTANCE: Final = "database"
DATA_SOURCE: Final = "dataSource"


class ProvisionDatabaseInstanceRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A database to make. Its data source is called as the database unless it is named."""

    name: str
    storage_ids: Sequence[str]
    data_source_id: str | None = None
    data_source_name: str | None = None


class AnalyzeStatisticsRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which tables to analyse: all of them, unless some are named."""

    table_names: Sequence[str] | None = None


class AddDatabaseDataSourceRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A data source to attach."""

    data_source_id: str
    data_source_name: str | None = None


class UpdateDatabaseDataSourceRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A data source to put in the place of another."""

    data_source_id: str
    old_data_source_id: str
    data_source_name: str | None = None


class DataSourceInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A data source of a database."""

    id: str
    data_source_id: str
    data_source_name: str


class DatabaseInstance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A database."""

    id: str
    name: str
    storage_ids: Sequence[str]
    data_sources: Sequence[DataSourceInfo]


class DatabaseInstanceDocument(DatabaseInstance, frozen=True, kw_only=True, rename="camel"):
    """A database in the forms of both generations."""

    data: Item[DatabaseInstance]
    links: Links


class ListDatabaseInstances(Listed[DatabaseInstance], frozen=True, kw_only=True, rename="camel"):
    """Databases."""

    databases: Sequence[DatabaseInstance]


class ListDataSources(Listed[DataSourceInfo], frozen=True, kw_only=True, rename="camel"):
    """The data sources of a database."""

    data_sources: Sequence[DataSourceInfo]


class AddDatabaseDataSourceResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was attached."""

    data_source: DataSourceInfo


class UpdateDatabaseDataSourceResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stands in the place of the other now."""

    data_source_id: str
    data_source_name: str


class RemoveDatabaseDataSourceResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was detached."""

    data_source_id: str


_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "storages": "storageIds",
        "data_source_id": "dataSourceId",
        "data_source_name": "dataSourceName",
        "old_data_source_id": "oldDataSourceId",
        "database": "instanceId",
        "tables": "tableNames",
    }
)


def wire_path(path: str) -> str:
    """What a field of our specs is called here."""
    return renamed(path, _NAMES)


def provision_spec(request: ProvisionDatabaseInstanceRequest) -> dict[str, Any]:
    """The spec of what a request asks for. To name a storage twice is to name it."""
    spec: dict[str, Any] = {"name": request.name}
    if request.storage_ids:
        spec["storages"] = list(dict.fromkeys(request.storage_ids))
    if request.data_source_id is not None:
        spec["data_source_id"] = request.data_source_id
    if request.data_source_name is not None:
        spec["data_source_name"] = request.data_source_name
    return spec


def analyze_spec(database: str, request: AnalyzeStatisticsRequest) -> dict[str, Any]:
    """The spec of what a request asks for. No names are all tables."""
    if not request.table_names:
        return {"database": database}
    return {"database": database, "tables": list(dict.fromkeys(request.table_names))}


def instance_document(instance: DatabaseInstance, url: str) -> DatabaseInstanceDocument:
    """A database in the forms of both generations."""
    return DatabaseInstanceDocument(
        **msgspec.structs.asdict(instance),
        data=Item(id=instance.id, type=INSTANCE, attributes=instance),
        links=Links(url=url),
    )


def instance_list(instances: Sequence[DatabaseInstance], window: Window) -> ListDatabaseInstances:
    """The databases that a window shows."""
    shown, beside = listed(INSTANCE, instances, lambda one: one.id, window)
    return ListDatabaseInstances(databases=shown, **beside)


def source_list(sources: Sequence[DataSourceInfo], window: Window) -> ListDataSources:
    """The data sources that a window shows."""
    shown, beside = listed(DATA_SOURCE, sources, lambda one: one.id, window)
    return ListDataSources(data_sources=shown, **beside)
