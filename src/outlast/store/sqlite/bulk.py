"""Many rows in one statement.

Each step of a statement lets other threads run and then waits, up to milliseconds, for its turn to
come back. Beside a busy event loop a batch is as slow as it has steps, so it gets few.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, TypeVar

import apsw

_T = TypeVar("_T")

# Few sizes, so that the statements stay prepared; longer texts are not kept by the driver's cache.
_SIZES: Final = (64, 16, 4, 1)


def insert_many(
    connection: apsw.Connection,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Insert rows of values in the order of the columns."""
    for part in _parts(rows):
        sql = _insert_sql(table, columns, len(part))
        connection.execute(sql, tuple(chain.from_iterable(part)))


def update_many(
    connection: apsw.Connection,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Update operations: each row is an id and then values in the order of the columns."""
    for part in _parts(rows):
        sql = update_sql(columns, len(part))
        connection.execute(sql, tuple(chain.from_iterable(part)))


def select_many(connection: apsw.Connection, select: str, ids: Sequence[str]) -> list[Any]:
    """The rows with these ids, in any order."""
    found: list[Any] = []
    for part in _parts(ids):
        found += connection.execute(select_sql(select, len(part)), part).fetchall()
    return found


@cache
def _insert_sql(table: str, columns: tuple[str, ...], count: int) -> str:
    values = ", ".join([_marks(len(columns))] * count)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"


@cache
def update_sql(columns: tuple[str, ...], count: int) -> str:
    """An update of these columns in that many operations."""
    if count == 1:
        # The id comes first, as in the form for many.
        changes = ", ".join(f"{name} = ?{at}" for at, name in enumerate(columns, 2))
        return f"UPDATE operations SET {changes} WHERE id = ?1"
    changes = ", ".join(f"{name} = v.column{at}" for at, name in enumerate(columns, 2))
    values = ", ".join([_marks(len(columns) + 1)] * count)
    return f"UPDATE operations SET {changes} FROM (VALUES {values}) AS v WHERE id = v.column1"


@cache
def select_sql(select: str, count: int) -> str:
    """The statement with a condition on that many ids."""
    return f"{select} WHERE id IN {_marks(count)}"


def _marks(count: int) -> str:
    return f"({', '.join('?' * count)})"


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    start = 0
    for size in _SIZES:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
