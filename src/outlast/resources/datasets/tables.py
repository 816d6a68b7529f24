"""Which Arrow types a version can hold, and how they are called."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from outlast.operations.errors import Invalid
from outlast.resources.datasets import model

NESTING_MAX: Final = 32
_DECIMAL_DIGITS_MAX: Final = 38
JSON: Final = pa.json_(pa.string())
"""Any JSON values, each as its text."""

AnyArray: TypeAlias = "pa.Array[Any]"


def use_one_thread() -> None:
    """Keep Arrow to one thread, as `frugal` keeps it to one allocator."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def storable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema in which data of this one is stored. Raises Invalid, naming the column.

    Dictionaries become their values, large and fixed-size variants the plain type, timestamps
    microseconds in UTC (or without a zone), columns of nulls text.
    """
    check_names(schema.names)
    fields = [pa.field(field.name, storable_type(field.type, field.name)) for field in schema]
    return pa.schema(fields)


def check_names(names: list[str]) -> None:
    """Raise Invalid unless a version can have columns of these names."""
    if not names:
        raise Invalid("there are no columns")
    if len(names) > model.COLUMNS_MAX:
        raise Invalid(f"there are {len(names)} columns; at most {model.COLUMNS_MAX} are allowed")
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if name in seen:
            raise Invalid(f"column {number}: the name {name[:200]!r} appears twice")
        if len(name) > model.COLUMN_NAME_CHARS_MAX:
            raise Invalid(f"column {number}: the name is longer than {model.COLUMN_NAME_CHARS_MAX}")
        seen.add(name)
    if sum(map(len, names)) > model.SCHEMA_BYTES_MAX // 2:
        raise Invalid(f"the names of all columns are longer than {model.SCHEMA_BYTES_MAX // 2}")


def storable_type(type: pa.DataType, column: str, depth: int = 1) -> pa.DataType:
    """The type in which values of this one are stored. Raises Invalid, naming the column."""
    if depth > NESTING_MAX:
        raise Invalid(f"column {column!r}: is nested deeper than {NESTING_MAX} levels")
    if isinstance(type, pa.BaseExtensionType):
        is_json = isinstance(type, pa.JsonType) and depth == 1
        return JSON if is_json else storable_type(type.storage_type, column, depth)
    if pa.types.is_dictionary(type):
        return storable_type(type.value_type, column, depth)
    if pa.types.is_nested(type):
        return _storable_nested(type, column, depth)
    if pa.types.is_timestamp(type):
        return pa.timestamp("ns" if type.unit == "ns" else "us", "UTC" if type.tz else None)
    if pa.types.is_decimal(type) and type.precision <= _DECIMAL_DIGITS_MAX:
        return pa.decimal128(type.precision, type.scale)
    for is_such, storable in _STORED_AS:
        if is_such(type):
            return type if storable is None else storable
    raise Invalid(f"column {column!r}: values of type {type} cannot be stored")


_STORED_AS: Final[tuple[tuple[Callable[[pa.DataType], bool], pa.DataType | None], ...]] = (
    (pa.types.is_null, pa.string()),
    (pa.types.is_string, None),
    (pa.types.is_large_string, pa.string()),
    (lambda type: str(type) == "string_view", pa.string()),
    (pa.types.is_binary, None),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (lambda type: str(type) == "binary_view", pa.binary()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("us")),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_boolean, None),
    (pa.types.is_integer, None),
    (pa.types.is_floating, None),
)


def _storable_nested(type: pa.DataType, column: str, depth: int) -> pa.DataType:
    if pa.types.is_struct(type):
        fields = [type.field(i) for i in range(type.num_fields)]
        if not fields:
            raise Invalid(f"column {column!r}: an object without members cannot be stored")
        if len({field.name for field in fields}) != len(fields):
            raise Invalid(f"column {column!r}: two members of an object have the same name")
        return pa.struct(
            [
                pa.field(f.name, storable_type(f.type, f"{column}.{f.name}", depth + 1))
                for f in fields
            ]
        )
    if pa.types.is_map(type):
        return pa.map_(
            storable_type(type.key_type, column, depth + 1),
            storable_type(type.item_type, column, depth + 1),
        )
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return pa.list_(pa.field("element", storable_type(type.value_type, column, depth + 1)))
    raise Invalid(f"column {column!r}: values of type {str(type)[:200]} cannot be stored")


def to_storable(batch: pa.RecordBatch, schema: pa.Schema, rows_before: int = 0) -> pa.RecordBatch:
    """A batch in its storable schema. Raises Invalid for a value that does not fit."""
    if batch.schema.equals(schema):
        return batch
    arrays = []
    for field, array in zip(schema, batch.columns, strict=True):
        try:
            arrays.append(_cast(array, field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Invalid(
                f"column {field.name!r}, rows {rows_before + 1} to {rows_before + len(batch)}: "
                f"{first_line(error)}"
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: AnyArray, type: pa.DataType) -> AnyArray:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if type.equals(JSON):
        return pa.ExtensionArray.from_storage(JSON, pc.cast(array, pa.string()))
    return array if array.type.equals(type) else pc.cast(array, type)


def describe(schema: pa.Schema) -> tuple[model.Column, ...]:
    """The columns of a storable schema as a manifest names them."""
    columns = tuple(model.Column(field.name, type_name(field.type)) for field in schema)
    if sum(len(column.name) + len(column.type) for column in columns) > model.SCHEMA_BYTES_MAX:
        raise Invalid(f"the names and types of all columns exceed {model.SCHEMA_BYTES_MAX} bytes")
    return columns


def type_name(type: pa.DataType) -> str:
    """What a stored type is called: Arrow's word, without what all stored types have in common."""
    if isinstance(type, pa.JsonType):
        return "json"
    if pa.types.is_struct(type):
        fields = [type.field(i) for i in range(type.num_fields)]
        return f"struct<{', '.join(f'{f.name}: {type_name(f.type)}' for f in fields)}>"
    if pa.types.is_map(type):
        return f"map<{type_name(type.key_type)}, {type_name(type.item_type)}>"
    if pa.types.is_list(type):
        return f"list<{type_name(type.value_type)}>"
    if pa.types.is_decimal(type):
        return f"decimal({type.precision}, {type.scale})"
    return {"bool": "boolean", "date32[day]": "date", "time64[us]": "time"}.get(
        str(type), str(type)
    )


def first_line(error: BaseException) -> str:
    """What an error of Arrow says, without the paths and the trace that may follow, and bounded."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
