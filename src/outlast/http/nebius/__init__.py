"""The door of the Nebius dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.nebius.files import FileRoutes
from outlast.http.nebius.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def nebius_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = [*OperationRoutes(parts).routes()]
    if parts.files is not None:
        routes += FileRoutes(parts, parts.files).routes()
    return routes
