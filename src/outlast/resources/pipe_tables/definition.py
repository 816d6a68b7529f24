"""What a pipe table may be asked to be. Pure: what needs the files is checked with them at hand."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from outlast.operations.errors import Invalid, InvalidSpec
from outlast.operations.schedules import EVERY_SECONDS_MAX
from outlast.resources.pipe_tables.column_types import VARCHAR_CHARS_MAX, ColumnType, parse_type
from outlast.resources.pipe_tables.listing import check_prefix
from outlast.resources.pipe_tables.model import (
    TABLE_NAME,
    Aggregation,
    Definition,
    Distribution,
    Key,
    Partition,
)

COLUMNS_MAX: Final = 1000
COLUMN_NAME_CHARS_MAX: Final = 255
PROPERTIES_MAX: Final = 100
PROPERTY_CHARS_MAX: Final = 1000
BUCKETS_MAX: Final = 1_000_000
_RESERVED: Final = re.compile(r"_outlast.*", re.IGNORECASE)


def check_table_name(name: str) -> str:
    """The name itself, if a pipe table may bear it. Raises InvalidSpec."""
    if not TABLE_NAME.fullmatch(name):
        raise _wrong("table", "has 1 to 63 of a-z 0-9 _ -, and begins with a letter")
    return name


def check_definition(wanted: Definition) -> Definition:
    """The definition, its prefix without slashes around it. Raises InvalidSpec, naming the field.

    Refused is also what no engine here can honour: sketches (HLL, BITMAP), and aggregations of a
    table that is not merged.
    """
    try:
        prefix = check_prefix(wanted.path_prefix)
    except Invalid as error:
        raise _wrong("path_prefix", error.message) from error
    _check_columns("column_overrides", wanted.column_overrides)
    for column, text in wanted.column_overrides.items():
        try:
            parse_type(text)
        except Invalid as error:
            raise _wrong(f"column_overrides.{column}", error.message) from error
    if wanted.column_expressions:
        raise _wrong(
            "column_expressions", "the engines of this server have no HLL and no BITMAP columns"
        )
    _check_columns("aggregation_overrides", wanted.aggregation_overrides)
    _check_key(wanted.key, wanted.aggregation_overrides)
    if wanted.distribution is not None:
        _check_distribution(wanted.distribution)
    if wanted.partition is not None:
        _check_partition(wanted.partition)
    _check_range("varchar_chars_max", wanted.varchar_chars_max, VARCHAR_CHARS_MAX)
    _check_range("polling_seconds", wanted.polling_seconds, EVERY_SECONDS_MAX)
    _check_properties(wanted.table_properties)
    return replace(wanted, path_prefix=prefix)


def check_against_columns(wanted: Definition, types: Mapping[str, ColumnType]) -> None:
    """Raise Invalid where a definition names columns that the files do not have.

    Also for a sum of what is no number, and for an aggregation of a key.
    """
    key = wanted.key.columns if wanted.key is not None else ()
    named = {
        "column_overrides": wanted.column_overrides,
        "aggregation_overrides": wanted.aggregation_overrides,
        "key": key,
        "distribution": wanted.distribution.columns if wanted.distribution is not None else (),
        "partition": () if wanted.partition is None else _columns_of(wanted.partition),
    }
    for field, columns in named.items():
        for column in columns:
            if column not in types:
                raise Invalid(f"{field} names column {column!r}, which the files do not have")
    for column, function in wanted.aggregation_overrides.items():
        if column in key:
            raise Invalid(f"aggregation_overrides names column {column!r}, which is in the key")
        if function == "SUM" and not types[column].is_number:
            raise Invalid(f"column {column!r} is {types[column].text}: it has no SUM")
    for column in types:
        if _RESERVED.fullmatch(column):
            raise Invalid(f"column {column!r}: names that begin with _outlast are the server's")


def _check_key(key: Key | None, aggregations: Mapping[str, Aggregation]) -> None:
    if aggregations and (key is None or key.type != "aggregate"):
        raise _wrong("aggregation_overrides", "belong to a key of type aggregate")
    if key is None:
        return
    _check_columns("key.columns", key.columns)
    if not key.columns and key.type != "duplicate":
        raise _wrong("key.columns", f"a {key.type} key needs columns")


def _check_distribution(distribution: Distribution) -> None:
    _check_columns("distribution.columns", distribution.columns)
    if distribution.type == "random" and distribution.columns:
        raise _wrong("distribution.columns", "a random distribution has none")
    _check_range("distribution.buckets", distribution.buckets, BUCKETS_MAX)


def _check_partition(partition: Partition) -> None:
    given = {
        name
        for name in ("columns", "column", "unit", "slices")
        if getattr(partition, name) not in {None, ()}
    }
    wanted = {
        "column": {"columns"},
        "date_trunc": {"column", "unit"},
        "time_slice": {"column", "unit", "slices"},
    }[partition.type]
    for name in sorted(wanted ^ given):
        verb = "needs" if name in wanted else "does not have"
        raise _wrong(f"partition.{name}", f"a partition by {partition.type} {verb} {name}")
    _check_columns("partition.columns", _columns_of(partition))
    _check_range("partition.slices", partition.slices, BUCKETS_MAX)


def _columns_of(partition: Partition) -> tuple[str, ...]:
    return partition.columns if partition.column is None else (partition.column,)


def _check_columns(field: str, columns: Collection[str]) -> None:
    if len(columns) > COLUMNS_MAX:
        raise _wrong(field, f"has at most {COLUMNS_MAX} columns")
    if len(set(columns)) != len(columns):
        raise _wrong(field, "names a column twice")
    if not all(1 <= len(column) <= COLUMN_NAME_CHARS_MAX for column in columns):
        raise _wrong(field, f"a column's name has 1 to {COLUMN_NAME_CHARS_MAX} characters")


def _check_properties(properties: Mapping[str, str]) -> None:
    texts: Iterable[str] = (*properties, *properties.values())
    if len(properties) > PROPERTIES_MAX or any(len(one) > PROPERTY_CHARS_MAX for one in texts):
        raise _wrong(
            "table_properties",
            f"has at most {PROPERTIES_MAX} entries of {PROPERTY_CHARS_MAX} characters",
        )


def _check_range(field: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise _wrong(field, f"is from 1 to {most}")


def _wrong(field: str, reason: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {reason}", field_errors={field: reason})
