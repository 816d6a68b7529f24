"""What callers are told of an error of the database."""

from typing import Final

import asyncpg

from outlast.operations.errors import OutlastError, StoreFull, Unavailable

_AGAIN: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.LockNotAvailableError,
)


def is_worth_another_go(error: Exception) -> bool:
    """Whether the transaction lost to another one, and may win when it is run again."""
    return isinstance(error, _AGAIN)


def refusal_for(error: Exception) -> OutlastError | None:
    """StoreFull or Unavailable, or None if the error is the fault of what was asked."""
    refusal: OutlastError
    match error:
        case asyncpg.DiskFullError() | asyncpg.OutOfMemoryError():
            refusal = StoreFull()
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.OperatorInterventionError()
            | asyncpg.InsufficientResourcesError()
            | asyncpg.InvalidAuthorizationSpecificationError()
            | asyncpg.InvalidCatalogNameError()
            | asyncpg.ReadOnlySQLTransactionError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | OSError()
            | TimeoutError()
        ):
            refusal = Unavailable(f"the database cannot be used: {_first_line(error)}")
        case _ if is_worth_another_go(error):
            refusal = Unavailable(f"the database is too busy: {_first_line(error)}")
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
