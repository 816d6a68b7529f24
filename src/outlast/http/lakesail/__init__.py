"""The door of the LakeSail dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.lakesail.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def lakesail_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    return OperationRoutes(parts).routes()
