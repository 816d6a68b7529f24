"""Connections to the database, and what becomes of them when it goes away.

It may be restarted, fail over to another host, be cut off without a word, or sit behind a pooler
that gives every transaction another session. Callers see an answer, or within seconds an error
that `refusals.is_away` knows.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

from outlast.operations.errors import Unavailable
from outlast.store.postgres.outage import OUTAGE_SECONDS, Outage
from outlast.store.postgres.refusals import is_away, needs_new_connections
from outlast.store.postgres.transaction import Connection

_CONNECTIONS_MAX: Final = 10
_CONNECT_SECONDS: Final = 4.0
_COMMAND_SECONDS: Final = 35.0
_CLOSE_SECONDS: Final = 5.0
_DOUBT_SECONDS: Final = 30.0
_NAME: Final = {"application_name": "outlast"}
_SETTINGS: Final = {
    # A list with a rare filter needs a plan of its own: a generic one walks the primary key.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "statement_timeout": "30000",
    # Who waits for a lock holds up others of its batch; then it is written apart from them.
    "lock_timeout": "1000",
    # What a host that is gone has locked is free again before its leases have run out.
    "idle_in_transaction_session_timeout": "5000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SET_LOCAL: Final = "; ".join(
    f"SET LOCAL {name} = '{_SETTINGS[name]}'"
    for name in ("jit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
)
"""Behind a pooler nothing lasts longer than a transaction, and no plan is kept anyway."""
_STATUS: Final = "SELECT pg_xact_status($1::text::xid8)"
_SILENCE: Final = {
    "TCP_KEEPIDLE": 2,  # seconds without a word until the first probe, on Linux
    "TCP_KEEPALIVE": 2,  # the same on macOS
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 4_000,  # milliseconds that what was sent may stay unacknowledged
}


class InDoubt(Exception):
    """The connection was lost while a commit was on its way. `number` is the transaction's."""

    def __init__(self, number: str | None) -> None:
        super().__init__(f"the end of transaction {number} is not known")
        self.number = number


class Opened:
    """A transaction under way. `number` is told by whoever ends its work; None: nothing written."""

    __slots__ = ("connection", "number")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.number: str | None = None


class Connections:
    """A pool of connections to whichever of the URL's hosts takes writes.

    `is_pooled`: there is a pooler in transaction mode in between. `greet` is called with every new
    connection, before anybody else uses it. Calls wait `outage_seconds` for a database that is
    away.
    """

    def __init__(
        self,
        url: str,
        *,
        is_pooled: bool,
        greet: Callable[[Any], Coroutine[Any, Any, None]],
        outage_seconds: float = OUTAGE_SECONDS,
    ) -> None:
        self.is_pooled = is_pooled
        self.outage_seconds = outage_seconds
        self._urls = one_url_per_host(url)
        self._greet = greet
        self._pool: asyncpg.Pool | None = None
        self._arguments: dict[str, Any] = {
            "server_settings": _NAME if is_pooled else _NAME | _SETTINGS,
            "command_timeout": _COMMAND_SECONDS,
            "timeout": _CONNECT_SECONDS,
        }
        if is_pooled:
            self._arguments["statement_cache_size"] = 0
        if "target_session_attrs" not in parse_qs(urlsplit(url).query):
            self._arguments["target_session_attrs"] = "read-write"

    async def open(self) -> None:
        """Make the first connection."""
        self._pool = await asyncpg.create_pool(
            # No floor: while the database is away only those connect who wait for it.
            min_size=0,
            init_size=1,
            max_size=_CONNECTIONS_MAX,
            connect=self.connect,
            init=self._greet,
            # No session of ours keeps anything that its next user could trip over.
            reset=_leave_as_it_is,
        )

    async def close(self) -> None:
        """Let go of all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def connect(self, dsn: str | None = None, **arguments: Any) -> asyncpg.Connection:  # noqa: ARG002  the pool has none
        """A new connection, to the first host that takes writes."""
        last: Exception = Unavailable("the URL of the database names no host")
        # Each has its own time: one that is silent must not use up that of the others.
        for url in self._urls:
            try:
                connection: asyncpg.Connection = await asyncpg.connect(
                    url, **(self._arguments | arguments)
                )
            except Exception as error:
                if not is_away(error):
                    raise
                last = error
            else:
                notice_silence(connection)
                return connection
        raise last

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection for a moment."""
        pool = self._pool
        if pool is None:
            raise Unavailable("the store is closed")
        try:
            async with asyncio.timeout(self.outage_seconds) as wait:
                connection = await pool.acquire()
        except TimeoutError as error:
            if wait.expired():
                raise Unavailable("no connection to the database became free in time") from error
            raise
        try:
            yield connection
        except Exception as error:
            if is_away(error):
                # One that is gone already has left the pool: then it refuses even this.
                with contextlib.suppress(asyncpg.InterfaceError):
                    connection.terminate()
            if needs_new_connections(error):
                await pool.expire_connections()
            raise
        finally:
            await pool.release(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Opened]:
        """A transaction. Raises InDoubt if the answer to its commit was lost."""
        async with self.acquire() as connection:
            under_way = connection.transaction()
            await under_way.start()
            opened = Opened(connection)
            try:
                if self.is_pooled:
                    await connection.execute(_SET_LOCAL)
                yield opened
            except BaseException:
                # What cannot be rolled back is gone with its connection.
                with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await under_way.rollback()
                raise
            try:
                await under_way.commit()
            except Exception as error:
                if is_away(error):
                    raise InDoubt(opened.number) from error
                raise

    async def fetch(
        self, sql: str, *values: Any, patience: float | None = None
    ) -> list[asyncpg.Record]:
        """The rows of a query, which is asked again while the database is away."""
        outage = Outage(self.outage_seconds if patience is None else patience)
        while True:
            try:
                async with self.acquire() as connection:
                    rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
                    return rows
            except Exception as error:
                if not is_away(error) or outage.is_over_patience:
                    raise
            await outage.pause()

    async def has_committed(self, doubt: InDoubt) -> bool:
        """Whether a transaction in doubt was committed. Raises Unavailable if nobody can tell."""
        if doubt.number is None:
            return True
        outage = Outage(_DOUBT_SECONDS)
        while not outage.is_over_patience:
            try:
                [[status]] = await self.fetch(_STATUS, doubt.number, patience=_DOUBT_SECONDS)
            except asyncpg.InvalidParameterValueError:
                # Another host took over, and has never heard of it.
                return False
            if status in {"committed", "aborted"}:
                return bool(status == "committed")
            # The session that is to end it does not know yet that its client is gone.
            await outage.pause()
        raise Unavailable("the connection was lost: look whether it was written before you repeat")


def one_url_per_host(url: str) -> list[str]:
    """The URL for each of the hosts that it names with commas."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]


def notice_silence(connection: Any) -> None:
    """Have the system end a connection within seconds whose other end is silent."""
    found = connection._transport.get_extra_info("socket")  # noqa: SLF001  nothing public has it
    if found.family == socket.AF_UNIX:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _leave_as_it_is(_: Any) -> None:
    """In place of a round trip that resets the session."""
