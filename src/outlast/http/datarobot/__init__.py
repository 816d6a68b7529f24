"""The door of the DataRobot dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.datarobot.status import StatusRoutes
from outlast.http.datarobot.version import version_route
from outlast.http.parts import Parts
from outlast.http.routing import Route


def datarobot_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    return [version_route(), *StatusRoutes(parts).routes()]
