"""A database of a PostgreSQL server."""

from collections.abc import Mapping
from typing import Final, Literal

import asyncpg

from outlast.operations.errors import Fatal, OutboundRefused, Unavailable
from outlast.outbound import Gate

_CONNECT_SECONDS: Final = 10.0
_PORT: Final = 5432
_SSL: Final[Mapping[str, Literal["disable", "prefer", "require"]]] = {
    "disable": "disable",
    "prefer": "prefer",
    "require": "require",
}


async def look_at_database(
    settings: Mapping[str, str], secrets: Mapping[str, str], gate: Gate
) -> dict[str, str]:
    """What the server says it is, once it let the user in. Raises Fatal, Unavailable."""
    host, user, database = (settings[name] for name in ("host", "user", "database"))
    port = int(settings.get("port", _PORT))
    connection = None
    try:
        connection = await asyncpg.connect(
            host=await _address(host, port, gate),
            port=port,
            user=user,
            password=secrets.get("password", ""),
            database=database,
            ssl=_SSL[settings.get("sslmode", "prefer")],
            timeout=_CONNECT_SECONDS,
        )
        version = await connection.fetchval("SHOW server_version", timeout=_CONNECT_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Fatal("access_refused", f"{host} does not let {user} in: {error}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise Fatal("missing", f"{host}: {error}") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or "it does not answer in time"
        raise Unavailable(f"{host} cannot be reached: {reason}") from error
    finally:
        if connection is not None:
            connection.terminate()
    return {"version": str(version), "user": user, "database": database}


async def _address(host: str, port: int, gate: Gate) -> str:
    """The one address to connect to: looked up once, and allowed."""
    try:
        return (await gate.find_addresses(gate.check_host("https", host, port)))[0]
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
