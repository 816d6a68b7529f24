"""The door of the Chainloop dialect: its routes over the engine and the evidence."""

from collections.abc import Sequence

from outlast.http.chainloop.evaluations import EvaluationRoutes
from outlast.http.chainloop.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def chainloop_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = OperationRoutes(parts).routes()
    if parts.evidences is not None:
        routes += EvaluationRoutes(parts, parts.evidences).routes()
    return routes
