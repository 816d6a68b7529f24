"""The door of the Nebius dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.nebius.batches import BatchRoutes
from outlast.http.nebius.dataset_uploads import DatasetUploadRoutes
from outlast.http.nebius.datasets import DatasetRoutes
from outlast.http.nebius.files import FileRoutes
from outlast.http.nebius.fine_tuning import FineTuningRoutes
from outlast.http.nebius.inference import InferenceRoutes
from outlast.http.nebius.operations import OperationRoutes
from outlast.http.parts import Parts
from outlast.http.routing import Route


def nebius_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = [*OperationRoutes(parts).routes()]
    if parts.uploads is not None:
        routes += DatasetUploadRoutes(parts, parts.uploads).routes()
    if parts.datasets is not None:
        routes += DatasetRoutes(parts, parts.datasets).routes()
    if parts.files is not None:
        routes += FileRoutes(parts, parts.files).routes()
        routes += BatchRoutes(parts, parts.files).routes()
    if parts.models is not None:
        routes += FineTuningRoutes(parts, parts.models).routes()
    if parts.relay is not None:
        routes += InferenceRoutes(parts, parts.relay).routes()
    return routes
