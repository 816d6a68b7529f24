"""Vector databases: texts cut into chunks, with the vector of each, in a file nobody changes."""

from outlast.resources.vector_databases.collecting import VectorDatabaseCollector
from outlast.resources.vector_databases.finding import (
    FoundVectorDatabase,
    find_any,
    find_ready,
)
from outlast.resources.vector_databases.library import VectorDatabases
from outlast.resources.vector_databases.model import (
    Chunking,
    Hit,
    NewVectorDatabase,
    VectorDatabase,
    VectorDatabaseDocument,
)
from outlast.resources.vector_databases.publishing import VectorDatabasePublisher

__all__ = [
    "Chunking",
    "FoundVectorDatabase",
    "Hit",
    "NewVectorDatabase",
    "VectorDatabase",
    "VectorDatabaseCollector",
    "VectorDatabaseDocument",
    "VectorDatabasePublisher",
    "VectorDatabases",
    "find_any",
    "find_ready",
]
