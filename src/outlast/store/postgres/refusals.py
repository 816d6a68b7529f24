"""What an error of the database means: try again, wait for it, or tell the caller."""

from typing import Final

import asyncpg

from outlast.operations.errors import OutlastError, StoreFull, Unavailable

_AGAIN: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.LockNotAvailableError,
)
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A session that is terminated can leave its connection in a state that asyncpg finds odd; and
    # no host takes writes just now.
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_NOT_AWAY: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.ProtocolViolationError,
    ValueError,  # what asyncpg says of arguments is of the same class as a lost connection
)
_POOLER: Final = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


def is_worth_another_go(error: Exception) -> bool:
    """Whether the transaction lost to another one, and may win when it is run again."""
    return isinstance(error, _AGAIN)


def is_away(error: Exception) -> bool:
    """Whether the database cannot be reached, or no longer by this connection.

    A transaction that has not been told to commit has not been committed then.
    """
    return isinstance(error, _AWAY) and not isinstance(error, _NOT_AWAY)


def is_locked_out(error: Exception) -> bool:
    """Whether somebody held a lock for longer than others shall wait."""
    return isinstance(error, asyncpg.LockNotAvailableError)


def needs_new_connections(error: Exception) -> bool:
    """Whether the host that we are connected to is not the one that takes writes any more."""
    return isinstance(error, asyncpg.ReadOnlySQLTransactionError)


def refusal_for(error: Exception) -> OutlastError | None:
    """StoreFull or Unavailable, or None if the error is the fault of what was asked."""
    refusal: OutlastError
    match error:
        case Unavailable():
            return error
        case asyncpg.DiskFullError() | asyncpg.OutOfMemoryError():
            refusal = StoreFull()
        case _ if isinstance(error, _POOLER) or "startup parameter" in str(error):
            refusal = Unavailable(
                f"the database cannot be used: {_first_line(error)};"
                " behind a pooler in transaction mode, set database_is_pooled"
            )
        case _ if is_worth_another_go(error):
            refusal = Unavailable(f"the database is too busy: {_first_line(error)}")
        case (
            asyncpg.InsufficientResourcesError()
            | asyncpg.InvalidAuthorizationSpecificationError()
            | asyncpg.InvalidCatalogNameError()
            | asyncpg.QueryCanceledError()
            | asyncpg.ProtocolViolationError()
            | asyncpg.ClientConfigurationError()
        ):
            refusal = Unavailable(f"the database cannot be used: {_first_line(error)}")
        case _ if is_away(error):
            refusal = Unavailable(f"the database cannot be used: {_first_line(error)}")
        case _:
            return None
    refusal.__cause__ = error
    return refusal


def unforeseen(error: Exception) -> OutlastError:
    """What the one member is told whose own fault an error is."""
    refusal = OutlastError(f"this change failed: {type(error).__name__}: {_first_line(error)}")
    refusal.__cause__ = error
    return refusal


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
