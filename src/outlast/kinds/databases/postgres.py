"""Databases of a PostgreSQL server: each belongs to a role of its own, which nobody else is."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from outlast.operations.errors import Fatal, Retry
from outlast.resources.databases.model import NewPostgresDatabase, PostgresPlace, postgres_name

_CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0
_CLEAN_SECONDS: Final = 3.0
_PORT: Final = 5432
_SCRAM_ITERATIONS: Final = 4096
_SALT_BYTES: Final = 16
_PASSWORD_BYTES: Final = 32
_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
)


class Administrator:
    """Who makes and drops databases. `url` is of a role that may create databases and roles."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def create(self, database: str) -> NewPostgresDatabase:
        """Make the PostgreSQL database of one of ours, or finish what was begun.

        A cancel undoes it. Raises Retry, Fatal.
        """
        name, password = postgres_name(database), secrets.token_urlsafe(_PASSWORD_BYTES)
        try:
            async with connected(self._url) as connection:
                await _make_role(connection, name, password)
                await _make_database(connection, name)
        except asyncio.CancelledError:
            # What cannot be undone in time is left to whoever collects what was abandoned.
            with contextlib.suppress(Retry, Fatal, TimeoutError, asyncpg.PostgresError):
                async with asyncio.timeout(_CLEAN_SECONDS):
                    await self.drop(database)
            raise
        host, port = _address(self._url)
        return NewPostgresDatabase(
            database=database,
            host=host,
            port=port,
            database_name=name,
            role=name,
            password=password,
        )

    async def drop(self, database: str) -> None:
        """Drop the PostgreSQL database of one of ours, and its role, if they are there.

        Raises Retry; Fatal for a database that is not ours, and where the role has other things.
        """
        name = postgres_name(database)
        async with connected(self._url) as connection:
            if await _owner(connection, name) not in {None, name}:
                raise Fatal("not_ours", f"the PostgreSQL database {name} belongs to another role")
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            try:
                await connection.execute(f'DROP ROLE IF EXISTS "{name}"')
            except asyncpg.DependentObjectsStillExistError as error:
                raise Fatal("role_in_use", f"role {name} is used elsewhere: {error}") from error


def connected_to(
    place: PostgresPlace, password: str
) -> "AbstractAsyncContextManager[asyncpg.Connection[asyncpg.Record]]":
    """A connection to a database as the role that owns it. Raises as `connected`."""
    return connected(
        host=place.host,
        port=place.port,
        database=place.database,
        user=place.role,
        password=password,
    )


@contextlib.asynccontextmanager
async def connected(
    url: str | None = None, **where: Any
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to a server. Raises Retry where it cannot be reached, or goes away."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS, **where)
        try:
            yield connection
        finally:
            # What was done is done, whether or not the server says goodbye.
            with contextlib.suppress(*_AWAY):
                await connection.close(timeout=_CLOSE_SECONDS)
    except _AWAY as error:
        text = f"the PostgreSQL server cannot be reached: {type(error).__name__}"
        raise Retry(code="server_unreachable", message=text) from error


async def _make_role(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str
) -> None:
    # Only a verifier is sent: the server may log its statements.
    options = f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{_verifier(password)}'"
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    await connection.execute(f'{"ALTER" if exists else "CREATE"} ROLE "{name}" {options}')
    # Who is no superuser may give a database only to a role that it is a member of.
    await connection.execute(f'GRANT "{name}" TO CURRENT_USER')


async def _make_database(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    try:
        await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}" TEMPLATE template0')
    except asyncpg.DuplicateDatabaseError as error:
        if await _owner(connection, name) != name:
            raise Fatal("database_taken", f"there is a database {name}, not ours") from error
    await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


async def _owner(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> str | None:
    owner: str | None = await connection.fetchval(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", name
    )
    return owner


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    host = parts.hostname or asked.get("host", ["localhost"])[0]
    return host, parts.port or int(asked.get("port", [_PORT])[0])


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803): it proves one, and reveals none."""
    salt = os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{words[0]}${words[1]}:{words[2]}"
