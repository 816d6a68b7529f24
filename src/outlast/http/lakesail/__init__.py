"""The door of the LakeSail dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.lakesail.clusters import MyClusterRoutes
from outlast.http.lakesail.connections import ConnectionRoutes
from outlast.http.lakesail.instance_types import InstanceTypeRoutes
from outlast.http.lakesail.operations import OperationRoutes
from outlast.http.lakesail.stack_forms import CLUSTERS, NETWORKS, STACKS
from outlast.http.lakesail.stacks import StackRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def lakesail_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = [*OperationRoutes(parts).routes(), *InstanceTypeRoutes(parts).routes()]
    if parts.connections is not None:
        routes += ConnectionRoutes(parts, parts.connections).routes()
    if parts.stacks is not None:
        for form in (STACKS, NETWORKS, CLUSTERS):
            routes += StackRoutes(parts, parts.stacks, form).routes()
        routes += MyClusterRoutes(parts, parts.stacks, parts.connections).routes()
    return routes
