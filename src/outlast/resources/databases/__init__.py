"""Databases: DuckDB files that nobody changes in place, and databases of a PostgreSQL server."""

from outlast.resources.databases.collecting import DatabaseCollector
from outlast.resources.databases.finding import (
    FoundDatabase,
    find_database,
    look_for_database,
)
from outlast.resources.databases.library import Credentials, Databases
from outlast.resources.databases.model import (
    Database,
    DatabaseDocument,
    DataSource,
    NewDatabaseFile,
    NewPostgresDatabase,
    RemovedDatabase,
    concurrency_key,
)
from outlast.resources.databases.publishing import DatabasePublisher

__all__ = [
    "Credentials",
    "DataSource",
    "Database",
    "DatabaseCollector",
    "DatabaseDocument",
    "DatabasePublisher",
    "Databases",
    "FoundDatabase",
    "NewDatabaseFile",
    "NewPostgresDatabase",
    "RemovedDatabase",
    "concurrency_key",
    "find_database",
    "look_for_database",
]
