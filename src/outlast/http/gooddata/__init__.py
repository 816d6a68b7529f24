"""The door of the GoodData dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.gooddata.databases import DatabaseRoutes, DataSourceRoutes
from outlast.http.gooddata.operations import OperationRoutes
from outlast.http.gooddata.pipe_tables import PipeTableRoutes
from outlast.http.gooddata.services import ServiceRoutes
from outlast.http.gooddata.storages import StorageRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def gooddata_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = [*OperationRoutes(parts).routes(), *StorageRoutes(parts).routes()]
    if parts.databases is not None:
        routes += DatabaseRoutes(parts, parts.databases).routes()
        routes += DataSourceRoutes(parts, parts.databases).routes()
    if parts.pipe_tables is not None:
        routes += PipeTableRoutes(parts, parts.pipe_tables).routes()
    if parts.services is not None:
        routes += ServiceRoutes(parts, parts.services).routes()
    return routes
