"""What the routes are made over."""

from dataclasses import dataclass

from outlast.engine import Engine
from outlast.engine.tokens import Tokens
from outlast.inference.relaying import Relay
from outlast.resources.chat_log import ChatLog
from outlast.resources.connections import Connections
from outlast.resources.credentials import Credentials
from outlast.resources.databases.library import Databases
from outlast.resources.datasets import Datasets, Uploads
from outlast.resources.evaluations import Evaluations
from outlast.resources.evidence import Evidences
from outlast.resources.files import Files
from outlast.resources.models import Models
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.policies.library import Policies
from outlast.resources.secrets import Secrets
from outlast.resources.services import Services
from outlast.resources.stacks import Stacks
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Limits, Settings

BODY_SECONDS = 30.0
"""How long a body may take to arrive; for an upload, how long it may pause."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The use cases that an API offers, native or in a dialect. What is None it does not have."""

    engine: Engine
    tokens: Tokens
    settings: Settings
    datasets: Datasets | None = None
    uploads: Uploads | None = None
    secrets: Secrets | None = None
    files: Files | None = None
    models: Models | None = None
    databases: Databases | None = None
    pipe_tables: PipeTables | None = None
    services: Services | None = None
    vector_databases: VectorDatabases | None = None
    stacks: Stacks | None = None
    connections: Connections | None = None
    credentials: Credentials | None = None
    evidences: Evidences | None = None
    policies: Policies | None = None
    playgrounds: Playgrounds | None = None
    evaluations: Evaluations | None = None
    relay: Relay | None = None
    chat_log: ChatLog | None = None
    body_seconds: float = BODY_SECONDS

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.settings.limits
