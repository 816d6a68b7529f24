"""What is told of the tables of a database, whichever engine it has."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.operations.errors import Fatal, InvalidSpec
from outlast.resources.databases.model import EngineName

NAMED_MAX: Final = 1000
COLUMNS_MAX: Final = 3000
_VALUE_CHARS_MAX: Final = 100
_NAME_CHARS_MAX: Final = 255


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column. `distinct` is an estimate; `min` and `max` are cut to 100 characters."""

    name: str
    type: str
    distinct: int | None = None
    null_fraction: float | None = None
    min: str | None = None
    max: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table. `rows` is counted when it is analysed, else estimated."""

    schema: str
    table: str
    rows: int
    columns: tuple[Column, ...]


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about the tables of a database."""

    database: str
    name: str
    tables: tuple[Table, ...]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A database and its tables. `free_bytes` are those of `bytes` that hold nothing."""

    database: str
    name: str
    engine: EngineName
    bytes: int
    free_bytes: int
    tables: tuple[Table, ...]


def check_tables(tables: Sequence[str] | None) -> None:
    """Raise InvalidSpec for what is no list of tables; None are all."""
    if tables is None:
        return
    if not 1 <= len(tables) <= NAMED_MAX:
        message = f"1 to {NAMED_MAX} tables are named, or all are meant by naming none"
        raise InvalidSpec(message, field_errors={"tables": message})
    for name in tables:
        if not 1 <= len(name) <= _NAME_CHARS_MAX:
            message = f"a table's name has 1 to {_NAME_CHARS_MAX} characters"
            raise InvalidSpec(message, field_errors={"tables": message})


def choose_tables(
    known: Mapping[str, int], schema: str, wanted: Sequence[str] | None
) -> Sequence[str]:
    """Which of the `known` tables are wanted (SCHEMA.TABLE -> how many columns it has).

    A name without a schema is one of `schema`. Raises Fatal for tables that there are not, and for
    more columns than one result can tell of.
    """
    chosen = list(known)
    if wanted is not None:
        qualified = {name: name if name in known else f"{schema}.{name}" for name in wanted}
        unknown = sorted(name for name, full in qualified.items() if full not in known)
        if unknown:
            shown = ", ".join(unknown[:10])
            raise Fatal("unknown_table", f"there is no table {shown}", details={"tables": unknown})
        chosen = list(dict.fromkeys(qualified.values()))
    columns = sum(known[name] for name in chosen)
    if columns > COLUMNS_MAX:
        raise Fatal(
            "too_many_columns",
            f"these tables have {columns} columns, more than the {COLUMNS_MAX} that one result"
            " tells of: name some of the tables",
        )
    return chosen


def shown(value: object) -> str | None:
    """A value as a result shows it."""
    return None if value is None else str(value)[:_VALUE_CHARS_MAX]
