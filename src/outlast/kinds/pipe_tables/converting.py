"""Values as the columns of a table want them, and never another value. Runs in a locked child.

What would be rounded, cut or guessed is refused, and the first such value is named.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from outlast.operations.errors import Invalid
from outlast.resources.datasets.tables import AnyArray, first_line
from outlast.resources.pipe_tables.column_types import ColumnType

_Convert: TypeAlias = Callable[[AnyArray], AnyArray]

_SHOWN_CHARS: Final = 60
_PLAIN: Final[Mapping[str, pa.DataType]] = MappingProxyType(
    {
        "BOOLEAN": pa.bool_(),
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "LARGEINT": pa.decimal128(38, 0),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "TIMESTAMP": pa.timestamp("us"),
        "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
        "VARCHAR": pa.string(),
        "VARBINARY": pa.binary(),
        "JSON": pa.string(),
    }
)
_INFERRED: Final[Mapping[pa.DataType, str]] = MappingProxyType(
    {type: word for word, type in _PLAIN.items() if word not in {"LARGEINT", "JSON"}}
    | {
        pa.uint8(): "SMALLINT",
        pa.uint16(): "INTEGER",
        pa.uint32(): "BIGINT",
        pa.uint64(): "LARGEINT",
        pa.timestamp("ns"): "TIMESTAMP",
        pa.timestamp("ns", "UTC"): "TIMESTAMPTZ",
    }
)


def arrow_type(type: ColumnType) -> Any:
    """How values of a column are held on their way: a type of Arrow."""
    if type.word == "DECIMAL":
        return pa.decimal128(*type.numbers)
    return _PLAIN[type.word]


def column_type(type: pa.DataType) -> ColumnType:
    """The column that holds values of a storable type; what is nested is kept as JSON."""
    if pa.types.is_nested(type) or isinstance(type, pa.BaseExtensionType):
        return ColumnType("JSON")
    if pa.types.is_decimal(type):
        return ColumnType("DECIMAL", (type.precision, type.scale))
    return ColumnType(_INFERRED[type])


def converted(array: AnyArray, type: ColumnType, column: str, rows_before: int) -> AnyArray:
    """The values in the type of a column. Raises Invalid, naming the row."""
    convert = _converter(array.type, type, column)
    try:
        return convert(array)
    except (pa.ArrowException, ValueError) as error:
        for place in range(len(array)):
            try:
                convert(array.slice(place, 1))
            except (pa.ArrowException, ValueError) as guilty:
                shown = str(array[place].as_py())[:_SHOWN_CHARS]
                raise Invalid(
                    f"row {rows_before + place + 1}, column {column!r}: {shown!r} is no"
                    f" {type.text}: {first_line(guilty)}"
                ) from error
        raise Invalid(f"column {column!r}: {first_line(error)}") from error


def _converter(given: pa.DataType, type: ColumnType, column: str) -> _Convert:
    wanted = arrow_type(type)
    if type.word == "JSON":
        return _as_json
    if type.word == "VARCHAR":
        return lambda array: _as_text(array, type.numbers[0] if type.numbers else None)
    if given.equals(wanted):
        return lambda array: array
    return _caster(given, wanted, f"column {column!r}: {given} cannot become {type.text}")


def _caster(given: pa.DataType, wanted: Any, refusal: str) -> _Convert:
    is_text = pa.types.is_string(given)
    if pa.types.is_decimal(wanted) and not pa.types.is_decimal(given):
        # Their texts are exact, and Arrow's own way from numbers is not.
        return lambda array: pc.cast(pc.cast(array, pa.string()), wanted)
    if pa.types.is_time(wanted) and is_text:
        return _time_of_text
    if pa.types.is_temporal(wanted) and not (is_text or pa.types.is_temporal(given)):
        raise Invalid(refusal)
    if not is_text and (pa.types.is_boolean(wanted) or pa.types.is_date(wanted)):
        return lambda array: _there_and_back(array, wanted)
    return lambda array: pc.cast(array, wanted)


def _there_and_back(array: AnyArray, wanted: Any) -> AnyArray:
    made = pc.cast(array, wanted)
    if not pc.cast(made, array.type).equals(array):
        raise ValueError("a part of the value would be lost")
    return made


def _as_text(array: AnyArray, chars_max: int | None) -> AnyArray:
    if pa.types.is_nested(array.type) or isinstance(array, pa.ExtensionArray):
        array = _as_json(array)
    texts: AnyArray = pc.cast(array, pa.string())
    if chars_max is not None:
        lengths: Any = texts
        longest = pc.max(pc.utf8_length(lengths)).as_py()
        if longest is not None and longest > chars_max:
            raise ValueError(f"a text has {longest} characters")
    return texts


def _time_of_text(array: AnyArray) -> AnyArray:
    day: Any = pa.scalar("1970-01-01 ")
    whole: Any = pc.binary_join_element_wise(day, array, "")
    times: AnyArray = pc.cast(pc.cast(whole, pa.timestamp("us")), pa.time64("us"))
    return times


def _as_json(array: AnyArray) -> AnyArray:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    texts: list[str | None] = []
    for value in array.to_pylist():
        if value is None:
            texts.append(None)
        elif isinstance(value, str):
            # A text is JSON already, as a CSV file has it.
            texts.append(msgspec.json.format(value, indent=-1))
        else:
            texts.append(msgspec.json.encode(value).decode())
    return pa.array(texts, pa.string())
