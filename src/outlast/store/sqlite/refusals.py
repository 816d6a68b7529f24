"""What callers are told of an error of the database."""

from typing import Final

import apsw

from outlast.operations.errors import OutlastError, StoreFull, Unavailable

_FULL_DISK: Final = frozenset(
    {apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_TRUNCATE, apsw.SQLITE_IOERR_SHMSIZE}
)


def refusal_for(error: Exception) -> OutlastError | None:
    """StoreFull or Unavailable, or None if the error is the fault of what was asked."""
    refusal: OutlastError
    match error:
        case apsw.FullError():
            refusal = StoreFull()
        case apsw.IOError() if getattr(error, "extendedresult", 0) in _FULL_DISK:
            refusal = StoreFull()
        case (
            apsw.IOError()
            | apsw.BusyError()
            | apsw.LockedError()
            | apsw.ReadOnlyError()
            | apsw.CantOpenError()
            | apsw.CorruptError()
            | apsw.NotADBError()
            | apsw.NoMemError()
            | apsw.ProtocolError()
        ):
            refusal = Unavailable(f"the database cannot be used: {error}")
        case _:
            return None
    refusal.__cause__ = error
    return refusal


def unforeseen(error: Exception) -> OutlastError:
    """What the one member is told whose own fault an error is."""
    refusal = OutlastError(f"this change failed: {type(error).__name__}: {error}")
    refusal.__cause__ = error
    return refusal
