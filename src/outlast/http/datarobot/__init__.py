"""The door of the DataRobot dialect: its routes over the engine and the resources."""

from collections.abc import Sequence

from outlast.http.datarobot.blueprints import BlueprintRoutes
from outlast.http.datarobot.chat_prompts import ChatPromptRoutes
from outlast.http.datarobot.chats import ChatRoutes
from outlast.http.datarobot.credentials import CredentialRoutes
from outlast.http.datarobot.datasets import DatasetRoutes
from outlast.http.datarobot.embedding_models import SupportRoutes
from outlast.http.datarobot.embedding_validations import ValidationRoutes
from outlast.http.datarobot.evaluation_datasets import EvaluationDatasetRoutes
from outlast.http.datarobot.evaluations import MetricAggregationRoutes
from outlast.http.datarobot.playgrounds import LanguageModelRoutes, PlaygroundRoutes
from outlast.http.datarobot.status import StatusRoutes
from outlast.http.datarobot.unserved import unserved_routes
from outlast.http.datarobot.use_cases import UseCaseRoutes
from outlast.http.datarobot.vector_databases import VectorDatabaseRoutes
from outlast.http.datarobot.version import version_route
from outlast.http.parts import Parts
from outlast.http.routing import Route


def datarobot_routes(parts: Parts) -> Sequence[Route]:
    """Every route of the dialect, with paths at its own root."""
    routes = [version_route(), *StatusRoutes(parts).routes(), *unserved_routes()]
    if parts.datasets is not None and parts.files is not None:
        routes += DatasetRoutes(parts, parts.datasets, parts.files).routes()
        routes += UseCaseRoutes(parts, parts.datasets, parts.files).routes()
    if (
        parts.vector_databases is not None
        and parts.datasets is not None
        and parts.files is not None
    ):
        routes += VectorDatabaseRoutes(
            parts, parts.vector_databases, parts.datasets, parts.files
        ).routes()
        routes += SupportRoutes(parts).routes()
    if parts.credentials is not None:
        routes += CredentialRoutes(parts, parts.credentials).routes()
        if parts.connections is not None:
            routes += ValidationRoutes(parts, parts.connections, parts.credentials).routes()
    if parts.playgrounds is not None:
        routes += PlaygroundRoutes(parts, parts.playgrounds).routes()
        routes += BlueprintRoutes(parts, parts.playgrounds).routes()
        routes += ChatRoutes(parts, parts.playgrounds).routes()
        routes += ChatPromptRoutes(parts, parts.playgrounds).routes()
    if parts.playgrounds is not None and parts.evaluations is not None:
        both = (parts, parts.evaluations, parts.playgrounds)
        routes += EvaluationDatasetRoutes(*both).routes()
        routes += MetricAggregationRoutes(*both).routes()
    if parts.relay is not None:
        routes += LanguageModelRoutes(parts.relay).routes()
    return routes
