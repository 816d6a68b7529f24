"""What the server tells of databases and services. As in `answers`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which others know a database."""

    id: str
    data_source_id: str
    name: str


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A database. `status` is provisioning, ready or deprovisioning.

    `operation_id` made it, makes it or removes it.
    """

    id: str
    name: str
    engine: str
    status: str
    created_at: datetime
    created_by: str = ""
    storages: Sequence[str] = ()
    data_sources: Sequence[DataSource] = ()
    bytes: int = 0
    operation_id: str = ""


class DatabasePage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of databases."""

    databases: Sequence[Database]
    next_page_token: str | None = None


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect to a PostgreSQL database. `url` has all of it."""

    host: str
    port: int
    database: str
    user: str
    password: str
    url: str


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a service: the kind that runs it, and the JSON Schema of its payload."""

    name: str
    kind: str
    description: str = ""
    payload_schema: dict[str, Any] = {}


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service and its commands."""

    id: str
    name: str
    description: str = ""
    commands: Sequence[Command] = ()


class ServiceList(msgspec.Struct, frozen=True, kw_only=True):
    """All services, by name."""

    services: Sequence[Service]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself."""

    status: dict[str, Any] | None = None
